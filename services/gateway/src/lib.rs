//! The only public door: identity, limits, breakers, routing, fallbacks, aggregated health.

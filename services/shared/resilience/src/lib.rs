//! Circuit breaker, rate limiter, cache-aside and retry budget, each usable alone.

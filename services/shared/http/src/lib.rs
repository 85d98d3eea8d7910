//! The HTTP side of every service: server, health, problems, extractors, idempotency.

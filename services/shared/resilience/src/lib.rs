//! Circuit breaker, rate limiter, cache-aside and retry budget, each usable alone.
//!
//! Every part keeps its rules in a plain state machine that takes the time as an argument; sockets,
//! timers and metrics stand around it. Nothing here knows axum.

pub mod breaker;
pub mod cache;
mod clock;
pub mod rate_limit;
mod redis_link;
pub mod retry;

pub use clock::{Clock, ManualClock, SystemClock};
pub use redis_link::{Redis, RedisAway, RedisConfigError};

//! The parts that need a Redis, against a real one (`TEST_REDIS_URL`, with admin rights).

mod cache;
mod limits;
mod redis_link;
mod support;

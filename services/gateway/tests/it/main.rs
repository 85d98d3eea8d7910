//! The gateway in process, before services on loopback and a real Redis (`TEST_REDIS_URL`).

mod bodies;
mod circuit;
mod identity;
mod limits;
mod own_routes;
mod streams;
mod subscription;
mod support;

//! The operator from outside: snapshots of what a platform consists of, the pipeline against a fake
//! API server, and the real API server for what only it decides.

mod chart;
mod cluster;
mod fake;
mod fixture;
mod pipeline;
mod real;
mod rendering;
mod rules;

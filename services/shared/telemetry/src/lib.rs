//! Logs, traces, metrics and the correlation id of every QuickBite process.
//!
//! One call, [`init`], at the top of `main`; everything else reads what it set up. Traces are off
//! unless an OTLP endpoint is named: a process without a collector must not pay for spans.

pub mod correlation;
mod log_format;
pub mod metrics;
mod start;
pub mod traceparent;

pub use correlation::CorrelationId;
pub use start::{Guard, LogFormat, TelemetryArgs, init};

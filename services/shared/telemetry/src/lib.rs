//! Logs, traces, metrics and the correlation id of every QuickBite process.

//! The atomics under the state word. A file of its own so that `tests/loom.rs` can put loom's in
//! its place and compile `state.rs` unchanged.

pub(super) use std::sync::atomic::{AtomicU64, Ordering};

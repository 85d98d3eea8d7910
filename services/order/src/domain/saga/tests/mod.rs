//! The saga by itself: named ways through it, and random ones.

mod sequences;
mod walks;

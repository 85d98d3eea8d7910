//! What a payment is and how it may move: a pure state machine, without provider, store or clock.

pub mod payment;

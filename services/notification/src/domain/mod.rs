//! Who is told what, when a delivery is tried again, and which addresses may be called. Pure.

pub mod backoff;
pub mod notice;
pub mod preferences;
pub mod public_address;
pub mod rules;
pub mod signature;

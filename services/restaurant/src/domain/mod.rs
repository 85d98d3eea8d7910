//! What a restaurant, its menu and its tickets are, and the rules they keep.
//!
//! Pure: no HTTP, no driver, no clock. Whoever calls passes the time and the ids, so every rule
//! here is tested without a store.

pub mod menu;
pub mod money;
pub mod place;
pub mod restaurant;
pub mod ticket;

//! Types and rules of drivers and deliveries. Pure: knows neither axum nor a store, time and ids come in.

pub mod delivery;
pub mod dispatch;
pub mod driver;
pub mod geo;
pub mod position;

//! What the demo and the end-to-end tests share: a client that speaks to the platform through the
//! ingress as any customer would, and the people who walk an order from cart to doorstep.
//!
//! Nothing here knows a service's code. The platform is reached by URL alone, so that these tests
//! hold the public contract and not an implementation.

pub mod client;
pub mod people;
pub mod stream;
pub mod wait;

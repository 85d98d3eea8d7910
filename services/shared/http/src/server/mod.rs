//! Puts a service's routes behind what every service does alike, and serves them.

mod accept;
mod app;
mod args;
pub(crate) mod instance;
mod linger;
mod observe;

pub(crate) use accept::serve;
#[cfg(any(test, feature = "testing"))]
pub(crate) use accept::serve_on;
pub use app::app;
pub use args::{ServerArgs, Service};

#[cfg(test)]
pub(crate) mod tests;

//! The only public door: identity, limits, breakers, routing, fallbacks, aggregated health.
//!
//! Inside: `routes` answer what is the gateway's own, `proxy` passes everything else on. What
//! decides (`routing`, `policy`, `client_ip`, `proxy::headers`, `proxy::answer`) does no I/O.

mod client_ip;
mod config;
mod fallback;
mod gateway;
mod identity;
mod limits;
mod policy;
mod proxy;
mod routes;
mod routing;
mod upstreams;

use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use quickbite_auth::Clock;
use quickbite_http::{Health, ServerArgs, Service};
use tokio_util::sync::CancellationToken;

pub use config::{GatewayArgs, UpstreamArgs};
pub use gateway::Gateway;
pub use policy::{Policy, PolicyError};
pub use routes::document;
pub use routing::{Tier, Upstream, may_fall_back};

/// This process.
pub const SERVICE: Service = Service {
    name: "gateway",
    version: env!("CARGO_PKG_VERSION"),
};

/// Serves until SIGTERM.
///
/// # Errors
/// When the settings cannot be used, or an address cannot be listened on.
pub async fn serve(server: ServerArgs, args: GatewayArgs) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let gateway = Gateway::start(args, Clock::system(), stop.clone())?;
    gateway.warm().await;
    let (routes, health) = (router(&gateway), health(&gateway));
    quickbite_http::serve(SERVICE, server, health, None, routes, stop).await
}

/// The gateway's routes, without what every server adds.
pub fn router(gateway: &Arc<Gateway>) -> Router {
    routes::router(Arc::clone(gateway))
}

/// The gateway's probes. It is ready without Redis: limits are then counted here.
pub fn health(gateway: &Arc<Gateway>) -> Health {
    let redis = gateway.redis.clone();
    Health::new().own_report().optional("redis", move || {
        let up = redis.is_up();
        async move { up.then_some(()).context("no connection") }
    })
}

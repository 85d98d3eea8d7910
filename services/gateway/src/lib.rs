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

use axum::Router;
use quickbite_http::{Clock, Health, Process, Program, Service};
use utoipa::openapi::OpenApi;

pub use config::{GatewayArgs, UpstreamArgs};
pub use gateway::Gateway;
pub use policy::{Policy, PolicyError};
pub use routing::{Tier, Upstream, may_fall_back};

/// This service.
pub const SERVICE: Service = quickbite_http::service!("gateway");

/// Its program.
#[derive(Debug)]
pub struct GatewayService;

impl Program for GatewayService {
    const SERVICE: Service = SERVICE;
    const MIGRATES: bool = false;
    type Serve = GatewayArgs;
    type Migrate = ();

    fn openapi() -> OpenApi {
        routes::document()
    }

    async fn serve(process: Process, args: GatewayArgs) -> anyhow::Result<()> {
        let gateway = Gateway::start(args, Clock::system(), process.background.stop())?;
        gateway.warm().await;
        let (routes, health) = (router(&gateway), health(&gateway));
        process.serve(health, None, routes).await?;
        gateway.limits.give_back_leases().await;
        Ok(())
    }

    async fn migrate((): ()) -> anyhow::Result<()> {
        Ok(())
    }
}

/// The gateway's routes, without what every server adds.
pub fn router(gateway: &Arc<Gateway>) -> Router {
    routes::router(Arc::clone(gateway))
}

/// The gateway's probes. It is ready without Redis: limits are then counted here.
pub fn health(gateway: &Arc<Gateway>) -> Health {
    Health::new()
        .own_report()
        .optional("redis", gateway.redis.probe())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_that_is_checked_in_describes_the_routes() {
        let checked_in = include_str!("../openapi.json");
        quickbite_http::testing::assert_current::<super::GatewayService>(checked_in);
    }
}

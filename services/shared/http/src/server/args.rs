//! Where a process listens and how it ends.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Which service this is.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// The short name: `user`, `order`, …
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// One sentence about it.
    pub about: &'static str,
}

/// The [`Service`](crate::Service) that the calling crate is, by its short name.
#[macro_export]
macro_rules! service {
    ($name:literal) => {
        $crate::Service {
            name: $name,
            version: env!("CARGO_PKG_VERSION"),
            about: env!("CARGO_PKG_DESCRIPTION"),
        }
    };
}

impl Service {
    /// The port that the service has in this platform; 3000 (the gateway's) for any other name.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self.name {
            "user" => 3001,
            "restaurant" => 3002,
            "order" => 3003,
            "driver" => 3004,
            "notification" => 3005,
            "payment" => 3006,
            _ => 3000,
        }
    }
}

/// What a process may be told about serving.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct ServerArgs {
    /// Where the service listens; by default every address, on the service's own port.
    #[arg(long, env = "HTTP_ADDR")]
    pub http_addr: Option<SocketAddr>,
    /// Where Prometheus finds /metrics. No ingress reaches it.
    #[arg(long, env = "METRICS_ADDR", default_value = "0.0.0.0:9090")]
    pub metrics_addr: SocketAddr,
    /// Seconds between becoming unready and refusing connections: time for endpoints to leave.
    #[arg(long, env = "DRAIN_DELAY_SECONDS", default_value_t = 0)]
    pub drain_delay_seconds: u64,
}

impl ServerArgs {
    /// Where `service` listens.
    #[must_use]
    pub fn http_addr(&self, service: &Service) -> SocketAddr {
        self.http_addr
            .unwrap_or_else(|| SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), service.port()))
    }

    pub(crate) fn drain_delay(&self) -> Duration {
        Duration::from_secs(self.drain_delay_seconds)
    }
}

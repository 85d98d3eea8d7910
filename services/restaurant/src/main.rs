//! Entry point: reads what to do and does it.

use std::process::ExitCode;

use clap::Parser as _;
use quickbite_http::{healthcheck, openapi};
use quickbite_restaurant::config::{Cli, Command, SERVICE};
use quickbite_restaurant::{routes, serve, store};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    // First: whoever makes a TLS connection finds the provider.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match Cli::parse().command {
        Command::Serve(args) => {
            let _telemetry = quickbite_telemetry::init(SERVICE.name, &args.telemetry)?;
            serve(*args).await?;
        }
        Command::Migrate(args) => {
            let _telemetry = quickbite_telemetry::init(SERVICE.name, &args.telemetry)?;
            let admin = args.mongodb_admin_uri.as_ref();
            store::migrate::migrate(&args.mongo.mongodb_uri, admin).await?;
        }
        Command::Openapi => openapi::print(&routes::document())?,
        Command::Healthcheck(server) => return Ok(healthcheck(server.http_addr(&SERVICE))),
    }
    Ok(ExitCode::SUCCESS)
}

//! Entry point: parse, start telemetry, serve or migrate.

use std::process::ExitCode;

use clap::Parser;
use quickbite_notification::config::{Cli, Command, SERVICE};
use quickbite_notification::store::MIGRATOR;
use quickbite_notification::{openapi, serve};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok();
    match Cli::parse().command {
        Command::Serve(args) => {
            let _telemetry = quickbite_telemetry::init(SERVICE.name, &args.telemetry)?;
            serve(*args).await?;
        }
        Command::Migrate(args) => {
            let _telemetry = quickbite_telemetry::init(SERVICE.name, &args.telemetry)?;
            quickbite_postgres::migrate(&args.postgres, &MIGRATOR).await?;
        }
        Command::Openapi => quickbite_http::openapi::print(&openapi())?,
        Command::Healthcheck(args) => {
            return Ok(quickbite_http::healthcheck(args.http_addr(&SERVICE)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

//! Entry point: parse, start telemetry, serve.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use quickbite_gateway::{GatewayArgs, SERVICE, serve};
use quickbite_http::{ServerArgs, healthcheck, openapi};
use quickbite_telemetry::TelemetryArgs;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The only public door of a QuickBite platform.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM.
    Serve(Box<Serve>),
    /// Print the OpenAPI document of the gateway's own routes.
    Openapi,
    /// Ask the process on this machine whether it lives.
    Healthcheck(ServerArgs),
}

#[derive(clap::Args)]
struct Serve {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    telemetry: TelemetryArgs,
    #[command(flatten)]
    gateway: GatewayArgs,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok()
        .context("another TLS provider is installed already")?;
    match Cli::parse().command {
        Command::Serve(args) => {
            let _guard = quickbite_telemetry::init(SERVICE.name, &args.telemetry)?;
            serve(args.server, args.gateway).await?;
        }
        Command::Openapi => openapi::print(&quickbite_gateway::document())?,
        Command::Healthcheck(server) => return Ok(healthcheck(server.http_addr(&SERVICE))),
    }
    Ok(ExitCode::SUCCESS)
}

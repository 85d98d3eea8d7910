//! Entry point.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use quickbite_http::ServerArgs;
use quickbite_order::config::Config;
use quickbite_order::{SERVICE, routes};
use quickbite_postgres::PostgresArgs;
use quickbite_telemetry::TelemetryArgs;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// QuickBite's order-service.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    telemetry: TelemetryArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM.
    Serve(Box<Config>),
    /// Make the database's role and schema.
    Migrate(PostgresArgs),
    /// Print the OpenAPI document.
    Openapi,
    /// Ask the running process whether it lives.
    Healthcheck(ServerArgs),
}

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match cli.command {
        Command::Openapi => {
            quickbite_http::openapi::print(&routes::openapi())?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Healthcheck(server) => {
            return Ok(quickbite_http::healthcheck(server.http_addr(&SERVICE)));
        }
        Command::Serve(_) | Command::Migrate(_) => {}
    }
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let _guard = quickbite_telemetry::init(SERVICE.name, &cli.telemetry)?;
            match cli.command {
                Command::Serve(config) => quickbite_order::serve(*config).await?,
                Command::Migrate(postgres) => quickbite_order::migrate(&postgres).await?,
                Command::Openapi | Command::Healthcheck(_) => {}
            }
            Ok(ExitCode::SUCCESS)
        })
}

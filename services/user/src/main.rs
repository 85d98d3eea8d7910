//! Entry point: `serve`, `migrate`, `openapi`, `healthcheck`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use quickbite_http::ServerArgs;
use quickbite_postgres::PostgresArgs;
use quickbite_telemetry::TelemetryArgs;
use quickbite_user::config::ServeArgs;
use quickbite_user::{MIGRATIONS, SERVICE, routes};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// QuickBite's user-service: accounts, passwords, tokens and addresses.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve HTTP until SIGTERM.
    Serve(Box<ServeArgs>),
    /// Make role, database and schema, or bring them up to date.
    Migrate {
        #[command(flatten)]
        postgres: PostgresArgs,
        #[command(flatten)]
        telemetry: TelemetryArgs,
    },
    /// Print the OpenAPI document.
    Openapi,
    /// Ask the process on this machine whether it is alive.
    Healthcheck {
        #[command(flatten)]
        server: ServerArgs,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    // Before the first handshake: two providers, or none, panic there.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match Cli::parse().command {
        Command::Serve(args) => {
            let _telemetry = quickbite_telemetry::init(SERVICE.name, &args.telemetry)?;
            quickbite_user::serve(*args).await?;
        }
        Command::Migrate {
            postgres,
            telemetry,
        } => {
            let _telemetry = quickbite_telemetry::init(SERVICE.name, &telemetry)?;
            quickbite_postgres::migrate(&postgres, &MIGRATIONS).await?;
        }
        Command::Openapi => quickbite_http::openapi::print(&routes::document())?,
        Command::Healthcheck { server } => {
            return Ok(quickbite_http::healthcheck(server.http_addr(&SERVICE)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

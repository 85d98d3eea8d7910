//! Entry point: parse, start telemetry, do what was asked.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use quickbite_operator::config::{Cli, Command};
use quickbite_operator::{api, install, render, server};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    // Only fails when a provider is already there, and this is the first line.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match obey(Cli::parse().command).await {
        Ok(code) => code,
        // One sentence with its causes; a backtrace would tell a user nothing.
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn obey(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(args) => {
            let _telemetry = quickbite_telemetry::init("quickbite-operator", &args.telemetry)?;
            quickbite_operator::run(args).await?;
        }
        Command::Crd => print!("{}", api::crd_yaml()),
        Command::Render { file } => {
            let text = std::fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            print!("{}", render::render(&text)?);
        }
        Command::Generate { root } => {
            install::write(&root).context("a generated file cannot be written")?;
        }
        Command::Healthcheck { metrics_addr } => {
            return Ok(server::healthcheck(metrics_addr).await);
        }
    }
    Ok(ExitCode::SUCCESS)
}

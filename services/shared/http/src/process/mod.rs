//! A service's process: what every service does alike between its command line and its exit code.
//!
//! A service says what is its own in a [`Program`]; its `main` is one call of [`run`].

mod background;
mod command;

use std::process::ExitCode;

use anyhow::Context;
use axum::Router;
use clap::Args;
use quickbite_auth::InternalVerifier;
use quickbite_telemetry::TelemetryArgs;
use utoipa::openapi::OpenApi;

pub use background::Background;

use crate::health::Health;
use crate::server::{ServerArgs, Service, serve};
use crate::{openapi, shutdown};
use command::{Migrating, Serving, Wish, wish};

/// What a service's process can do.
pub trait Program {
    /// Which service it is.
    const SERVICE: Service;
    /// Whether there is something to migrate; without, there is no `migrate`.
    const MIGRATES: bool = true;
    /// What `serve` is told besides address and telemetry.
    type Serve: Args;
    /// What `migrate` is told besides telemetry.
    type Migrate: Args;

    /// The OpenAPI document of its routes, made without anything running.
    fn openapi() -> OpenApi;

    /// Connects, starts what runs in the background, and ends in [`Process::serve`].
    ///
    /// # Errors
    /// When the configuration cannot be used or an address is taken. A store or broker that is away
    /// is no error: the process is unready until it comes.
    fn serve(process: Process, args: Self::Serve) -> impl Future<Output = anyhow::Result<()>>;

    /// Brings the store up to date and ends.
    ///
    /// # Errors
    /// When the store cannot be reached or changed.
    fn migrate(args: Self::Migrate) -> impl Future<Output = anyhow::Result<()>>;
}

/// A process that is about to serve.
#[derive(Debug)]
pub struct Process {
    /// What runs beside the requests.
    pub background: Background,
    service: Service,
    server: ServerArgs,
}

impl Process {
    /// Serves `routes` until SIGTERM or SIGINT, drains, and waits for the background to end. With a
    /// `verifier` every path but the probes and `/openapi.json` needs an internal token.
    ///
    /// # Errors
    /// When an address cannot be listened on.
    pub async fn serve(
        self,
        health: Health,
        verifier: Option<InternalVerifier>,
        routes: Router,
    ) -> anyhow::Result<()> {
        let Self {
            background,
            service,
            server,
        } = self;
        serve(service, server, health, verifier, routes, background.stop()).await?;
        background.end().await;
        Ok(())
    }
}

/// Does what the command line asks for. What fails is one line on stderr and a failing exit code.
pub fn run<P: Program>() -> ExitCode {
    // First: a TLS handshake without a provider, or with two to choose from, panics.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let outcome = match wish::<P>() {
        Wish::Serve(serve) => {
            let Serving {
                server,
                telemetry,
                own,
            } = *serve;
            let process = Process {
                background: Background::default(),
                service: P::SERVICE,
                server,
            };
            within::<P>(&telemetry, P::serve(process, own))
        }
        Wish::Migrate(migrate) => {
            let Migrating { telemetry, own } = *migrate;
            within::<P>(&telemetry, P::migrate(own))
        }
        Wish::Openapi => openapi::print(&P::openapi()),
        Wish::Healthcheck(server) => return shutdown::healthcheck(server.http_addr(&P::SERVICE)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickbite-{}: {error:#}", P::SERVICE.name);
            ExitCode::FAILURE
        }
    }
}

/// Runs `work` with telemetry that is flushed after the last task is gone.
fn within<P: Program>(
    telemetry: &TelemetryArgs,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let _flushed_at_the_end = quickbite_telemetry::init(P::SERVICE.name, telemetry)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    runtime.block_on(work)
}

//! The operator that turns a `QuickBitePlatform` object into a running platform.
//!
//! `api` is what users write, `controller` makes the cluster follow it, the rest is around it.

pub mod api;
pub mod clock;
pub mod component;
pub mod config;
pub mod controller;
pub mod install;
pub mod leader;
pub mod metrics;
pub mod render;
pub mod server;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use config::RunArgs;
use controller::context::Context;
use leader::{Election, Leadership};
use metrics::Metrics;
use server::Readiness;

/// Runs the operator until SIGTERM or SIGINT, or until another replica took over.
///
/// # Errors
/// When the cluster cannot be reached at start, when the address for probes is taken, or when
/// leadership is lost: the process should then end and start anew.
pub async fn run(args: RunArgs) -> anyhow::Result<()> {
    let shutdown = CancellationToken::new();
    let lost = CancellationToken::new();
    tokio::spawn(on_signal(shutdown.clone()));
    let readiness = Readiness::default();
    let server = tokio::spawn(server::serve(
        args.metrics_addr,
        readiness.clone(),
        shutdown.clone(),
    ));
    let client = kube::Client::try_default()
        .await
        .context("no cluster can be reached")?;
    let metrics = Metrics::register();
    metrics.leading(false);
    readiness.set(true);
    let identity = args
        .pod_name
        .clone()
        .unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let election = if args.no_leader_election {
        None
    } else {
        tracing::info!(%identity, "waiting for leadership");
        let namespace = &args.pod_namespace;
        match leader::lead(
            client.clone(),
            namespace,
            &identity,
            &shutdown,
            lost.clone(),
        )
        .await?
        {
            Some(election) => Some(election),
            None => return Ok(()),
        }
    };
    let leadership = election
        .as_ref()
        .map_or_else(Leadership::always, |election| election.leadership.clone());
    metrics.leading(true);
    tracing::info!(%identity, namespace = ?args.watch_namespace, "reconciling platforms");
    let context = Context::new(client, leadership, Some(identity));
    let work = controller::run::run(
        context,
        args.watch_namespace,
        args.concurrency,
        shutdown.clone(),
    );
    tokio::select! {
        () = work => {}
        () = lost.cancelled() => anyhow::bail!("leadership was lost"),
        served = server => served.context("the server for probes and metrics ended")??,
    }
    metrics.leading(false);
    if let Some(election) = election {
        Election::end(election).await?;
    }
    Ok(())
}

async fn on_signal(shutdown: CancellationToken) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("shutting down");
    shutdown.cancel();
}

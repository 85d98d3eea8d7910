//! What the process may be told: flags, each with an environment variable.

use std::net::SocketAddr;
use std::path::PathBuf;

use quickbite_telemetry::TelemetryArgs;

/// Runs QuickBite platforms on Kubernetes.
#[derive(Debug, clap::Parser)]
#[command(name = "quickbite-operator", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Watches platforms and makes the cluster follow them.
    Run(RunArgs),
    /// Prints the custom resource definition.
    Crd,
    /// Prints the objects that a platform would get, without a cluster.
    Render {
        /// File with the platform, and with Secrets that it refers to, if any.
        #[arg(short, long)]
        file: PathBuf,
    },
    /// Writes every generated file of the repository: definitions, RBAC, the chart's copies.
    Generate {
        /// Root of the repository.
        #[arg(default_value = ".")]
        root: PathBuf,
    },
    /// Asks a running operator on this machine whether it lives.
    Healthcheck {
        /// Where it listens.
        #[arg(long, env = "METRICS_ADDR", default_value = "0.0.0.0:8080")]
        metrics_addr: SocketAddr,
    },
}

/// How to run.
#[derive(Debug, Clone, clap::Args)]
pub struct RunArgs {
    /// Address of probes and metrics.
    #[arg(long, env = "METRICS_ADDR", default_value = "0.0.0.0:8080")]
    pub metrics_addr: SocketAddr,
    /// The only namespace to watch; all of them when left out.
    #[arg(long, env = "WATCH_NAMESPACE")]
    pub watch_namespace: Option<String>,
    /// Namespace of the operator itself, where the Lease is.
    #[arg(long, env = "POD_NAMESPACE", default_value = "quickbite-system")]
    pub pod_namespace: String,
    /// Name of this replica in the election and in events; a random one when left out.
    #[arg(long, env = "POD_NAME")]
    pub pod_name: Option<String>,
    /// Acts at once, without an election: for one replica on a developer's machine.
    #[arg(long, env = "NO_LEADER_ELECTION")]
    pub no_leader_election: bool,
    /// Platforms that are reconciled at the same time.
    #[arg(long, env = "CONCURRENCY", default_value_t = 8)]
    pub concurrency: u16,
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

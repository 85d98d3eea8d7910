//! Sets up logs, and traces where an endpoint is named.

use anyhow::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::log_format::JsonLine;

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For a person at a terminal.
    Text,
}

/// What a process may be told about its telemetry.
#[derive(Debug, Clone, clap::Args)]
pub struct TelemetryArgs {
    /// Which lines are logged, as `tracing` directives.
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    pub rust_log: String,
    /// How log lines look.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// Base URL of an OTLP/HTTP collector, such as http://collector:4318; traces are off without.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// Share of new traces that is recorded, 0 to 1; a caller's own decision counts first.
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", default_value_t = 1.0)]
    pub trace_ratio: f64,
}

/// Flushes traces when it is dropped: keep it until the end of `main`.
#[must_use = "traces stop when the guard is dropped"]
#[derive(Debug)]
pub struct Guard {
    provider: Option<SdkTracerProvider>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(provider) = self.provider.take()
            && let Err(error) = provider.shutdown()
        {
            eprintln!("traces could not be flushed: {error}");
        }
    }
}

/// Starts logs (and traces) of the process `service`. Call once, first in `main`.
///
/// # Errors
/// When `RUST_LOG` or the OTLP endpoint cannot be understood, or when called twice.
pub fn init(service: &'static str, args: &TelemetryArgs) -> anyhow::Result<Guard> {
    // PostgreSQL's "already exists, skipping" of each start says nothing; RUST_LOG may ask for it.
    let directives = format!("sqlx::postgres::notice=warn,{}", args.rust_log);
    let filter = || EnvFilter::try_new(&directives).context("RUST_LOG is no tracing filter");
    let lines = match args.log_format {
        LogFormat::Json => fmt::layer()
            .fmt_fields(JsonFields::new())
            .event_format(JsonLine { service })
            .with_filter(filter()?)
            .boxed(),
        LogFormat::Text => fmt::layer().with_filter(filter()?).boxed(),
    };
    let provider = args
        .otlp_endpoint
        .as_deref()
        .filter(|endpoint| !endpoint.is_empty())
        .map(|endpoint| tracer_provider(service, endpoint, args.trace_ratio))
        .transpose()?;
    // Every layer has a filter: one without would make each disabled callsite be asked every time.
    let spans = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer(service))
            .with_filter(LevelFilter::INFO)
    });
    tracing_subscriber::registry()
        .with(lines)
        .with(spans)
        .try_init()
        .context("telemetry was already started")?;
    Ok(Guard { provider })
}

fn tracer_provider(
    service: &'static str,
    endpoint: &str,
    ratio: f64,
) -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()
        .context("OTEL_EXPORTER_OTLP_ENDPOINT cannot be used")?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(
            ratio,
        ))))
        .with_resource(Resource::builder().with_service_name(service).build())
        .build())
}

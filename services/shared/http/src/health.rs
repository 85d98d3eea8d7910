//! Probes: alive, ready, and what is wrong.
//!
//! `/livez` never asks a dependency: restarting this process does not mend a database.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::future::join_all;
use http::StatusCode;
use serde::Serialize;

/// A check that has not answered by then has failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

type CheckFuture = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

#[derive(Clone)]
struct Check {
    name: &'static str,
    /// Whether the process is unready while it fails.
    required: bool,
    run: Arc<dyn Fn() -> CheckFuture + Send + Sync>,
}

/// What a process depends on. Clones share the drain flag.
#[derive(Clone, Default)]
pub struct Health {
    checks: Vec<Check>,
    draining: Arc<AtomicBool>,
    own_report: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Healthy,
    Degraded,
    Unhealthy,
}

#[derive(Debug, Serialize)]
struct Report {
    status: Status,
    checks: BTreeMap<&'static str, CheckReport>,
}

#[derive(Debug, Serialize)]
struct CheckReport {
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Health {
    /// Without checks: always ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The service answers `/health` itself; only `/livez` and `/readyz` are added to its routes.
    #[must_use]
    pub fn own_report(mut self) -> Self {
        self.own_report = true;
        self
    }

    /// Adds something that must work for the process to be ready.
    #[must_use]
    pub fn check<F, R, E>(self, name: &'static str, run: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<anyhow::Error>,
    {
        self.add(name, true, run)
    }

    /// Adds something that the process can do without: `degraded` in `/health`, but ready.
    #[must_use]
    pub fn optional<F, R, E>(self, name: &'static str, run: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<anyhow::Error>,
    {
        self.add(name, false, run)
    }

    fn add<F, R, E>(mut self, name: &'static str, required: bool, run: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<anyhow::Error>,
    {
        let run = move || -> CheckFuture {
            let answer = run();
            Box::pin(async { answer.await.map_err(Into::into) })
        };
        self.checks.push(Check {
            name,
            required,
            run: Arc::new(run),
        });
        self
    }

    /// From now on unready: the process is about to end.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    async fn report(&self) -> Report {
        let results = join_all(self.checks.iter().map(|check| async move {
            let result = match tokio::time::timeout(CHECK_TIMEOUT, (check.run)()).await {
                Ok(result) => result,
                Err(_) => Err(anyhow::anyhow!("no answer within {CHECK_TIMEOUT:?}")),
            };
            (check, result)
        }))
        .await;
        let mut status = Status::Healthy;
        let mut checks = BTreeMap::new();
        for (check, result) in results {
            let report = match result {
                Ok(()) => CheckReport {
                    status: Status::Healthy,
                    error: None,
                },
                Err(error) => {
                    let failed = if check.required {
                        Status::Unhealthy
                    } else {
                        Status::Degraded
                    };
                    if status != Status::Unhealthy {
                        status = failed;
                    }
                    CheckReport {
                        status: failed,
                        error: Some(format!("{error:#}")),
                    }
                }
            };
            checks.insert(check.name, report);
        }
        if self.draining.load(Ordering::Relaxed) {
            status = Status::Unhealthy;
        }
        Report { status, checks }
    }

    pub(crate) fn router(&self) -> Router {
        let mut probes = Router::new()
            .route(
                "/livez",
                get(|| async { Json(serde_json::json!({ "status": "alive" })) }),
            )
            .route("/readyz", get(readyz));
        if !self.own_report {
            probes = probes.route("/health", get(health));
        }
        probes.with_state(self.clone())
    }
}

async fn readyz(State(health): State<Health>) -> Response {
    let report = health.report().await;
    let status = if report.status == Status::Unhealthy {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    (status, Json(report)).into_response()
}

async fn health(State(health): State<Health>) -> Response {
    Json(health.report().await).into_response()
}

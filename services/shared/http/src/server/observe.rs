//! One correlation id, one span, one access log line and one count per request.
//!
//! Requests that change something run in a task of their own: a client that hangs up must not leave
//! half of a change behind. Reads are dropped with their client, and logged as 499.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::{HeaderMap, HeaderValue, Method};
use quickbite_telemetry::metrics::{
    HistogramVec, IntCounterVec, counter_vec, gauge_vec, histogram_vec,
};
use quickbite_telemetry::{CorrelationId, correlation, traceparent};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span, field, info_span};

use super::args::Service;
use super::instance;
use crate::problem::Problem;

/// The status that is logged for a client that did not wait (nginx's).
const CLIENT_GONE: u16 = 499;

/// In characters.
const LONGEST_LOGGED_PATH: usize = 256;

#[derive(Clone)]
pub(super) struct Observer {
    requests: IntCounterVec,
    durations: HistogramVec,
    writes: TaskTracker,
}

impl Observer {
    pub(super) fn new(service: Service, writes: TaskTracker) -> Self {
        gauge_vec(
            "quickbite_build_info",
            "1, with what runs as labels.",
            &["service", "version"],
        )
        .with_label_values(&[service.name, service.version])
        .set(1.0);
        Self {
            requests: counter_vec(
                "http_requests_total",
                "Requests answered.",
                &["method", "route", "status"],
            ),
            durations: histogram_vec(
                "http_request_duration_seconds",
                "From the request's head to the answer's head.",
                &["method", "route"],
            ),
            writes,
        }
    }
}

pub(super) async fn observe(
    State(observer): State<Observer>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = CorrelationId::parse_or_fresh(text_of(request.headers(), correlation::HEADER));
    let inbound_trace = text_of(request.headers(), traceparent::HEADER).map(str::to_owned);
    let method = method_label(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".into(), |path| path.as_str().to_owned());
    let path = request.uri().path().to_owned();
    let span = info_span!(
        "request",
        otel.kind = "server",
        otel.name = %format_args!("{method} {route}"),
        correlationId = %id,
        method,
        route,
        path = shortened(&path),
        userId = field::Empty,
    );
    if let Some(parent) = &inbound_trace {
        traceparent::set_parent(&span, parent);
    }
    let id_value = HeaderValue::from_str(id.as_str()).ok();
    if let Some(value) = &id_value {
        request
            .headers_mut()
            .insert(correlation::HEADER, value.clone());
    }
    let changes = !matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let access = Access {
        requests: observer.requests,
        durations: observer.durations,
        method,
        route,
        probe: matches!(path.as_str(), "/livez" | "/readyz" | "/health"),
        started: Instant::now(),
        status: CLIENT_GONE,
        span: span.clone(),
    };

    let answer = contained(next.run(request));
    let answer = instance::scope(path, answer);
    let answer = traceparent::scope(inbound_trace, answer);
    let answer = correlation::scope(id, answer).instrument(span);
    // The access line is part of what runs on: a write is logged with its own end, and not with that
    // of a client that did not wait.
    let answer = async move {
        let mut access = access; // the whole of it, not only the field that is set
        let response = answer.await;
        access.status = response.status().as_u16();
        response
    };
    let mut response = if changes {
        match observer.writes.spawn(answer).await {
            Ok(response) => response,
            Err(error) => Problem::internal(error).into_response(),
        }
    } else {
        answer.await
    };
    if let Some(value) = id_value {
        response.headers_mut().insert(correlation::HEADER, value);
    }
    response
}

/// A path as it is logged: whoever asks for 64 KiB of nothing must not fill the log with it.
fn shortened(path: &str) -> &str {
    match path.char_indices().nth(LONGEST_LOGGED_PATH) {
        Some((end, _)) => &path[..end],
        None => path,
    }
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A panic is a 500 problem, and the connection and the process live on.
async fn contained(answer: impl Future<Output = Response>) -> Response {
    AssertUnwindSafe(answer)
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| {
            let text = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "no message".to_owned());
            Problem::internal(format!("panic: {text}")).into_response()
        })
}

/// From a closed set: a client must not be able to make new series.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Logs and counts when it is dropped: with the answer, or with a client that did not wait for it.
struct Access {
    requests: IntCounterVec,
    durations: HistogramVec,
    method: &'static str,
    route: String,
    probe: bool,
    started: Instant,
    status: u16,
    span: Span,
}

impl Drop for Access {
    fn drop(&mut self) {
        let took: Duration = self.started.elapsed();
        let (method, route, status) = (self.method, self.route.as_str(), self.status);
        self.requests
            .with_label_values(&[method, route, &status.to_string()])
            .inc();
        self.durations
            .with_label_values(&[method, route])
            .observe(took.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "a log line in milliseconds")]
        let duration_ms = took.as_micros() as f64 / 1000.0;
        self.span.in_scope(|| {
            if self.probe {
                tracing::debug!(target: "access", status, durationMs = duration_ms, "answered");
            } else {
                tracing::info!(target: "access", status, durationMs = duration_ms, "answered");
            }
        });
    }
}

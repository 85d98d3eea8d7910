//! `GET /api/orders/{id}/stream`: server-sent events.
//!
//! `snapshot` first (the whole order), then one `status` per change and one `position` per move of the driver. Ids
//! count the order's changes, so that `Last-Event-ID` gets what was missed; positions have none, they only matter
//! now. The stream ends after the order's last change.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::{Stream, stream};
use http::HeaderMap;
use quickbite_http::{AnyUser, Path, ProblemBody};
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use uuid::Uuid;

use super::single::visible;
use super::views::{OrderDetail, history};
use crate::domain::order::Entry;
use crate::error::ApiError;
use crate::live::News;
use crate::state::AppState;

const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Watch an order live.
#[utoipa::path(
    get, path = "/api/orders/{id}/stream", tag = "orders",
    params(("id" = Uuid, Path), ("Last-Event-ID" = Option<i64>, Header, description = "Resumes after this event")),
    responses(
        (status = 200, description = "Events: snapshot, status, position", content_type = "text/event-stream"),
        (status = 404, description = "Unknown or not yours", body = ProblemBody),
    )
)]
pub(super) async fn stream_order(
    State(app): State<AppState>,
    AnyUser(caller): AnyUser,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    // Heard before it is read: nothing falls between.
    let news = app.live.subscribe();
    let order = visible(&app, &caller, id).await?;
    let entries = app.orders.changes(id, 0).await?;
    let newest = entries.last().map_or(0, |entry| entry.sequence);
    let resumed = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok()?.parse::<i64>().ok())
        .filter(|sequence| (0..=newest).contains(sequence));
    let ended = order.status().is_final();
    let mut ready = VecDeque::new();
    match resumed {
        Some(after) => {
            let missed = entries.into_iter().filter(|entry| entry.sequence > after);
            ready.extend(missed.map(|entry| change(id, &entry)));
        }
        None => {
            let detail = OrderDetail {
                order: order.into(),
                history: history(entries),
            };
            ready.push_back(event("snapshot", Some(newest), &detail));
        }
    }
    let watch = Watch {
        app,
        id,
        news,
        newest,
        ready,
        ended,
    };
    let events = stream::unfold(watch, |mut watch| async move {
        watch.next().await.map(|event| (Ok(event), watch))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

struct Watch {
    app: AppState,
    id: Uuid,
    news: Receiver<News>,
    newest: i64,
    ready: VecDeque<Event>,
    ended: bool,
}

impl Watch {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            let stop = self.app.stop.clone();
            let news = tokio::select! {
                () = stop.cancelled() => return None,
                news = self.news.recv() => news,
            };
            match news {
                Ok(News::Position(order, position)) if order == self.id => {
                    return Some(Event::default().event("position").data(one_line(&position)));
                }
                Ok(News::Order(order)) if order != self.id => {}
                Ok(News::Position(..) | News::Projection(_)) => {}
                // This order's news, or some were missed.
                Ok(News::Order(_) | News::Unknown) | Err(_) => self.catch_up().await,
            }
        }
    }

    async fn catch_up(&mut self) {
        match self.app.orders.changes(self.id, self.newest).await {
            Ok(entries) => {
                for entry in entries {
                    self.newest = entry.sequence;
                    self.ended |= entry.status.is_final();
                    self.ready.push_back(change(self.id, &entry));
                }
            }
            // The client comes back with its last id and gets what it missed.
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a stream cannot go on"
                );
                self.ended = true;
            }
        }
    }
}

fn change(id: Uuid, entry: &Entry) -> Event {
    let Entry {
        sequence,
        kind,
        status,
        reason,
        at,
    } = entry;
    let data = json!({"orderId": id, "type": kind, "status": status, "reason": reason, "at": at});
    event("status", Some(*sequence), &data)
}

fn event(name: &str, id: Option<i64>, data: &impl serde::Serialize) -> Event {
    let event = Event::default().event(name);
    let event = match id {
        Some(id) => event.id(id.to_string()),
        None => event,
    };
    event.data(serde_json::to_string(data).unwrap_or_default())
}

/// A carriage return inside of an event's data is not allowed, and JSON needs none.
fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

//! The inbox as it grows, as server-sent events. `id` is the place in the inbox: `Last-Event-ID` resumes after it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::Stream;
use futures::stream::unfold;
use quickbite_http::{AnyUser, Problem};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use super::views::NotificationView;
use crate::domain::notice::Notice;
use crate::error::ApiError;
use crate::state::AppState;
use crate::wakes::Woken;

const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Looks at the inbox this often without being woken.
const LOOK_EVERY: Duration = Duration::from_secs(15);
const PAGE: i64 = 100;

/// Notifications as they come; those after `Last-Event-ID` first, where the client sends it.
#[utoipa::path(get, path = "/api/notifications/stream", tag = "notifications",
    params(("last-event-id" = Option<i64>, Header, description = "the last event that was seen")),
    responses((status = 200, content_type = "text/event-stream", body = NotificationView)))]
pub(super) async fn follow(
    State(app): State<AppState>,
    AnyUser(user): AnyUser,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    // Before the inbox is read: what comes in between is then a wake-up, and not lost.
    let woken = app.wakes.subscribe();
    let seen = match last_event_id(&headers)? {
        Some(seen) => seen,
        None => app.store.last_seq(user.user_id).await?,
    };
    let reader = Reader {
        app,
        user_id: user.user_id,
        seen,
        woken,
        read: VecDeque::new(),
        look: true,
    };
    let events = unfold(reader, |mut reader| async move {
        reader.next().await.map(|event| (Ok(event), reader))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let seen = value.to_str().ok().and_then(|text| text.parse().ok());
    seen.filter(|seen| *seen >= 0).map(Some).ok_or_else(|| {
        Problem::bad_request(
            "invalid_last_event_id",
            "Last-Event-ID is no event of this stream",
        )
    })
}

struct Reader {
    app: AppState,
    user_id: Uuid,
    seen: i64,
    woken: Receiver<Woken>,
    read: VecDeque<Notice>,
    look: bool,
}

impl Reader {
    /// The next event; `None` when the service drains.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(notice) = self.read.pop_front() {
                let seq = notice.seq.unwrap_or(self.seen);
                self.seen = seq;
                let event = Event::default().id(seq.to_string()).event("notification");
                // A view always serialises.
                return event.json_data(NotificationView::from(notice)).ok();
            }
            if std::mem::take(&mut self.look) {
                self.look_again().await;
                continue;
            }
            let draining = self.app.draining.clone();
            tokio::select! {
                () = draining.cancelled() => return None,
                wake = self.woken.recv() => match wake {
                    Ok(Woken::User(id)) => self.look = id == self.user_id,
                    Ok(Woken::Everyone) | Err(RecvError::Lagged(_)) => self.look = true,
                    Err(RecvError::Closed) => return None,
                },
                () = tokio::time::sleep(LOOK_EVERY) => self.look = true,
            }
        }
    }

    async fn look_again(&mut self) {
        match self
            .app
            .store
            .inbox_after(self.user_id, self.seen, PAGE)
            .await
        {
            Ok(page) => {
                // A full page has a successor.
                self.look = page.len() as i64 == PAGE;
                self.read = page.into();
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the inbox cannot be read, trying again"
                );
            }
        }
    }
}

//! Server-sent events, read as a client reads them.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use eventsource_stream::{Event, Eventsource};
use futures::{StreamExt, stream::BoxStream};
use reqwest::Method;

use crate::client::Api;

/// An open event stream.
pub struct Events(BoxStream<'static, Result<Event>>);

impl Events {
    /// Opens `path` as an event stream; `last_event_id` resumes after that event.
    pub async fn open(
        api: &Api,
        path: &str,
        token: &str,
        last_event_id: Option<&str>,
    ) -> Result<Self> {
        let mut request = api
            .request(Method::GET, path)
            .bearer_auth(token)
            .header("accept", "text/event-stream")
            .timeout(Duration::from_secs(300));
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await?;
        ensure!(
            response.status().is_success(),
            "{path} answered {}",
            response.status()
        );
        let events = response
            .bytes_stream()
            .eventsource()
            .map(|event| event.context("the event stream broke off"));
        Ok(Self(events.boxed()))
    }

    /// The next event, or an error when none comes within `limit`.
    pub async fn next(&mut self, limit: Duration) -> Result<Event> {
        match tokio::time::timeout(limit, self.0.next()).await {
            Ok(Some(event)) => event,
            Ok(None) => bail!("the server ended the stream"),
            Err(_) => bail!("no event within {limit:?}"),
        }
    }

    /// Reads events until one contains `text` in its data; returns every event read.
    pub async fn read_until(&mut self, text: &str, limit: Duration) -> Result<Vec<Event>> {
        let deadline = tokio::time::Instant::now() + limit;
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            let event = self.next(left).await.with_context(|| {
                format!(
                    "waiting for an event with {text:?}; saw {} events",
                    seen.len()
                )
            })?;
            let found = event.data.contains(text);
            seen.push(event);
            if found {
                return Ok(seen);
            }
        }
    }
}

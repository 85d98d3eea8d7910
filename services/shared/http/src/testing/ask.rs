//! Asking routes without a socket.

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body's JSON; a body that is not JSON is a string.
    pub body: Value,
}

impl Answer {
    /// A header's text; empty without.
    ///
    /// # Panics
    /// When it is not text.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("text"))
    }

    /// The text at a JSON pointer; empty without.
    #[must_use]
    pub fn text(&self, pointer: &str) -> &str {
        let text = self.body.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_default()
    }

    /// The ids of a list's items.
    ///
    /// # Panics
    /// When it is no such list.
    #[must_use]
    pub fn ids(&self) -> Vec<&str> {
        let items = self.body["items"].as_array().expect("items").iter();
        items
            .map(|item| item["id"].as_str().expect("an id"))
            .collect()
    }

    /// A problem's code; empty without.
    #[must_use]
    pub fn code(&self) -> &str {
        self.text("/code")
    }
}

/// Asks `app`.
///
/// # Panics
/// When the body cannot be read to its end.
pub async fn ask(app: &Router, request: Request<Body>) -> Answer {
    let Ok(response) = app.clone().oneshot(request).await;
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.expect("a whole body").to_bytes();
    let body = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes)));
    Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    }
}

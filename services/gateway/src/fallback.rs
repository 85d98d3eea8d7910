//! The last good answers to public reads, for when their service has none.
//!
//! Redis, a day, at most one write per address and half minute: a copy that is half a minute older
//! is no worse a fallback, and a busy list must not become a write per read.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{AGE, CONTENT_TYPE, HeaderValue, WARNING};
use moka::future::Cache;
use quickbite_auth::Clock;
use quickbite_resilience::Redis;
use quickbite_telemetry::metrics::{IntCounter, counter};
use sha2::{Digest, Sha256};

/// Larger answers are not kept, in bytes.
pub(crate) const LARGEST: usize = 256 * 1024;
const KEPT_SECONDS: u64 = 24 * 60 * 60;
const KEEP_EVERY: Duration = Duration::from_secs(30);
const BOUND: Duration = Duration::from_millis(100);
const SOURCE: &str = "cache-fallback";

/// Clones share everything.
#[derive(Clone)]
pub(crate) struct Fallbacks {
    redis: Redis,
    clock: Clock,
    prefix: Arc<str>,
    kept: Cache<[u8; 32], ()>,
    served: IntCounter,
}

impl Fallbacks {
    /// Keys start with `<prefix>:`.
    pub(crate) fn new(redis: Redis, clock: Clock, prefix: &str) -> Self {
        Self {
            redis,
            clock,
            prefix: prefix.into(),
            kept: Cache::builder()
                .max_capacity(10_000)
                .time_to_live(KEEP_EVERY)
                .build(),
            served: counter(
                "quickbite_gateway_fallbacks_total",
                "Requests answered with the last good answer",
            ),
        }
    }

    /// Whether the answer at `place` (path and query) is worth to be copied now.
    pub(crate) fn wants(&self, place: &str) -> bool {
        self.redis.is_up() && !self.kept.contains_key(&hash(place))
    }

    /// Remembers an answer, in the background.
    pub(crate) fn keep(&self, place: String, json: Bytes) {
        let hash = hash(&place);
        let this = self.clone();
        tokio::spawn(async move {
            this.kept.insert(hash, ()).await;
            let mut text = format!("{}|", this.clock.now().as_second()).into_bytes();
            text.extend_from_slice(&json);
            let mut set = redis::cmd("SET");
            set.arg(this.key(&place))
                .arg(text)
                .arg("EX")
                .arg(KEPT_SECONDS);
            if this.redis.command::<()>(BOUND, &set).await.is_err() {
                this.kept.invalidate(&hash).await;
            }
        });
    }

    /// The remembered answer, marked as what it is.
    pub(crate) async fn last_good(&self, place: &str) -> Option<Response> {
        let mut get = redis::cmd("GET");
        get.arg(self.key(place));
        let text: Vec<u8> = self.redis.command::<Option<_>>(BOUND, &get).await.ok()??;
        let bar = text.iter().position(|byte| *byte == b'|')?;
        let at: i64 = std::str::from_utf8(&text[..bar]).ok()?.parse().ok()?;
        let age = self.clock.now().as_second().saturating_sub(at).max(0);
        let mut response = Response::new(Body::from(marked(&text[bar + 1..])));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("x-source", HeaderValue::from_static(SOURCE));
        headers.insert(AGE, HeaderValue::from(age));
        // RFC 7234 §5.5.1; obsolete since RFC 9111, and still what clients know.
        headers.insert(
            WARNING,
            HeaderValue::from_static("110 - \"Response is Stale\""),
        );
        self.served.inc();
        Some(response)
    }

    fn key(&self, place: &str) -> String {
        use std::fmt::Write as _;
        hash(place)
            .iter()
            .fold(format!("{}:", self.prefix), |mut key, byte| {
                let _ = write!(key, "{byte:02x}");
                key
            })
    }
}

fn hash(place: &str) -> [u8; 32] {
    Sha256::digest(place).into()
}

/// Puts `"source": "cache-fallback"` first into a JSON object; other JSON stays as it is.
fn marked(json: &[u8]) -> Vec<u8> {
    let Some(rest) = json.strip_prefix(b"{") else {
        return json.to_vec();
    };
    let empty = rest.trim_ascii_start().starts_with(b"}");
    let comma = if empty { "" } else { "," };
    let mut marked = format!("{{\"source\":\"{SOURCE}\"{comma}").into_bytes();
    marked.extend_from_slice(rest);
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> serde_json::Value {
        serde_json::from_slice(&marked(json.as_bytes())).unwrap()
    }

    #[test]
    fn an_object_says_that_it_is_a_fallback() {
        assert_eq!(
            read(r#"{"items":[]}"#),
            serde_json::json!({ "source": "cache-fallback", "items": [] })
        );
        assert_eq!(
            read("{ }"),
            serde_json::json!({ "source": "cache-fallback" })
        );
    }

    #[test]
    fn other_json_stays_as_it_is() {
        assert_eq!(read("[1]"), serde_json::json!([1]));
    }
}

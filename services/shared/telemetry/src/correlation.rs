//! The correlation id: one per request or message, on every response, log line and message.
//!
//! It travels in a task-local and not only on the span, because code far from a span (an outbox
//! row, a problem body) needs the value itself.

use std::fmt;
use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;

use tokio::task_local;
use uuid::Uuid;

/// The HTTP header that carries the id.
pub const HEADER: &str = "x-correlation-id";

/// The longest id that is taken over from a caller.
const MAX_LEN: usize = 128;

task_local! {
    static CURRENT: CorrelationId;
}

/// 1–128 characters of `[A-Za-z0-9._-]`: safe in headers, logs and message properties unescaped.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CorrelationId(Arc<str>);

/// The text is empty, too long or has a character outside of `[A-Za-z0-9._-]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a correlation id is 1 to 128 characters of [A-Za-z0-9._-]")]
pub struct InvalidCorrelationId;

impl CorrelationId {
    /// Takes over a caller's id.
    ///
    /// # Errors
    /// [`InvalidCorrelationId`] when it is not 1–128 of `[A-Za-z0-9._-]`.
    pub fn parse(text: &str) -> Result<Self, InvalidCorrelationId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if text.is_empty() || text.len() > MAX_LEN || !text.bytes().all(allowed) {
            return Err(InvalidCorrelationId);
        }
        Ok(Self(text.into()))
    }

    /// A new id, a UUIDv7.
    #[must_use]
    pub fn fresh() -> Self {
        Self(Uuid::now_v7().to_string().into())
    }

    /// The caller's id where it is one, else a new one.
    #[must_use]
    pub fn parse_or_fresh(text: Option<&str>) -> Self {
        text.and_then(|text| Self::parse(text).ok())
            .unwrap_or_else(Self::fresh)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CorrelationId {
    type Err = InvalidCorrelationId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// The id of the running request or message; a fresh one outside of any [`scope`].
#[must_use]
pub fn current() -> CorrelationId {
    try_current().unwrap_or_else(CorrelationId::fresh)
}

/// The id of the running request or message, if there is one.
#[must_use]
pub fn try_current() -> Option<CorrelationId> {
    CURRENT.try_with(CorrelationId::clone).ok()
}

/// Runs `future` with `id` as its correlation id. A spawned task does not inherit it: wrap that
/// task's future too.
pub fn scope<F: Future>(id: CorrelationId, future: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(id, future)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_allowed_text_is_taken_as_it_is(text in "[A-Za-z0-9._-]{1,128}") {
            let id = CorrelationId::parse(&text).unwrap();
            prop_assert_eq!(id.as_str(), text);
        }

        #[test]
        fn any_other_text_is_refused(text in "\\PC{0,140}") {
            let legal = (1..=128).contains(&text.len())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
            prop_assert_eq!(CorrelationId::parse(&text).is_ok(), legal);
        }

        #[test]
        fn whatever_a_caller_sends_the_result_is_a_legal_id(text in any::<Option<String>>()) {
            let id = CorrelationId::parse_or_fresh(text.as_deref());
            prop_assert!(CorrelationId::parse(id.as_str()).is_ok());
        }
    }

    #[test]
    fn one_character_more_than_128_is_refused() {
        assert!(CorrelationId::parse(&"a".repeat(128)).is_ok());
        assert_eq!(
            CorrelationId::parse(&"a".repeat(129)),
            Err(InvalidCorrelationId)
        );
    }

    #[tokio::test]
    async fn inside_a_scope_the_current_id_is_the_scopes() {
        let id = CorrelationId::parse("order-7").unwrap();
        assert_eq!(scope(id.clone(), async { current() }).await, id);
    }

    #[tokio::test]
    async fn outside_of_a_scope_every_id_is_fresh() {
        assert_eq!(try_current(), None);
        assert_ne!(current(), current());
    }
}

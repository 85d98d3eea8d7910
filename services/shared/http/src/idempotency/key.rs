//! What makes two requests "the same": who, what, and the client's key.

use http::{HeaderMap, Method};
use quickbite_auth::Identity;

use crate::problem::Problem;

const HEADER: &str = "idempotency-key";
const MAX_LEN: usize = 255;

/// The client's own key: 1–255 printable ASCII.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key of a request, if it has one.
    ///
    /// # Errors
    /// A 400 problem when it is not 1–255 printable ASCII, or sent twice.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let text = value.to_str().ok().filter(|text| {
            (1..=MAX_LEN).contains(&text.len()) && text.bytes().all(|b| (0x20..0x7f).contains(&b))
        });
        match (text, values.next()) {
            (Some(text), None) => Ok(Some(Self(text.to_owned()))),
            _ => Err(Problem::bad_request(
                "invalid_idempotency_key",
                "Idempotency-Key must be one value of 1 to 255 printable ASCII characters",
            )),
        }
    }
}

/// What a stored answer belongs to. It is also in the request's extensions, for a handler that
/// wants a unique column in the transaction that creates.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The user's id, or `anonymous`.
    pub caller: String,
    /// Method and path.
    pub operation: String,
    /// The client's key.
    pub key: String,
}

impl Scope {
    pub(super) fn new(
        caller: Option<&Identity>,
        method: &Method,
        path: &str,
        IdempotencyKey(key): IdempotencyKey,
    ) -> Self {
        Self {
            caller: caller.map_or_else(|| "anonymous".to_owned(), |c| c.user_id.to_string()),
            operation: format!("{method} {path}"),
            key,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(value: &[u8]) -> Result<Option<IdempotencyKey>, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_bytes(value).unwrap());
        IdempotencyKey::of(&headers)
    }

    #[test]
    fn keys_of_1_to_255_printable_characters_are_taken() {
        assert!(of(b"a").unwrap().is_some());
        assert!(of(&[b'~'; 255]).unwrap().is_some());
        assert!(IdempotencyKey::of(&HeaderMap::new()).unwrap().is_none());
    }

    #[test]
    fn empty_long_and_unprintable_keys_are_refused() {
        for bad in [&b""[..], &[b'a'; 256], b"tab\there", "ü".as_bytes()] {
            assert_eq!(of(bad).unwrap_err().status(), 400);
        }
    }

    #[test]
    fn two_keys_in_one_request_are_refused() {
        let mut headers = HeaderMap::new();
        headers.append(HEADER, HeaderValue::from_static("a"));
        headers.append(HEADER, HeaderValue::from_static("b"));
        assert!(IdempotencyKey::of(&headers).is_err());
    }
}

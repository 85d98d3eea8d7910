//! JSON bodies: read within a time, parsed, and held to their rules before a handler sees them.
//!
//! 400 is kept for what is no JSON at all; JSON of the wrong type or against a rule is 422 with the
//! field's path. A NUL in a string is refused for every service alike: PostgreSQL cannot store it.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use garde::Validate;
use http::{HeaderMap, StatusCode, header};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::shape::is_object;
use crate::problem::{FieldError, Problem};

/// How long a client may take to send its body.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// A JSON body that holds to the rules of `T`.
#[derive(Debug, Clone, Copy)]
pub struct Valid<T>(pub T);

impl<S, T> FromRequest<S> for Valid<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Validate,
    T::Context: Default,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        if !is_json(request.headers()) {
            return Err(unsupported_media_type().into_response());
        }
        let bytes = read(request, state)
            .await
            .map_err(IntoResponse::into_response)?;
        parse(&bytes).map(Self).map_err(IntoResponse::into_response)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
    else {
        return false;
    };
    let essence = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn unsupported_media_type() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "Send JSON with Content-Type: application/json",
    )
}

/// 413: the body is over the limit.
pub(crate) fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        "The body is over 1 MiB",
    )
}

/// Reads the whole body, within [`READ_TIMEOUT`] and the body limit.
pub(crate) async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    match tokio::time::timeout(READ_TIMEOUT, Bytes::from_request(request, state)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(too_large())
        }
        Ok(Err(_)) => Err(Problem::bad_request(
            "body_unreadable",
            "The body broke off",
        )),
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_too_slow",
            "The body did not arrive in time",
        )),
    }
}

fn parse<T>(bytes: &[u8]) -> Result<T, Problem>
where
    T: DeserializeOwned + Validate,
    T::Context: Default,
{
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value: T = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        refused(bytes, &field, error.inner())
    })?;
    json.end().map_err(|error| malformed(&error))?;
    if bytes.trim_ascii_start().starts_with(b"[") && is_object::<T>() {
        return Err(Problem::field(".", "must be an object, not an array"));
    }
    if has_nul(bytes) {
        return Err(Problem::field(
            ".",
            "text must not contain the character U+0000",
        ));
    }
    value.validate().map_err(|report| broken_rules(&report))?;
    Ok(value)
}

fn refused(bytes: &[u8], field: &str, error: &serde_json::Error) -> Problem {
    // A type error early on must not hide that the rest is no JSON.
    if error.is_data()
        && let Err(syntax) = serde_json::from_slice::<IgnoredAny>(bytes)
    {
        return malformed(&syntax);
    }
    if error.is_data() {
        Problem::field(field, without_position(error))
    } else {
        malformed(error)
    }
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::bad_request("malformed_json", format!("The body is not JSON: {error}"))
}

/// serde's message without its `at line 1 column 2`, which the field's path replaces.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ")
        .map_or(text.as_str(), |(message, _)| message)
        .to_owned()
}

/// Whether a string in this (valid) JSON has the escape `\u0000`.
fn has_nul(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        if rest[at + 1..].starts_with(b"u0000") {
            return true;
        }
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    false
}

fn broken_rules(report: &garde::Report) -> Problem {
    Problem::fields(
        report
            .iter()
            .map(|(path, error)| FieldError {
                field: camel_case(&path.to_string()),
                message: error.to_string(),
            })
            .collect(),
    )
}

/// garde names fields as Rust does; the JSON names them in camelCase.
fn camel_case(path: &str) -> String {
    let mut camel = String::with_capacity(path.len());
    let mut upper = false;
    for character in path.chars() {
        match character {
            '_' => upper = true,
            _ if upper => {
                camel.extend(character.to_uppercase());
                upper = false;
            }
            _ => camel.push(character),
        }
    }
    camel
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use garde::Validate;
    use http::HeaderValue;
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, Validate)]
    #[serde(rename_all = "camelCase")]
    struct Order {
        #[garde(dive)]
        line_items: Vec<Line>,
    }

    #[derive(Debug, Deserialize, Validate)]
    #[serde(rename_all = "camelCase")]
    struct Line {
        #[garde(range(min = 1, max = 50))]
        item_quantity: u32,
        #[garde(skip)]
        #[serde(default)]
        #[expect(dead_code, reason = "only parsed")]
        notes: String,
    }

    fn refusal(body: &[u8]) -> crate::ProblemBody {
        parse::<Order>(body).unwrap_err().body()
    }

    fn field_of(body: &[u8]) -> String {
        refusal(body).errors.remove(0).field
    }

    #[test]
    fn what_is_no_json_is_a_400() {
        for bad in [
            "",
            " ",
            "{",
            "{\"lineItems\": [}",
            "{\"lineItems\": []} x",
            "\u{feff}{}",
        ] {
            assert_eq!(refusal(bad.as_bytes()).status, 400, "{bad:?}");
        }
        assert_eq!(refusal(b"{\"lineItems\": \"\xff\"}").status, 400);
    }

    #[test]
    fn a_type_error_does_not_hide_that_the_rest_is_no_json() {
        assert_eq!(refusal(b"{\"lineItems\": 1, oops").status, 400);
    }

    #[test]
    fn json_of_the_wrong_type_is_a_422_at_its_path() {
        let body = br#"{"lineItems": [{"itemQuantity": 1}, {"itemQuantity": "two"}]}"#;
        assert_eq!(refusal(body).status, 422);
        assert_eq!(field_of(body), "lineItems[1].itemQuantity");
    }

    #[test]
    fn json_against_a_rule_is_a_422_at_its_path_in_camel_case() {
        let body = br#"{"lineItems": [{"itemQuantity": 51}]}"#;
        assert_eq!(field_of(body), "lineItems[0].itemQuantity");
    }

    #[test]
    fn a_missing_field_is_named_in_the_message() {
        assert!(refusal(b"{}").detail.contains("lineItems"));
    }

    #[test]
    fn an_array_in_an_objects_place_is_a_422() {
        for body in ["[]", " [[]]", "[[{\"itemQuantity\": 1}]]"] {
            assert_eq!(refusal(body.as_bytes()).status, 422, "{body}");
        }
        let body = b"[[]]";
        assert_eq!(
            refusal(body).errors[0].message,
            "must be an object, not an array"
        );
        assert_eq!(parse::<Vec<Line>>(b"[]").unwrap().len(), 0);
    }

    #[test]
    fn nesting_without_end_is_refused_and_not_followed() {
        let deep = "[".repeat(500_000);
        assert_eq!(refusal(deep.as_bytes()).status, 400);
    }

    #[test]
    fn a_nul_in_a_string_is_refused_and_an_escaped_backslash_before_u0000_is_not() {
        let with = |notes: &str| {
            let body = format!(r#"{{"lineItems": [{{"itemQuantity": 1, "notes": "{notes}"}}]}}"#);
            parse::<Order>(body.as_bytes()).is_ok()
        };
        assert!(!with(r"a\u0000b"));
        assert!(!with(r"\\\u0000"));
        assert!(with(r"\\u0000"));
        assert!(with(r"\n\u0001"));
    }

    #[test]
    fn only_json_content_types_are_taken() {
        let is = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value));
            is_json(&headers)
        };
        assert!(is("application/json"));
        assert!(is("Application/JSON; charset=utf-8"));
        assert!(is("application/merge-patch+json"));
        assert!(!is("text/plain") && !is("application/jsonp") && !is("text/json+json"));
        assert!(!is_json(&HeaderMap::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_given_up() {
        let never = futures::stream::pending::<Result<Bytes, std::io::Error>>();
        let request = Request::new(Body::from_stream(never));
        assert_eq!(read(request, &()).await.unwrap_err().status(), 408);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_a_400() {
        let broken = futures::stream::iter([Err::<Bytes, _>(std::io::Error::other("gone"))]);
        let request = Request::new(Body::from_stream(broken));
        assert_eq!(read(request, &()).await.unwrap_err().status(), 400);
    }

    proptest! {
        #[test]
        fn no_bytes_make_parsing_panic_or_answer_anything_but_400_and_422(
            body in proptest::collection::vec(any::<u8>(), 0..200)
        ) {
            if let Err(problem) = parse::<Order>(&body) {
                prop_assert!([400, 422].contains(&problem.status().as_u16()));
            }
        }
    }
}

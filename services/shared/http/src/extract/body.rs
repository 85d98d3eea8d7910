//! JSON bodies: read within a time, parsed, and held to their rules before a handler sees them.
//!
//! 400 is kept for what is no JSON at all; JSON of the wrong type or against a rule is 422 with the
//! field's path. A NUL in a string is refused for every service alike: PostgreSQL cannot store it.

use std::error::Error;
use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use garde::Validate;
use http::{HeaderMap, StatusCode, header};
use http_body_util::LengthLimitError;
use serde::de::{DeserializeOwned, IgnoredAny};

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
        Ok(Err(rejection)) if is_over_limit(&rejection) => Err(too_large()),
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

fn is_over_limit(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<LengthLimitError>() {
            return true;
        }
        next = error.source();
    }
    false
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

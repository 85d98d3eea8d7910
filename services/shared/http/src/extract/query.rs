//! Query strings.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The query string as `T`; 422 with the field where it is none.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        parse(parts.uri.query().unwrap_or_default())
            .map(Self)
            .map_err(IntoResponse::into_response)
    }
}

pub(super) fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    if query.to_ascii_lowercase().contains("%00") {
        return Err(Problem::field(
            "?",
            "text must not contain the character U+0000",
        ));
    }
    let pairs = serde_urlencoded::Deserializer::new(form_pairs(query));
    serde_path_to_error::deserialize(pairs)
        .map_err(|error| Problem::field(error.path().to_string(), error.inner().to_string()))
}

fn form_pairs(query: &str) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(query.as_bytes())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Filter {
        open: Option<bool>,
        q: Option<String>,
    }

    #[test]
    fn parameters_are_read_and_unknown_ones_left_alone() {
        let filter: Filter = parse("open=true&q=a%20b&limit=3").unwrap();
        assert_eq!(
            (filter.open, filter.q.as_deref()),
            (Some(true), Some("a b"))
        );
    }

    #[test]
    fn a_parameter_of_the_wrong_type_is_a_422_that_names_it() {
        let body = parse::<Filter>("open=maybe").unwrap_err().body();
        assert_eq!((body.status, body.errors[0].field.as_str()), (422, "open"));
    }

    #[test]
    fn a_hidden_nul_is_refused() {
        assert_eq!(parse::<Filter>("q=a%00").unwrap_err().status(), 422);
    }
}

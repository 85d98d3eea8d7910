//! Lists: `?limit=&cursor=` in, `{"items", "nextCursor"}` out.
//!
//! A cursor is the sort key of the last item (keyset paging): stable while rows come and go, and as
//! fast on the last page as on the first. Clients must not read it, hence base64url.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::query;
use crate::problem::Problem;

/// Items on a page when the client does not say.
pub const DEFAULT_LIMIT: u32 = 20;
/// The most items on a page.
pub const MAX_LIMIT: u32 = 100;

/// Where the next page starts, opaque to clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(String);

impl Cursor {
    /// A cursor that holds `key`.
    #[must_use]
    pub fn encode(key: &impl Serialize) -> Self {
        Self(URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).unwrap_or_default()))
    }

    /// The key that [`Self::encode`] was given.
    ///
    /// # Errors
    /// A 422 problem when the client made it up.
    pub fn decode<K: DeserializeOwned>(&self) -> Result<K, Problem> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.0).ok();
        bytes
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or_else(|| Problem::field("cursor", "not a cursor of this list"))
    }
}

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// Items on the page, 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20, required = false)]
    pub limit: u32,
    /// `nextCursor` of the page before.
    #[param(value_type = Option<String>)]
    pub cursor: Option<Cursor>,
}

impl Page {
    /// The key of the last item of the page before, if there is one.
    ///
    /// # Errors
    /// A 422 problem when the client made the cursor up.
    pub fn after<K: DeserializeOwned>(&self) -> Result<Option<K>, Problem> {
        self.cursor.as_ref().map(Cursor::decode).transpose()
    }

    /// How many rows to read: one more than the page has, to see whether there is a next one.
    #[must_use]
    pub fn fetch(&self) -> i64 {
        i64::from(self.limit) + 1
    }
}

#[derive(Deserialize)]
struct Raw {
    limit: Option<u32>,
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        parse(parts.uri.query().unwrap_or_default()).map_err(IntoResponse::into_response)
    }
}

fn parse(query: &str) -> Result<Page, Problem> {
    let Raw { limit, cursor } = query::parse(query)?;
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::field("limit", "must be 1 to 100"));
    }
    Ok(Page {
        limit,
        cursor: cursor.filter(|text| !text.is_empty()).map(Cursor),
    })
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Paged<T> {
    /// The items.
    pub items: Vec<T>,
    /// What to pass as `cursor` for the next page; `null` on the last one.
    pub next_cursor: Option<String>,
}

impl<T> Paged<T> {
    /// A page of `rows`, of which [`Page::fetch`] many were read; `key` is an item's sort key.
    #[must_use]
    pub fn of<K: Serialize>(mut rows: Vec<T>, page: &Page, key: impl Fn(&T) -> K) -> Self {
        let limit = page.limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows
            .last()
            .filter(|_| more)
            .map(|last| Cursor::encode(&key(last)).0);
        Self {
            items: rows,
            next_cursor,
        }
    }

    /// The same page of other items.
    #[must_use]
    pub fn map<U>(self, with: impl FnMut(T) -> U) -> Paged<U> {
        let Self { items, next_cursor } = self;
        Paged {
            items: items.into_iter().map(with).collect(),
            next_cursor,
        }
    }
}

impl<T: Serialize> IntoResponse for Paged<T> {
    fn into_response(self) -> Response {
        axum::Json(self).into_response()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(limit: u32) -> Page {
        Page {
            limit,
            cursor: None,
        }
    }

    #[test]
    fn a_page_without_parameters_has_twenty_items() {
        assert_eq!(parse("").unwrap(), page(20));
    }

    #[test]
    fn limits_outside_of_1_to_100_are_refused() {
        for query in [
            "limit=0",
            "limit=101",
            "limit=-1",
            "limit=x",
            "limit=99999999999",
        ] {
            assert_eq!(parse(query).unwrap_err().status(), 422, "{query}");
        }
        assert_eq!(parse("limit=100").unwrap().limit, 100);
    }

    #[test]
    fn the_last_page_has_no_next_cursor_and_the_one_before_has() {
        assert_eq!(Paged::of(vec![1, 2], &page(2), |n| *n).next_cursor, None);
        let first = Paged::of(vec![1, 2, 3], &page(2), |n| *n);
        assert_eq!(first.items, [1, 2]);
        let next = parse(&format!("limit=2&cursor={}", first.next_cursor.unwrap())).unwrap();
        assert_eq!(next.after::<i32>().unwrap(), Some(2));
    }

    proptest! {
        #[test]
        fn a_made_up_cursor_is_a_422_or_a_key_but_never_a_panic(text in "\\PC{0,64}") {
            let answer = Cursor(text).decode::<(i64, uuid::Uuid)>();
            prop_assert!(answer.is_err());
        }
    }
}

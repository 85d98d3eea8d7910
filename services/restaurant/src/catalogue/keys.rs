//! What is cached under which key, for how long, and what makes it void.
//!
//! Lists, searches and owners' lists are void as a whole after any write: which pages a change
//! touches cannot be told from the change. A restaurant's own key is void after its own writes.

use std::fmt::Write as _;
use std::time::Duration;

use quickbite_resilience::cache::{CacheKey, Group};
use uuid::Uuid;

use super::view::{RestaurantPage, RestaurantView};

/// The group of filtered lists.
pub(super) const LISTS: &str = "restaurants:list";
/// The group of searches.
pub(super) const SEARCHES: &str = "restaurants:search";
/// The group of owners' lists.
pub(super) const OWNERS: &str = "restaurants:owner";

/// How long values are fresh.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct CacheTtl {
    /// Seconds that a list is fresh.
    #[arg(
        long = "cache-list-ttl-seconds",
        env = "CACHE_LIST_TTL_SECONDS",
        default_value_t = 300
    )]
    pub list: u64,
    /// Seconds that a restaurant is fresh.
    #[arg(
        long = "cache-item-ttl-seconds",
        env = "CACHE_ITEM_TTL_SECONDS",
        default_value_t = 600
    )]
    pub item: u64,
    /// Seconds that a search is fresh.
    #[arg(
        long = "cache-search-ttl-seconds",
        env = "CACHE_SEARCH_TTL_SECONDS",
        default_value_t = 120
    )]
    pub search: u64,
}

/// One restaurant.
pub(super) struct ById {
    pub(super) id: Uuid,
    pub(super) ttl: Duration,
}

/// The key of one restaurant.
pub(super) fn item_key(id: Uuid) -> String {
    format!("restaurant:{id}")
}

impl CacheKey for ById {
    const CACHE: &'static str = "restaurant";
    type Value = RestaurantView;

    fn key(&self) -> String {
        item_key(self.id)
    }

    fn group(&self) -> Group {
        Group::Own
    }

    fn ttl(&self) -> Duration {
        self.ttl
    }
}

/// A page of a list.
pub(super) struct List {
    pub(super) cuisine: Option<String>,
    pub(super) open: Option<bool>,
    pub(super) page: PageKey,
    pub(super) ttl: Duration,
}

impl CacheKey for List {
    const CACHE: &'static str = "list";
    type Value = RestaurantPage;

    fn key(&self) -> String {
        let cuisine = self.cuisine.as_deref().map(escaped).unwrap_or_default();
        let open = self.open.map(|open| open.to_string()).unwrap_or_default();
        format!("{LISTS}:{cuisine}:{open}:{}", self.page)
    }

    fn group(&self) -> Group {
        Group::Named(LISTS)
    }

    fn ttl(&self) -> Duration {
        self.ttl
    }
}

/// A page of what a search finds.
pub(super) struct Search {
    pub(super) words: String,
    pub(super) page: PageKey,
    pub(super) ttl: Duration,
}

impl CacheKey for Search {
    const CACHE: &'static str = "search";
    type Value = RestaurantPage;

    fn key(&self) -> String {
        format!("{SEARCHES}:{}:{}", escaped(&self.words), self.page)
    }

    fn group(&self) -> Group {
        Group::Named(SEARCHES)
    }

    fn ttl(&self) -> Duration {
        self.ttl
    }
}

/// A page of an owner's restaurants.
pub(super) struct OfOwner {
    pub(super) owner_id: Uuid,
    pub(super) page: PageKey,
    pub(super) ttl: Duration,
}

impl CacheKey for OfOwner {
    const CACHE: &'static str = "owner";
    type Value = RestaurantPage;

    fn key(&self) -> String {
        format!("{OWNERS}:{}:{}", self.owner_id, self.page)
    }

    fn group(&self) -> Group {
        Group::Named(OWNERS)
    }

    fn ttl(&self) -> Duration {
        self.ttl
    }
}

/// Which page.
#[derive(Debug, Clone, Default)]
pub(super) struct PageKey {
    pub(super) limit: u32,
    /// The cursor's key as text.
    pub(super) after: String,
}

impl std::fmt::Display for PageKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.limit, self.after)
    }
}

/// A client's text within a key: nothing in it can look like a separator, or like the cache's own
/// keys beside a value.
fn escaped(text: &str) -> String {
    let mut key = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            key.push(char::from(byte));
        } else {
            let _ = write!(key, "%{byte:02x}");
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(words: &str) -> String {
        let page = PageKey {
            limit: 20,
            after: String::new(),
        };
        Search {
            words: words.to_owned(),
            page,
            ttl: Duration::ZERO,
        }
        .key()
    }

    #[test]
    fn no_words_of_a_client_can_end_or_mimic_a_key() {
        assert_eq!(search("a:b#lock"), "restaurants:search:a%3ab%23lock:20:");
        assert_ne!(search("a"), search("a:20:"));
        assert_eq!(search("größe"), "restaurants:search:gr%c3%b6%c3%9fe:20:");
    }
}

//! The catalogue: restaurants in MongoDB behind a cache in Redis.
//!
//! A write and the invalidation after it run in a task of their own, which a client that goes away
//! does not end half-way: a stored change whose old value stays cached would be the worst of both.

pub mod keys;
pub mod view;

use std::time::Duration;

use jiff::Timestamp;
use quickbite_auth::Clock;
use quickbite_http::{Page, Paged, Problem};
use quickbite_resilience::cache::{CacheAside, LoadError, Outcome};
use quickbite_telemetry::correlation;
use tokio::time::sleep;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::domain::place::Location;
use crate::domain::restaurant::{Change, Restaurant, RestaurantError};
use crate::error::unavailable_or_internal;
use crate::events;
use crate::state::now;
use crate::store::StoreError;
use crate::store::restaurants::{ListFilter, Ranked, RestaurantStore};
use keys::{ById, CacheTtl, LISTS, List, OWNERS, OfOwner, PageKey, SEARCHES, Search, item_key};
use view::{RestaurantPage, RestaurantSummary, RestaurantView};

/// How often a change is tried again when others change the restaurant at the same time.
const ATTEMPTS: u32 = 20;
/// A write without an answer is over by then, one way or the other.
const UNKNOWN_WRITE: Duration = Duration::from_secs(10);

/// Why a change is not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Unknown, or not the caller's.
    #[error("there is no such restaurant")]
    NotFound,
    /// The caller saw another version.
    #[error("the restaurant is at version {0}")]
    Stale(i64),
    /// Too many others change it right now.
    #[error("the restaurant is being changed by others")]
    Contended,
    /// A rule.
    #[error(transparent)]
    Rule(#[from] RestaurantError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who may change, and what they saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// Only if this user owns it; `None` for an admin.
    pub owner_id: Option<Uuid>,
    /// Only if it is at this version.
    pub version: Option<i64>,
}

/// Where lists go on: after an id, or after a rank and an id.
type RankedKey = (u64, Uuid);

/// Restaurants, read through the cache and written past it.
#[derive(Clone)]
pub struct Catalogue {
    store: RestaurantStore,
    cache: CacheAside<StoreError>,
    ttl: CacheTtl,
    clock: Clock,
}

/// A read and how the cache answered it.
pub type Cached<T> = Result<(T, Outcome), Problem>;

impl Catalogue {
    /// A catalogue over this store and this cache.
    #[must_use]
    pub fn new(
        store: RestaurantStore,
        cache: CacheAside<StoreError>,
        ttl: CacheTtl,
        clock: Clock,
    ) -> Self {
        Self {
            store,
            cache,
            ttl,
            clock,
        }
    }

    /// One restaurant with its menu.
    ///
    /// # Errors
    /// When neither cache nor store answers.
    pub async fn get(&self, id: Uuid) -> Cached<Option<RestaurantView>> {
        let store = self.store.clone();
        let key = ById {
            id,
            ttl: Duration::from_secs(self.ttl.item),
        };
        let load = move || async move {
            let found = store.find(id).await?;
            Ok(found.as_ref().map(RestaurantView::from))
        };
        self.cache.get_or_load(key, load).await.map_err(unread)
    }

    /// A page of all restaurants, newest first.
    ///
    /// # Errors
    /// When neither cache nor store answers, or the cursor is none.
    pub async fn list(
        &self,
        cuisine: Option<String>,
        open: Option<bool>,
        page: Page,
    ) -> Cached<RestaurantPage> {
        let after = page.after::<Uuid>()?;
        let cuisine = cuisine.map(|cuisine| cuisine.trim().to_lowercase());
        let key = List {
            cuisine: cuisine.clone(),
            open,
            page: page_key(&page, after.map(|after| after.to_string())),
            ttl: Duration::from_secs(self.ttl.list),
        };
        let filter = ListFilter {
            cuisine,
            open,
            owner_id: None,
        };
        let load = self.loading(filter, after, page);
        Ok(whole(
            self.cache.get_or_load(key, load).await.map_err(unread)?,
        ))
    }

    /// A page of an owner's restaurants, newest first.
    ///
    /// # Errors
    /// When neither cache nor store answers, or the cursor is none.
    pub async fn mine(&self, owner_id: Uuid, page: Page) -> Cached<RestaurantPage> {
        let after = page.after::<Uuid>()?;
        let key = OfOwner {
            owner_id,
            page: page_key(&page, after.map(|after| after.to_string())),
            ttl: Duration::from_secs(self.ttl.list),
        };
        let filter = ListFilter {
            owner_id: Some(owner_id),
            ..ListFilter::default()
        };
        let load = self.loading(filter, after, page);
        Ok(whole(
            self.cache.get_or_load(key, load).await.map_err(unread)?,
        ))
    }

    /// A page of what matches `words`, best first.
    ///
    /// # Errors
    /// When neither cache nor store answers, or the cursor is none.
    pub async fn search(&self, words: String, page: Page) -> Cached<RestaurantPage> {
        let after = page.after::<RankedKey>()?;
        let key = Search {
            words: words.clone(),
            page: page_key(&page, after.map(|(score, id)| format!("{score:x}.{id}"))),
            ttl: Duration::from_secs(self.ttl.search),
        };
        let store = self.store.clone();
        let load = move || async move {
            let after = after.map(|(score, id)| (f64::from_bits(score), id));
            let found = store.search(&words, after, page.fetch()).await?;
            Ok(Some(ranked_page(found, &page, |_| None)))
        };
        Ok(whole(
            self.cache.get_or_load(key, load).await.map_err(unread)?,
        ))
    }

    /// A page of what is around a place, nearest first. Not cached: hardly two guests stand at the
    /// same place.
    ///
    /// # Errors
    /// When the store does not answer, or the cursor is none.
    pub async fn nearby(
        &self,
        centre: Location,
        radius: f64,
        page: Page,
    ) -> Result<RestaurantPage, Problem> {
        let after = page.after::<RankedKey>()?;
        let after = after.map(|(metres, id)| (f64::from_bits(metres), id));
        let found = self
            .store
            .nearby(centre, radius, after, page.fetch())
            .await?;
        Ok(ranked_page(found, &page, |metres| {
            Some((metres * 10.0).round() / 10.0)
        }))
    }

    /// Stores a new restaurant.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn create(&self, restaurant: Restaurant) -> Result<Restaurant, StoreError> {
        let catalogue = self.clone();
        detached(async move {
            let told = vec![events::fact(&restaurant, Change::Created)];
            let written = catalogue.store.insert(&restaurant, told).await;
            catalogue.written(restaurant.id, &written).await;
            written.map(|()| restaurant)
        })
        .await
        .map_err(StoreError::Lost)?
    }

    /// Changes a restaurant; `change` may run more than once, on what others have made of it. A
    /// change of [`Change::Deleted`] deletes it.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn change(
        &self,
        id: Uuid,
        guard: Guard,
        change: impl Fn(&mut Restaurant, Timestamp) -> Result<Option<Change>, RestaurantError>
        + Send
        + Sync
        + 'static,
    ) -> Result<Restaurant, ChangeError> {
        let catalogue = self.clone();
        let changed = detached(async move { catalogue.change_here(id, guard, &change).await });
        changed.await.map_err(StoreError::Lost)?
    }

    async fn change_here(
        &self,
        id: Uuid,
        guard: Guard,
        change: &(
             impl Fn(&mut Restaurant, Timestamp) -> Result<Option<Change>, RestaurantError> + Send + Sync
         ),
    ) -> Result<Restaurant, ChangeError> {
        for attempt in 1..=ATTEMPTS {
            let mut restaurant = self.store.find(id).await?.ok_or(ChangeError::NotFound)?;
            if guard
                .owner_id
                .is_some_and(|owner_id| owner_id != restaurant.owner_id)
            {
                return Err(ChangeError::NotFound);
            }
            let seen = restaurant.version;
            if guard.version.is_some_and(|version| version != seen) {
                return Err(ChangeError::Stale(seen));
            }
            let Some(changed) = change(&mut restaurant, now(&self.clock))? else {
                return Ok(restaurant);
            };
            let told = vec![events::fact(&restaurant, changed)];
            let written = match changed {
                Change::Deleted => self.store.delete(id, seen, told).await,
                _ => self.store.replace(&restaurant, seen, told).await,
            };
            self.written(id, &written).await;
            if written? {
                return Ok(restaurant);
            }
            sleep(Duration::from_millis(5).mul_f64(rand::random::<f64>() * f64::from(attempt)))
                .await;
        }
        Err(ChangeError::Contended)
    }

    /// Makes the next read see what was written. After a write without an answer once more, when it
    /// must be over: it may have happened after the first time.
    async fn written<T>(&self, id: Uuid, written: &Result<T, StoreError>) {
        self.invalidate(id).await;
        if written.as_ref().is_err_and(StoreError::is_outage) {
            let catalogue = self.clone();
            tokio::spawn(async move {
                sleep(UNKNOWN_WRITE).await;
                catalogue.invalidate(id).await;
            });
        }
    }

    async fn invalidate(&self, id: Uuid) {
        self.cache
            .invalidate(&[LISTS, SEARCHES, OWNERS], &[&item_key(id)])
            .await;
    }

    /// A load of a page in order of creation.
    fn loading(
        &self,
        filter: ListFilter,
        after: Option<Uuid>,
        page: Page,
    ) -> impl FnOnce() -> futures::future::BoxFuture<
        'static,
        Result<Option<RestaurantPage>, StoreError>,
    > + Send
    + 'static {
        let store = self.store.clone();
        move || {
            Box::pin(async move {
                let found = store.list(&filter, after, page.fetch()).await?;
                let rows = found.iter().map(RestaurantSummary::from).collect();
                Ok(Some(
                    Paged::of(rows, &page, |last: &RestaurantSummary| last.id).into(),
                ))
            })
        }
    }
}

/// What a read that failed is to a client.
fn unread(error: LoadError<StoreError>) -> Problem {
    match error {
        LoadError::Failed(source) => unavailable_or_internal(source.is_outage(), source),
        other => Problem::internal(other),
    }
}

/// Runs a write in a task of its own, under the caller's correlation id.
async fn detached<T: Send + 'static>(
    write: impl Future<Output = T> + Send + 'static,
) -> Result<T, tokio::task::JoinError> {
    tokio::spawn(correlation::scope(correlation::current(), write).in_current_span()).await
}

fn page_key(page: &Page, after: Option<String>) -> PageKey {
    PageKey {
        limit: page.limit,
        after: after.unwrap_or_default(),
    }
}

/// A list is never absent.
fn whole((page, outcome): (Option<RestaurantPage>, Outcome)) -> (RestaurantPage, Outcome) {
    let empty = || RestaurantPage {
        items: Vec::new(),
        next_cursor: None,
    };
    (page.unwrap_or_else(empty), outcome)
}

fn ranked_page(
    found: Vec<Ranked>,
    page: &Page,
    metres: impl Fn(f64) -> Option<f64>,
) -> RestaurantPage {
    // The rank travels as bits: a decimal might not read back as the same number.
    let key = |last: &Ranked| -> RankedKey { (last.rank.to_bits(), last.restaurant.id) };
    let shown = |Ranked { restaurant, rank }: Ranked| RestaurantSummary {
        distance_meters: metres(rank),
        ..RestaurantSummary::from(&restaurant)
    };
    Paged::of(found, page, key).map(shown).into()
}

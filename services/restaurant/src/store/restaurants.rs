//! The collection of restaurants: one document each, the menu embedded.
//!
//! Writes compare the version that was read, so that two writers never overwrite each other; reads
//! page by keyset, so that page two never repeats or skips what page one saw.

use futures::{FutureExt as _, TryStreamExt as _};
use mongodb::Collection;
use mongodb::bson::{Document, doc};
use quickbite_events::Outgoing;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::call::{MAX_TIME, bounded, transaction};
use super::document::{RestaurantDocument, cuisine_key};
use super::outbox::Outbox;
use super::{Mongo, StoreError, collection};
use crate::domain::place::Location;
use crate::domain::restaurant::Restaurant;

/// What narrows a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// Only of this kind, in any case.
    pub cuisine: Option<String>,
    /// Only open, or only closed, ones.
    pub open: Option<bool>,
    /// Only of this owner.
    pub owner_id: Option<Uuid>,
}

/// A restaurant without its menu, with what it was ranked by: the text score, or metres.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// Its menu is left out.
    pub restaurant: Restaurant,
    /// Text score (higher first) or distance in metres (lower first).
    pub rank: f64,
}

#[derive(Debug, Deserialize)]
struct RankedDocument {
    #[serde(flatten)]
    restaurant: RestaurantDocument,
    rank: f64,
}

/// Restaurants and the messages that tell of their changes.
#[derive(Debug, Clone)]
pub struct RestaurantStore {
    mongo: Mongo,
    restaurants: Collection<RestaurantDocument>,
    outbox: Outbox,
}

impl RestaurantStore {
    /// The restaurants of this database.
    #[must_use]
    pub fn new(mongo: Mongo, outbox: Outbox) -> Self {
        let restaurants = mongo.collection(collection::RESTAURANTS);
        Self {
            mongo,
            restaurants,
            outbox,
        }
    }

    /// Stores a new restaurant and its messages.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert(
        &self,
        restaurant: &Restaurant,
        told: Vec<Outgoing>,
    ) -> Result<(), StoreError> {
        let document = RestaurantDocument::from(restaurant);
        let (restaurants, outbox) = (self.restaurants.clone(), self.outbox.clone());
        transaction(&self.mongo, move |session| {
            let (restaurants, outbox) = (restaurants.clone(), outbox.clone());
            let (document, told) = (document.clone(), told.clone());
            async move {
                restaurants
                    .insert_one(document)
                    .session(&mut *session)
                    .await?;
                outbox.put(session, &told).await
            }
            .boxed()
        })
        .await?;
        self.outbox.wake();
        Ok(())
    }

    /// Replaces a restaurant if it still is at `seen`; `false` if it is not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn replace(
        &self,
        restaurant: &Restaurant,
        seen: i64,
        told: Vec<Outgoing>,
    ) -> Result<bool, StoreError> {
        self.write(restaurant.id, seen, Some(restaurant.into()), told)
            .await
    }

    /// Deletes a restaurant if it still is at `seen`; `false` if it is not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete(
        &self,
        id: Uuid,
        seen: i64,
        told: Vec<Outgoing>,
    ) -> Result<bool, StoreError> {
        self.write(id, seen, None, told).await
    }

    async fn write(
        &self,
        id: Uuid,
        seen: i64,
        next: Option<RestaurantDocument>,
        told: Vec<Outgoing>,
    ) -> Result<bool, StoreError> {
        let (restaurants, outbox) = (self.restaurants.clone(), self.outbox.clone());
        let written = transaction(&self.mongo, move |session| {
            let (restaurants, outbox) = (restaurants.clone(), outbox.clone());
            let (next, told) = (next.clone(), told.clone());
            async move {
                let as_seen = doc! { "_id": id.to_string(), "version": seen };
                let matched = match next {
                    Some(next) => {
                        let replaced = restaurants.replace_one(as_seen, next);
                        replaced.session(&mut *session).await?.matched_count
                    }
                    None => {
                        restaurants
                            .delete_one(as_seen)
                            .session(&mut *session)
                            .await?
                            .deleted_count
                    }
                };
                if matched == 1 {
                    outbox.put(session, &told).await?;
                }
                Ok(matched == 1)
            }
            .boxed()
        })
        .await?;
        self.outbox.wake();
        Ok(written)
    }

    /// One restaurant with its menu.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(&self, id: Uuid) -> Result<Option<Restaurant>, StoreError> {
        let restaurants = self.restaurants.clone();
        bounded(async move {
            let found = restaurants
                .find_one(doc! { "_id": id.to_string() })
                .max_time(MAX_TIME)
                .await?;
            found.map(Restaurant::try_from).transpose()
        })
        .await
    }

    /// The newest first, from after `after`; menus are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(
        &self,
        filter: &ListFilter,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Restaurant>, StoreError> {
        let mut query = Document::new();
        if let Some(cuisine) = &filter.cuisine {
            query.insert("cuisineKeys", cuisine_key(cuisine));
        }
        if let Some(open) = filter.open {
            query.insert("open", open);
        }
        if let Some(owner_id) = filter.owner_id {
            query.insert("ownerId", owner_id.to_string());
        }
        if let Some(after) = after {
            query.insert("_id", doc! { "$lt": after.to_string() });
        }
        let restaurants = self.restaurants.clone();
        bounded(async move {
            let cursor = restaurants
                .find(query)
                .sort(doc! { "_id": -1 })
                .projection(doc! { "menu": 0 })
                .limit(limit)
                .max_time(MAX_TIME)
                .await?;
            let found: Vec<_> = cursor.try_collect().await?;
            found.into_iter().map(Restaurant::try_from).collect()
        })
        .await
    }

    /// Best match first, from after `after` (score, id); menus are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn search(
        &self,
        words: &str,
        after: Option<(f64, Uuid)>,
        limit: i64,
    ) -> Result<Vec<Ranked>, StoreError> {
        let mut stages = vec![
            doc! { "$match": { "$text": { "$search": words } } },
            doc! { "$set": { "rank": { "$meta": "textScore" } } },
        ];
        if let Some((score, id)) = after {
            stages.push(doc! { "$match": { "$or": [
                { "rank": { "$lt": score } },
                { "rank": score, "_id": { "$gt": id.to_string() } },
            ] } });
        }
        stages.push(doc! { "$sort": { "rank": -1, "_id": 1 } });
        stages.push(doc! { "$limit": limit });
        stages.push(doc! { "$unset": "menu" });
        self.ranked(stages).await
    }

    /// Nearest first within `radius` metres, from after `after` (metres, id); menus are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn nearby(
        &self,
        centre: Location,
        radius: f64,
        after: Option<(f64, Uuid)>,
        limit: i64,
    ) -> Result<Vec<Ranked>, StoreError> {
        let mut near = doc! {
            "near": { "type": "Point", "coordinates": [centre.lng, centre.lat] },
            "key": "address.location",
            "distanceField": "rank",
            "maxDistance": radius,
            "spherical": true,
        };
        let mut beyond = None;
        if let Some((metres, id)) = after {
            // The index is asked a little nearer: it compares in radians, which lose a few digits.
            near.insert("minDistance", (metres - 1.0).max(0.0));
            beyond = Some(doc! { "$match": { "$or": [
                { "rank": { "$gt": metres } },
                { "rank": metres, "_id": { "$gt": id.to_string() } },
            ] } });
        }
        let mut stages = vec![doc! { "$geoNear": near }];
        stages.extend(beyond);
        stages.push(doc! { "$sort": { "rank": 1, "_id": 1 } });
        stages.push(doc! { "$limit": limit });
        stages.push(doc! { "$unset": "menu" });
        self.ranked(stages).await
    }

    async fn ranked(&self, stages: Vec<Document>) -> Result<Vec<Ranked>, StoreError> {
        let found: Vec<RankedDocument> = self.aggregate(stages).await?;
        let ranked = |document: RankedDocument| {
            let restaurant = document.restaurant.try_into()?;
            Ok(Ranked {
                restaurant,
                rank: document.rank,
            })
        };
        found.into_iter().map(ranked).collect()
    }

    async fn aggregate<T: DeserializeOwned + Send + Sync + Unpin + 'static>(
        &self,
        stages: Vec<Document>,
    ) -> Result<Vec<T>, StoreError> {
        let restaurants = self.restaurants.clone();
        bounded(async move {
            let cursor = restaurants
                .aggregate(stages)
                .max_time(MAX_TIME)
                .with_type::<T>()
                .await?;
            Ok(cursor.try_collect().await?)
        })
        .await
    }
}

//! What other services told about restaurants and addresses, newest version wins.

use std::collections::HashMap;

use quickbite_events::payload::Address;
use quickbite_events::payload::restaurant::RestaurantSnapshot;
use sqlx::types::Json;
use sqlx::{PgPool, Row};
use uuid::Uuid;

/// The channel that names each changed restaurant or address.
pub const PROJECTIONS_CHANNEL: &str = "projections";

/// The store of both projections.
#[derive(Clone, Debug)]
pub struct Projections {
    pool: PgPool,
}

impl Projections {
    /// The store in `pool`'s database.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// A restaurant, unless it is unknown or deleted.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn restaurant(&self, id: Uuid) -> Result<Option<RestaurantSnapshot>, sqlx::Error> {
        let row: Option<Option<Json<RestaurantSnapshot>>> =
            sqlx::query_scalar("SELECT snapshot FROM restaurants WHERE id = $1 AND NOT deleted")
                .bind(id)
                .fetch_optional(&self.pool)
                .await?;
        Ok(row.flatten().map(|snapshot| snapshot.0))
    }

    /// The names of restaurants, also of deleted ones.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn names(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, String>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT id, snapshot ->> 'name' AS name FROM restaurants WHERE id = ANY($1) AND snapshot IS NOT NULL",
        )
        .bind(ids)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| Ok((row.try_get("id")?, row.try_get("name")?)))
            .collect()
    }

    /// Keeps a restaurant as told, unless something newer is known.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_restaurant(&self, snapshot: &RestaurantSnapshot) -> Result<(), sqlx::Error> {
        sqlx::query(
            "WITH kept AS (INSERT INTO restaurants AS known (id, version, snapshot) VALUES ($1, $2, $3) \
             ON CONFLICT (id) DO UPDATE SET version = excluded.version, snapshot = excluded.snapshot \
             WHERE known.version < excluded.version AND NOT known.deleted RETURNING id) \
             SELECT pg_notify($4, id::text) FROM kept",
        )
        .bind(snapshot.restaurant_id)
        .bind(snapshot.version)
        .bind(Json(snapshot))
        .bind(PROJECTIONS_CHANNEL)
        .execute(&self.pool)
        .await
        .map(drop)
    }

    /// Forgets a restaurant for good.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_restaurant(&self, id: Uuid) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO restaurants (id, version, deleted) VALUES ($1, 0, true) \
             ON CONFLICT (id) DO UPDATE SET deleted = true",
        )
        .bind(id)
        .execute(&self.pool)
        .await
        .map(drop)
    }

    /// A saved address of `user`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn address(&self, user: Uuid, id: Uuid) -> Result<Option<Address>, sqlx::Error> {
        let row: Option<Option<Json<Address>>> =
            sqlx::query_scalar("SELECT address FROM addresses WHERE id = $1 AND user_id = $2")
                .bind(id)
                .bind(user)
                .fetch_optional(&self.pool)
                .await?;
        Ok(row.flatten().map(|address| address.0))
    }

    /// Keeps an address as told (`None`: deleted), unless something newer is known. `version` orders what is told.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_address(
        &self,
        user: Uuid,
        id: Uuid,
        version: i64,
        address: Option<&Address>,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "WITH kept AS (INSERT INTO addresses AS known (id, user_id, version, address) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (id) DO UPDATE SET version = excluded.version, address = excluded.address \
             WHERE known.version < excluded.version RETURNING id) \
             SELECT pg_notify($5, id::text) FROM kept",
        )
        .bind(id)
        .bind(user)
        .bind(version)
        .bind(address.map(Json))
        .bind(PROJECTIONS_CHANNEL)
        .execute(&self.pool)
        .await
        .map(drop)
    }
}

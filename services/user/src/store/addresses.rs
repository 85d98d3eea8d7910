//! Saved addresses.

use jiff::Timestamp;
use jiff_sqlx::{Timestamp as SqlTime, ToSqlx};
use quickbite_events::outbox;
use quickbite_events::payload::Location;
use sqlx::FromRow;
use uuid::Uuid;

use super::Store;
use crate::domain::{Address, AddressChange, SavedAddress};
use crate::events;

/// Why an address was not saved.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// The account has as many as it may.
    #[error("the account has as many addresses as it may")]
    TooMany,
    /// The database.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

#[derive(FromRow)]
struct AddressRow {
    id: Uuid,
    user_id: Uuid,
    label: Option<String>,
    street: String,
    city: String,
    postal_code: String,
    lat: f64,
    lng: f64,
    version: i64,
    created_at: SqlTime,
    updated_at: SqlTime,
}

impl From<AddressRow> for SavedAddress {
    fn from(row: AddressRow) -> Self {
        let AddressRow {
            id,
            user_id,
            label,
            street,
            city,
            postal_code,
            lat,
            lng,
            version,
            created_at,
            updated_at,
        } = row;
        let location = Location { lat, lng };
        Self {
            id,
            user_id,
            address: Address {
                label,
                street,
                city,
                postal_code,
                location,
            },
            version,
            created_at: created_at.to_jiff(),
            updated_at: updated_at.to_jiff(),
        }
    }
}

impl Store {
    /// Up to `fetch` addresses of a user, oldest first, newer than `after`.
    ///
    /// # Errors
    /// The database's.
    pub async fn addresses(
        &self,
        user_id: Uuid,
        after: Option<Uuid>,
        fetch: i64,
    ) -> Result<Vec<SavedAddress>, sqlx::Error> {
        let rows: Vec<AddressRow> = sqlx::query_as(
            "SELECT * FROM addresses WHERE user_id = $1 AND ($2::uuid IS NULL OR id > $2) \
             ORDER BY id LIMIT $3",
        )
        .bind(user_id)
        .bind(after)
        .bind(fetch)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(SavedAddress::from).collect())
    }

    /// Saves a new address of an account that may have `at_most`, and says so.
    ///
    /// # Errors
    /// [`AddressError`].
    pub async fn insert_address(
        &self,
        saved: &SavedAddress,
        at_most: i64,
    ) -> Result<(), AddressError> {
        let mut transaction = self.pool.begin().await?;
        // The account's row makes two at once take turns, so that the count holds.
        sqlx::query("SELECT FROM users WHERE id = $1 FOR UPDATE")
            .bind(saved.user_id)
            .execute(&mut *transaction)
            .await?;
        let SavedAddress {
            id,
            user_id,
            address,
            version,
            created_at,
            updated_at,
        } = saved;
        let Address {
            label,
            street,
            city,
            postal_code,
            location,
        } = address;
        let inserted = sqlx::query(
            "INSERT INTO addresses (id, user_id, label, street, city, postal_code, lat, lng, version, \
             created_at, updated_at) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 \
             WHERE (SELECT count(*) FROM addresses WHERE user_id = $2) < $12",
        )
        .bind(id)
        .bind(user_id)
        .bind(label)
        .bind(street)
        .bind(city)
        .bind(postal_code)
        .bind(location.lat)
        .bind(location.lng)
        .bind(version)
        .bind(created_at.to_sqlx())
        .bind(updated_at.to_sqlx())
        .bind(at_most)
        .execute(&mut *transaction)
        .await?;
        if inserted.rows_affected() == 0 {
            return Err(AddressError::TooMany);
        }
        outbox::enqueue(&mut transaction, &[events::address_saved(saved)]).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Changes an address of this user, and says so. `None`: it has no such address.
    ///
    /// # Errors
    /// The database's.
    pub async fn change_address(
        &self,
        id: Uuid,
        user_id: Uuid,
        change: AddressChange,
        now: Timestamp,
    ) -> Result<Option<SavedAddress>, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        let row: Option<AddressRow> =
            sqlx::query_as("SELECT * FROM addresses WHERE id = $1 AND user_id = $2 FOR UPDATE")
                .bind(id)
                .bind(user_id)
                .fetch_optional(&mut *transaction)
                .await?;
        let Some(before) = row.map(SavedAddress::from) else {
            return Ok(None);
        };
        let after = before.changed(change, now);
        if after == before {
            return Ok(Some(after));
        }
        let Address {
            label,
            street,
            city,
            postal_code,
            location,
        } = &after.address;
        sqlx::query(
            "UPDATE addresses SET label = $2, street = $3, city = $4, postal_code = $5, lat = $6, \
             lng = $7, version = $8, updated_at = $9 WHERE id = $1",
        )
        .bind(id)
        .bind(label)
        .bind(street)
        .bind(city)
        .bind(postal_code)
        .bind(location.lat)
        .bind(location.lng)
        .bind(after.version)
        .bind(after.updated_at.to_sqlx())
        .execute(&mut *transaction)
        .await?;
        outbox::enqueue(&mut transaction, &[events::address_saved(&after)]).await?;
        transaction.commit().await?;
        Ok(Some(after))
    }

    /// Deletes an address of this user, and says so; whether there was one.
    ///
    /// # Errors
    /// The database's.
    pub async fn delete_address(&self, id: Uuid, user_id: Uuid) -> Result<bool, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        let row: Option<AddressRow> =
            sqlx::query_as("DELETE FROM addresses WHERE id = $1 AND user_id = $2 RETURNING *")
                .bind(id)
                .bind(user_id)
                .fetch_optional(&mut *transaction)
                .await?;
        let Some(gone) = row.map(SavedAddress::from) else {
            return Ok(false);
        };
        outbox::enqueue(&mut transaction, &[events::address_deleted(&gone)]).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

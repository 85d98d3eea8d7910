//! The effect of a fact: once, however often it comes.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use quickbite_events::payload::user::Registered;
use quickbite_events::{inbox, queue};
use quickbite_telemetry::correlation;
use sqlx::PgConnection;
use uuid::Uuid;

use super::preferences::preferences_of;
use super::{Store, WORK_CHANNEL};
use crate::domain::notice::{ChannelKind, Draft};
use crate::domain::rules::{Fact, rules};

impl Store {
    /// Makes the notifications of a fact and queues them on the channels that their people want and the platform has.
    /// Returns how many; zero when the message was seen before.
    pub async fn notify(
        &self,
        message_id: Uuid,
        fact: &Fact,
        active: &[ChannelKind],
        now: Timestamp,
    ) -> Result<usize, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        if !inbox::claim(&mut tx, queue::NOTIFICATION_FACTS, message_id).await? {
            return Ok(0);
        }
        if let Fact::Registered(user) = fact {
            learn_recipient(&mut tx, user).await?;
        }
        let restaurant = match fact.restaurant_id() {
            Some(id) => restaurant_name(&mut tx, id).await?,
            None => None,
        };
        let drafts = rules(fact, restaurant.as_deref());
        let mut made = 0;
        for draft in &drafts {
            made += usize::from(insert(&mut tx, message_id, draft, active, now).await?);
        }
        if made > 0 {
            sqlx::query("SELECT pg_notify($1, '')")
                .bind(WORK_CHANNEL)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(made)
    }

    /// A disabled account is not told anything any more.
    pub async fn disable_recipient(&self, user_id: Uuid) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO recipients (user_id, disabled) VALUES ($1, true) \
             ON CONFLICT (user_id) DO UPDATE SET disabled = true",
        )
        .bind(user_id)
        .execute(&self.pool)
        .await
        .map(drop)
    }

    /// Remembers a restaurant's name, unless a newer one is known.
    pub async fn learn_restaurant(
        &self,
        restaurant_id: Uuid,
        name: &str,
        version: i64,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO restaurants (restaurant_id, name, version) VALUES ($1, $2, $3) \
             ON CONFLICT (restaurant_id) DO UPDATE SET name = excluded.name, version = excluded.version \
             WHERE restaurants.version < excluded.version",
        )
        .bind(restaurant_id)
        .bind(name)
        .bind(version)
        .execute(&self.pool)
        .await
        .map(drop)
    }
}

/// Keeps `disabled`: the two facts may come in either order.
async fn learn_recipient(tx: &mut PgConnection, user: &Registered) -> Result<(), sqlx::Error> {
    let Registered {
        user_id,
        email,
        name,
        role,
    } = user;
    sqlx::query(
        "INSERT INTO recipients (user_id, email, name, role) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (user_id) DO UPDATE SET email = excluded.email, name = excluded.name, role = excluded.role",
    )
    .bind(user_id)
    .bind(email)
    .bind(name)
    .bind(role)
    .execute(tx)
    .await
    .map(drop)
}

async fn restaurant_name(tx: &mut PgConnection, id: Uuid) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT name FROM restaurants WHERE restaurant_id = $1")
        .bind(id)
        .fetch_optional(tx)
        .await
}

/// Whether the draft was stored: not for a disabled account.
async fn insert(
    tx: &mut PgConnection,
    fact_id: Uuid,
    draft: &Draft,
    active: &[ChannelKind],
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let Draft {
        user_id,
        kind,
        title,
        body,
        data,
        order_id,
    } = draft;
    let disabled: Option<bool> =
        sqlx::query_scalar("SELECT disabled FROM recipients WHERE user_id = $1")
            .bind(user_id)
            .fetch_optional(&mut *tx)
            .await?;
    if disabled == Some(true) {
        return Ok(false);
    }
    let channels = preferences_of(tx, *user_id).await?.channels(active);
    if channels.is_empty() {
        return Ok(false);
    }
    let id = Uuid::now_v7();
    sqlx::query(
        "INSERT INTO notifications (notification_id, user_id, fact_id, kind, title, body, data, order_id, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(id)
    .bind(user_id)
    .bind(fact_id)
    .bind(kind)
    .bind(title)
    .bind(body)
    .bind(data)
    .bind(order_id)
    .bind(now.to_sqlx())
    .execute(&mut *tx)
    .await?;
    let ids: Vec<Uuid> = channels.iter().map(|_| Uuid::now_v7()).collect();
    let names: Vec<&str> = channels.iter().map(|channel| channel.as_str()).collect();
    sqlx::query(
        "INSERT INTO deliveries (delivery_id, channel, notification_id, user_id, status, next_attempt_at, \
         correlation_id, created_at, updated_at) \
         SELECT delivery_id, channel, $3, $4, 'pending', $5, $6, $5, $5 \
         FROM unnest($1::uuid[], $2::text[]) AS wanted (delivery_id, channel)",
    )
    .bind(ids)
    .bind(names)
    .bind(id)
    .bind(user_id)
    .bind(now.to_sqlx())
    .bind(correlation::current().as_str())
    .execute(tx)
    .await?;
    Ok(true)
}

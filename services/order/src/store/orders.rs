//! Orders: rows, changes and messages of one change in one transaction.

use jiff::Timestamp;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx};
use quickbite_events::{inbox, outbox};
use quickbite_postgres::is_unique_violation;
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool, Postgres, QueryBuilder, Row, Transaction};
use uuid::Uuid;

use super::ORDERS_CHANNEL;
use super::row::{OrderRow, select_order};
use crate::domain::order::{Change, Entry, Order};
use crate::domain::status::Status;

/// The store of orders.
#[derive(Clone, Debug)]
pub struct Orders {
    pub(super) pool: PgPool,
}

/// Whose orders a list shows.
#[derive(Clone, Copy, Debug)]
pub enum Viewer {
    /// Those that the customer placed.
    Customer(Uuid),
    /// Those at the owner's restaurants.
    Owner(Uuid),
    /// Those that the driver carries.
    Driver(Uuid),
    /// All.
    Admin,
}

/// What a list shows.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// Whose.
    pub viewer: Viewer,
    /// Only at this restaurant.
    pub restaurant_id: Option<Uuid>,
    /// Only in this status.
    pub status: Option<Status>,
}

/// What became of an insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// Stored.
    New,
    /// The same keyed request stored this order before.
    Before(Uuid),
}

impl Orders {
    /// The store in `pool`'s database.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Stores a placed order with what it announces and asks for. `scope` names the keyed request that made it.
    ///
    /// # Errors
    /// When the database fails; nothing is stored then.
    pub async fn insert(
        &self,
        order: &Order,
        change: &Change,
        scope: Option<&str>,
    ) -> Result<Inserted, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        match insert_rows(&mut transaction, order, scope).await {
            Ok(()) => {}
            Err(error) if is_unique_violation(&error, "orders_idempotency_scope") => {
                drop(transaction);
                let before =
                    sqlx::query_scalar("SELECT id FROM orders WHERE idempotency_scope = $1")
                        .bind(scope)
                        .fetch_one(&self.pool)
                        .await?;
                return Ok(Inserted::Before(before));
            }
            Err(error) => return Err(error),
        }
        publish(&mut transaction, order.id, change).await?;
        transaction.commit().await?;
        Ok(Inserted::New)
    }

    /// One order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn get(&self, id: Uuid) -> Result<Option<Order>, sqlx::Error> {
        let row = sqlx::query_as::<_, OrderRow>(select_order!("WHERE o.id = $1"))
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(Order::from))
    }

    /// One order, held for a change until the transaction ends. Both rows are locked: after a wait PostgreSQL reads
    /// only locked rows anew, and a stale half beside a fresh one would be stored.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock(
        &self,
        id: Uuid,
    ) -> Result<Option<(Transaction<'static, Postgres>, Order)>, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        let row = sqlx::query_as::<_, OrderRow>(select_order!("WHERE o.id = $1 FOR NO KEY UPDATE"))
            .bind(id)
            .fetch_optional(&mut *transaction)
            .await?;
        Ok(row.map(|row| (transaction, row.into())))
    }

    /// One order whose saga waited long enough, held; those that another replica holds are left to it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock_due(
        &self,
        now: Timestamp,
    ) -> Result<Option<(Transaction<'static, Postgres>, Order)>, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        let row = sqlx::query_as::<_, OrderRow>(select_order!(
            "WHERE s.deadline <= $1 ORDER BY s.deadline LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"
        ))
        .bind(now.to_sqlx())
        .fetch_optional(&mut *transaction)
        .await?;
        Ok(row.map(|row| (transaction, row.into())))
    }

    /// Stores a changed order with its entries and messages and commits.
    ///
    /// # Errors
    /// When the database fails; nothing is stored then.
    pub async fn save(
        &self,
        mut transaction: Transaction<'static, Postgres>,
        order: &Order,
        change: &Change,
    ) -> Result<(), sqlx::Error> {
        update_rows(&mut transaction, order).await?;
        publish(&mut transaction, order.id, change).await?;
        transaction.commit().await
    }

    /// Claims a message in the transaction that applies it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim(
        &self,
        transaction: &mut Transaction<'static, Postgres>,
        consumer: &str,
        message_id: Uuid,
    ) -> Result<bool, sqlx::Error> {
        inbox::claim(transaction, consumer, message_id).await
    }

    /// Orders that `filter` shows, newest first, from before `before`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(
        &self,
        filter: Filter,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Order>, sqlx::Error> {
        let mut query = QueryBuilder::<Postgres>::new(select_order!("WHERE true"));
        match filter.viewer {
            Viewer::Customer(id) => query.push(" AND o.customer_id = ").push_bind(id),
            Viewer::Owner(id) => query.push(" AND o.owner_id = ").push_bind(id),
            Viewer::Driver(id) => query.push(" AND o.driver_id = ").push_bind(id),
            Viewer::Admin => &mut query,
        };
        if let Some(id) = filter.restaurant_id {
            query.push(" AND o.restaurant_id = ").push_bind(id);
        }
        if let Some(status) = filter.status {
            query.push(" AND o.status = ").push_bind(status.as_str());
        }
        if let Some(id) = before {
            query.push(" AND o.id < ").push_bind(id);
        }
        query.push(" ORDER BY o.id DESC LIMIT ").push_bind(limit);
        let rows = query
            .build_query_as::<OrderRow>()
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(Order::from).collect())
    }

    /// What happened to an order after its change number `after`, in order; 0 is all of it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn changes(&self, order_id: Uuid, after: i64) -> Result<Vec<Entry>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT sequence, kind, status, reason, at FROM order_changes \
             WHERE order_id = $1 AND sequence > $2 ORDER BY sequence",
        )
        .bind(order_id)
        .bind(after)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let status: &str = row.try_get("status")?;
                Ok(Entry {
                    sequence: row.try_get("sequence")?,
                    kind: row.try_get("kind")?,
                    status: status
                        .parse()
                        .map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
                    reason: row.try_get("reason")?,
                    at: row.try_get::<SqlTimestamp, _>("at")?.to_jiff(),
                })
            })
            .collect()
    }
}

async fn insert_rows(
    connection: &mut PgConnection,
    order: &Order,
    scope: Option<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH placed AS (INSERT INTO orders (id, customer_id, restaurant_id, owner_id, driver_id, status, reason, \
         sequence, items, pickup, dropoff, notes, subtotal, delivery_fee, tip, total, currency, payment_token, \
         idempotency_scope, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, NULL, $5, NULL, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $18) \
         RETURNING id) \
         INSERT INTO sagas (id, order_id, version, step, direction, state, memory, steps, deadline, \
         last_command_id, updated_at) \
         SELECT $19, id, 1, $20, $21, $22, $23, $24, $25, $26, $18 FROM placed",
    )
    .bind(order.id)
    .bind(order.customer_id)
    .bind(order.restaurant_id)
    .bind(order.owner_id)
    .bind(order.status().as_str())
    .bind(order.sequence)
    .bind(Json(&order.items))
    .bind(Json(&order.pickup))
    .bind(Json(&order.dropoff))
    .bind(&order.notes)
    .bind(order.subtotal)
    .bind(order.delivery_fee)
    .bind(order.tip)
    .bind(order.total)
    .bind(&order.currency)
    .bind(&order.payment_token)
    .bind(scope)
    .bind(order.created_at.to_sqlx())
    .bind(order.saga_id)
    .bind(order.saga.step.as_str())
    .bind(order.saga.direction().as_str())
    .bind(order.saga.state())
    .bind(Json(&order.saga))
    .bind(Json(&order.steps))
    .bind(order.deadline.map(ToSqlx::to_sqlx))
    .bind(order.last_command_id)
    .execute(connection)
    .await
    .map(drop)
}

async fn update_rows(connection: &mut PgConnection, order: &Order) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH changed AS (UPDATE orders SET owner_id = $2, driver_id = $3, status = $4, reason = $5, sequence = $6, \
         pickup = $7, updated_at = $8 WHERE id = $1) \
         UPDATE sagas SET version = version + 1, step = $9, direction = $10, state = $11, memory = $12, steps = $13, \
         deadline = $14, last_command_id = $15, updated_at = $8 WHERE order_id = $1",
    )
    .bind(order.id)
    .bind(order.owner_id)
    .bind(order.saga.driver_id)
    .bind(order.status().as_str())
    .bind(&order.reason)
    .bind(order.sequence)
    .bind(Json(&order.pickup))
    .bind(order.updated_at.to_sqlx())
    .bind(order.saga.step.as_str())
    .bind(order.saga.direction().as_str())
    .bind(order.saga.state())
    .bind(Json(&order.saga))
    .bind(Json(&order.steps))
    .bind(order.deadline.map(ToSqlx::to_sqlx))
    .bind(order.last_command_id)
    .execute(connection)
    .await
    .map(drop)
}

/// History and outbox of one change; the commit wakes the relay and every open stream of the order.
async fn publish(
    connection: &mut PgConnection,
    order_id: Uuid,
    change: &Change,
) -> Result<(), sqlx::Error> {
    for entry in &change.entries {
        let Entry {
            sequence,
            kind,
            status,
            reason,
            at,
        } = entry;
        sqlx::query(
            "INSERT INTO order_changes (order_id, sequence, kind, status, reason, at) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(order_id)
        .bind(sequence)
        .bind(kind)
        .bind(status.as_str())
        .bind(reason)
        .bind(at.to_sqlx())
        .execute(&mut *connection)
        .await?;
    }
    if !change.entries.is_empty() {
        sqlx::query("SELECT pg_notify($1, $2)")
            .bind(ORDERS_CHANNEL)
            .bind(order_id.to_string())
            .execute(&mut *connection)
            .await?;
    }
    outbox::enqueue(connection, &change.messages).await
}

//! Sagas, as admins look for them.

use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::orders::Orders;
use super::row::{OrderRow, select_order};
use crate::domain::order::Order;

impl Orders {
    /// Orders by the state of their saga (`running`, `compensating`, `stuck`, `completed`, `compensated`; all when
    /// absent), newest saga first, from before saga `before`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn by_saga(
        &self,
        state: Option<&str>,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Order>, sqlx::Error> {
        let mut query = QueryBuilder::<Postgres>::new(select_order!("WHERE true"));
        if let Some(state) = state {
            query.push(" AND s.state = ").push_bind(state);
        }
        if let Some(id) = before {
            query.push(" AND s.id < ").push_bind(id);
        }
        query.push(" ORDER BY s.id DESC LIMIT ").push_bind(limit);
        let rows = query
            .build_query_as::<OrderRow>()
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(Order::from).collect())
    }

    /// The order of a saga.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn order_of_saga(&self, saga: Uuid) -> Result<Option<Uuid>, sqlx::Error> {
        sqlx::query_scalar("SELECT order_id FROM sagas WHERE id = $1")
            .bind(saga)
            .fetch_optional(&self.pool)
            .await
    }

    /// How many sagas are stuck.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_stuck(&self) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar("SELECT count(*) FROM sagas WHERE state = 'stuck'")
            .fetch_one(&self.pool)
            .await
    }
}

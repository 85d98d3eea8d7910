//! Commands of the order saga, each with one effect however often it comes.
//!
//! Two memories: the inbox knows the message, `commands` knows what an order was answered. The second is what makes a
//! saga's retry (a new message for the same step) get the same answer.

use jiff::Timestamp;
use quickbite_events::command::driver::DeliveryCreated;
use quickbite_events::{Envelope, Outcome, Outgoing, Reply, inbox, outbox, queue};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::Store;
use super::deliveries::{insert, lock, save};
use super::rows::ts;
use crate::domain::delivery::{Delivery, NewDelivery, Refused, Status};

const CREATE: &str = "driver.create_delivery";
const CANCEL: &str = "driver.cancel_delivery";

/// What a command changed, for whoever dispatches next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// Nothing new: the answer was given again, or it was a refusal.
    Nothing,
    /// A delivery searches now.
    Searching(Uuid),
    /// A driver is free again.
    Freed(Uuid),
}

impl Store {
    /// Creates the order's delivery, unless it exists or was called off before.
    pub async fn create_delivery(
        &self,
        command: &Envelope,
        id: Uuid,
        new: NewDelivery,
        now: Timestamp,
    ) -> Result<Answered, sqlx::Error> {
        let order_id = new.order_id;
        let mut tx = self.pool.begin().await?;
        if !inbox::claim(&mut tx, queue::DRIVER_COMMANDS, command.id).await? {
            return Ok(Answered::Nothing);
        }
        serialise(&mut tx, order_id).await?;
        let (reply, answered) = if let Some(reply) = remembered(&mut tx, order_id, command).await? {
            (reply, Answered::Nothing)
        } else if was_cancelled(&mut tx, order_id).await? {
            let reply = Reply::rejected(
                command,
                order_id,
                "cancelled",
                "the delivery was called off before",
            );
            (reply, Answered::Nothing)
        } else {
            let (delivery, fact) = Delivery::create(id, new, now);
            insert(&mut tx, &delivery, &fact).await?;
            let reply = Reply::ok(
                command,
                order_id,
                Some(&DeliveryCreated { delivery_id: id }),
            );
            (reply, Answered::Searching(id))
        };
        answer(&mut tx, command, &reply, now).await?;
        tx.commit().await?;
        Ok(answered)
    }

    /// Calls the order's delivery off; refused once it is picked up. Without a delivery the refusal of a later create
    /// is remembered.
    pub async fn cancel_delivery(
        &self,
        command: &Envelope,
        order_id: Uuid,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<Answered, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        if !inbox::claim(&mut tx, queue::DRIVER_COMMANDS, command.id).await? {
            return Ok(Answered::Nothing);
        }
        serialise(&mut tx, order_id).await?;
        let (reply, answered) = match remembered(&mut tx, order_id, command).await? {
            Some(reply) => (reply, Answered::Nothing),
            None => cancel(&mut tx, command, order_id, reason, now).await?,
        };
        answer(&mut tx, command, &reply, now).await?;
        tx.commit().await?;
        Ok(answered)
    }

    /// Remembers who owns the restaurant of an order.
    pub async fn learn_owner(&self, order_id: Uuid, owner_id: Uuid) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO order_owners (order_id, owner_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(order_id)
        .bind(owner_id)
        .execute(&self.pool)
        .await
        .map(drop)
    }
}

async fn cancel(
    tx: &mut PgConnection,
    command: &Envelope,
    order_id: Uuid,
    reason: Option<String>,
    now: Timestamp,
) -> Result<(Reply, Answered), sqlx::Error> {
    let id: Option<Uuid> =
        sqlx::query_scalar("SELECT delivery_id FROM deliveries WHERE order_id = $1")
            .bind(order_id)
            .fetch_optional(&mut *tx)
            .await?;
    let Some(id) = id else {
        return Ok((Reply::done(command, order_id), Answered::Nothing));
    };
    let Some(mut delivery) = lock(tx, id).await? else {
        return Ok((Reply::done(command, order_id), Answered::Nothing));
    };
    Ok(match delivery.cancel(reason, now) {
        Ok(None) => (Reply::done(command, order_id), Answered::Nothing),
        Ok(Some(fact)) => {
            save(tx, &delivery, &fact).await?;
            let freed = fact.driver_id.map_or(Answered::Nothing, Answered::Freed);
            (Reply::done(command, order_id), freed)
        }
        Err(refused) => {
            let code = match refused {
                Refused::WrongState(Status::Delivered) => "already_delivered",
                _ => "already_picked_up",
            };
            (
                Reply::rejected(command, order_id, code, refused.to_string()),
                Answered::Nothing,
            )
        }
    })
}

/// Commands of one order take turns, also when there is no row to lock yet.
async fn serialise(tx: &mut PgConnection, order_id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(order_id.to_string())
        .execute(tx)
        .await
        .map(drop)
}

/// The answer that was given before, addressed to this message.
async fn remembered(
    tx: &mut PgConnection,
    order_id: Uuid,
    command: &Envelope,
) -> Result<Option<Reply>, sqlx::Error> {
    let reply: Option<Json<Reply>> =
        sqlx::query_scalar("SELECT reply FROM commands WHERE order_id = $1 AND command = $2")
            .bind(order_id)
            .bind(&command.kind)
            .fetch_optional(tx)
            .await?;
    Ok(reply.map(|Json(reply)| Reply {
        command_id: command.id,
        ..reply
    }))
}

async fn was_cancelled(tx: &mut PgConnection, order_id: Uuid) -> Result<bool, sqlx::Error> {
    let reply: Option<Json<Reply>> =
        sqlx::query_scalar("SELECT reply FROM commands WHERE order_id = $1 AND command = $2")
            .bind(order_id)
            .bind(CANCEL)
            .fetch_optional(tx)
            .await?;
    Ok(reply.is_some_and(|Json(reply)| reply.outcome == Outcome::Ok))
}

async fn answer(
    tx: &mut PgConnection,
    command: &Envelope,
    reply: &Reply,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    debug_assert!([CREATE, CANCEL].contains(&command.kind.as_str()));
    sqlx::query(
        "INSERT INTO commands (order_id, command, reply, handled_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    )
    .bind(reply.order_id)
    .bind(&command.kind)
    .bind(Json(reply))
    .bind(ts(now))
    .execute(&mut *tx)
    .await?;
    outbox::enqueue(tx, &[Outgoing::reply(command, reply)]).await
}

//! payment-service on a database of its own, commanded as order-service commands it.

use std::sync::Arc;
use std::time::Duration;

use quickbite_events::command::payment::{Authorize, Capture, Refund, Void};
use quickbite_events::testing::outbox;
use quickbite_events::{Envelope, Handler as _, Message, Outgoing, Reply};
use quickbite_http::testing::{MovableClock, appears};
use quickbite_payment::events::Commands;
use quickbite_payment::provider::Provider;
use quickbite_payment::provider::sandbox::Sandbox;
use quickbite_payment::store::MIGRATIONS;
use quickbite_payment::teller::{Patience, Teller};
use quickbite_postgres::testing::fresh_database;
use rust_decimal::Decimal;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) struct Stage {
    pub(crate) pool: PgPool,
    pub(crate) teller: Teller,
    time: MovableClock,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let pool = fresh_database(&MIGRATIONS).await;
        let sandbox = Arc::new(Sandbox::new(pool.clone()));
        Self::on(pool, sandbox)
    }

    /// A process on this database, with its worker running.
    pub(crate) fn on(pool: PgPool, provider: Arc<dyn Provider>) -> Self {
        let time = MovableClock::default();
        let patience = Patience {
            timeout: Duration::from_secs(1),
            authorize_attempts: 4,
        };
        let teller = Teller::new(pool.clone(), provider, time.clock(), patience);
        tokio::spawn(teller.clone().run(CancellationToken::new()));
        Self { pool, teller, time }
    }

    /// Time passes: leases run out.
    pub(crate) fn pass(&self, seconds: i64) {
        self.time.pass(seconds);
    }

    pub(crate) async fn give(&self, command: &Envelope) {
        Commands::new(self.teller.clone())
            .handle(command.clone())
            .await
            .expect("handled");
    }

    /// Gives a command and waits for its reply.
    pub(crate) async fn answer(&self, command: &Envelope) -> Reply {
        self.give(command).await;
        self.reply(command).await
    }

    pub(crate) async fn reply(&self, command: &Envelope) -> Reply {
        let what = format!("a reply to {}", command.kind);
        appears(&what, async || self.replies(command).await.pop()).await
    }

    pub(crate) async fn replies(&self, command: &Envelope) -> Vec<Reply> {
        let told = outbox(&self.pool).await;
        let replies = told
            .iter()
            .filter(|message| message.routing_key == "reply.order");
        let replies = replies.map(|message| message.envelope.parse::<Reply>().expect("a reply"));
        replies
            .filter(|reply| reply.command_id == command.id)
            .collect()
    }

    /// The keys of the facts told so far, in order.
    pub(crate) async fn facts(&self) -> Vec<String> {
        let told = outbox(&self.pool).await;
        let keys = told.into_iter().map(|message| message.routing_key);
        keys.filter(|key| key.starts_with("payment.")).collect()
    }

    /// How often the provider did this, and for how much in all.
    pub(crate) async fn effect(&self, call: &str) -> (i64, Decimal) {
        sqlx::query_as(
            "SELECT count(*), coalesce(sum(amount), 0) FROM sandbox_ledger \
             WHERE call = $1 AND outcome = 'done'",
        )
        .bind(call)
        .fetch_one(&self.pool)
        .await
        .expect("the books")
    }

    pub(crate) async fn status(&self, order_id: Uuid) -> String {
        sqlx::query_scalar("SELECT status FROM payments WHERE order_id = $1")
            .bind(order_id)
            .fetch_one(&self.pool)
            .await
            .expect("a payment")
    }
}

pub(crate) fn total() -> Decimal {
    Decimal::new(2890, 2)
}

fn command<T: Message>(order_id: Uuid, payload: &T) -> Envelope {
    Outgoing::command(order_id, payload).envelope
}

pub(crate) fn authorize(order_id: Uuid, token: &str) -> Envelope {
    let (customer_id, token) = (Uuid::now_v7(), token.to_owned());
    let currency = "EUR".to_owned();
    command(
        order_id,
        &Authorize {
            order_id,
            customer_id,
            amount: total(),
            currency,
            token,
        },
    )
}

pub(crate) fn capture(order_id: Uuid) -> Envelope {
    command(
        order_id,
        &Capture {
            order_id,
            amount: None,
            reason: None,
        },
    )
}

pub(crate) fn void(order_id: Uuid) -> Envelope {
    command(
        order_id,
        &Void {
            order_id,
            amount: None,
            reason: None,
        },
    )
}

pub(crate) fn refund(order_id: Uuid) -> Envelope {
    command(
        order_id,
        &Refund {
            order_id,
            amount: None,
            reason: None,
        },
    )
}

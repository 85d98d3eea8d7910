//! A database and a set of exchanges and queues of a test's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use quickbite_events::payload::user::Disabled;
use quickbite_events::testing::remove;
pub(crate) use quickbite_events::testing::url as amqp_url;
use quickbite_events::{
    AmqpArgs, Broker, Envelope, Handler, HandlerError, Outgoing, Topology, inbox, outbox,
};
pub(crate) use quickbite_http::testing::eventually;
use quickbite_postgres::testing::fresh_database;
use sqlx::PgPool;
use sqlx::migrate::Migrator;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) struct Stage {
    pub(crate) pool: PgPool,
    pub(crate) topology: Topology,
    pub(crate) cancel: CancellationToken,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let pool = fresh_database(&Migrator::with_migrations(Vec::new())).await;
        sqlx::raw_sql("CREATE TABLE effects (n bigint)")
            .execute(&pool)
            .await
            .unwrap();
        let topology = Topology::isolated(format!("test-{}.", Uuid::now_v7()));
        Self {
            pool,
            topology,
            cancel: CancellationToken::new(),
        }
    }

    pub(crate) async fn broker(&self, url: String) -> Broker {
        let broker = self.unconnected(url);
        eventually("the broker is connected", || async {
            broker.is_connected()
        })
        .await;
        broker
    }

    pub(crate) fn unconnected(&self, url: String) -> Broker {
        Broker::connect_to(
            &AmqpArgs {
                amqp_url: url.into(),
            },
            "test",
            self.topology.clone(),
        )
    }

    pub(crate) async fn enqueue(&self, message: &Outgoing) {
        let mut transaction = self.pool.begin().await.unwrap();
        outbox::enqueue(&mut transaction, std::slice::from_ref(message))
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    }

    pub(crate) async fn unsent(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM outbox WHERE sent_at IS NULL")
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    pub(crate) async fn effects(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM effects")
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// Ends what runs and removes the exchanges and queues.
    pub(crate) async fn end(self) {
        self.cancel.cancel();
        remove(&self.topology).await;
    }
}

pub(crate) fn fact() -> Outgoing {
    let user_id = Uuid::now_v7();
    Outgoing::event(user_id, 1, &Disabled { user_id })
}

/// Counts deliveries, and applies an effect once per message id.
#[derive(Clone)]
pub(crate) struct Counting {
    pub(crate) pool: PgPool,
    pub(crate) deliveries: Arc<AtomicU32>,
    pub(crate) outcome: fn(&Envelope) -> Result<(), HandlerError>,
}

impl Counting {
    pub(crate) fn new(pool: &PgPool, outcome: fn(&Envelope) -> Result<(), HandlerError>) -> Self {
        Self {
            pool: pool.clone(),
            deliveries: Arc::default(),
            outcome,
        }
    }

    pub(crate) fn deliveries(&self) -> u32 {
        self.deliveries.load(Ordering::SeqCst)
    }
}

impl Handler for Counting {
    async fn handle(&self, message: Envelope) -> Result<(), HandlerError> {
        self.deliveries.fetch_add(1, Ordering::SeqCst);
        (self.outcome)(&message)?;
        let mut transaction = self.pool.begin().await?;
        if inbox::claim(&mut transaction, "test", message.id).await? {
            sqlx::query("INSERT INTO effects VALUES (1)")
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

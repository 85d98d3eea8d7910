//! Every exchange and queue of the platform, in one place, declared by every process at each (re)connect.
//!
//! All of it is declared by everyone on purpose: start order then does not matter, since a command finds its queue
//! although the service that will read it has never run.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};
use serde::{Deserialize, Serialize};

/// How often a message may be handed out before it goes to `.dead`.
pub const DELIVERY_LIMIT: i32 = 5;

/// The exchanges; all topic, all durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exchange {
    /// Facts.
    Events,
    /// Requests to one service, and replies.
    Commands,
    /// What could not be handled.
    Dlx,
}

impl Exchange {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Events, Self::Commands, Self::Dlx];

    /// The name at the broker.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Events => "quickbite.events",
            Self::Commands => "quickbite.commands",
            Self::Dlx => "quickbite.dlx",
        }
    }
}

/// Names of the queues.
pub mod queue {
    /// Commands to restaurant-service.
    pub const RESTAURANT_COMMANDS: &str = "restaurant.commands";
    /// Commands to payment-service.
    pub const PAYMENT_COMMANDS: &str = "payment.commands";
    /// Commands to driver-service.
    pub const DRIVER_COMMANDS: &str = "driver.commands";
    /// Replies to the order saga.
    pub const ORDER_REPLIES: &str = "order.replies";
    /// Facts that order-service follows.
    pub const ORDER_FACTS: &str = "order.facts";
    /// Facts that driver-service follows.
    pub const DRIVER_FACTS: &str = "driver.facts";
    /// Facts that people are told about.
    pub const NOTIFICATION_FACTS: &str = "notification.facts";
}

/// A queue and the keys that fill it.
#[derive(Clone, Copy, Debug)]
pub struct Queue {
    /// Its name; `<name>.dead` keeps what could not be handled.
    pub name: &'static str,
    /// The exchange that it is bound to.
    pub exchange: Exchange,
    /// Routing key patterns.
    pub keys: &'static [&'static str],
}

/// All queues.
pub const QUEUES: &[Queue] = &[
    Queue {
        name: queue::RESTAURANT_COMMANDS,
        exchange: Exchange::Commands,
        keys: &["restaurant.*"],
    },
    Queue {
        name: queue::PAYMENT_COMMANDS,
        exchange: Exchange::Commands,
        keys: &["payment.*"],
    },
    Queue {
        name: queue::DRIVER_COMMANDS,
        exchange: Exchange::Commands,
        keys: &["driver.*"],
    },
    Queue {
        name: queue::ORDER_REPLIES,
        exchange: Exchange::Commands,
        keys: &["reply.order"],
    },
    Queue {
        name: queue::ORDER_FACTS,
        exchange: Exchange::Events,
        keys: &[
            "restaurant.#",
            "user.address_saved",
            "user.address_deleted",
            "user.disabled",
            "delivery.#",
        ],
    },
    Queue {
        name: queue::DRIVER_FACTS,
        exchange: Exchange::Events,
        keys: &[
            "order.confirmed",
            "order.cancelled",
            "order.rejected",
            "user.disabled",
        ],
    },
    Queue {
        name: queue::NOTIFICATION_FACTS,
        exchange: Exchange::Events,
        keys: &[
            "user.#",
            "order.#",
            "payment.#",
            "delivery.#",
            "restaurant.#",
        ],
    },
];

/// The topology, all names behind a prefix: empty in production, unique in a test, so that tests share one broker.
#[derive(Clone, Debug, Default)]
pub struct Topology {
    prefix: String,
}

impl Topology {
    /// The platform's own names.
    pub fn platform() -> Self {
        Self::default()
    }

    /// The same topology with every name behind `prefix`.
    pub fn isolated(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
        }
    }

    /// The name at the broker of a queue.
    pub fn queue(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The name at the broker of an exchange.
    pub fn exchange(&self, exchange: Exchange) -> String {
        format!("{}{}", self.prefix, exchange.name())
    }

    /// Declares everything; repeating it changes nothing.
    ///
    /// # Errors
    /// When the broker refuses (a queue exists with other arguments) or is gone.
    pub async fn declare(&self, channel: &Channel) -> lapin::Result<()> {
        for exchange in Exchange::ALL {
            channel
                .exchange_declare(
                    self.exchange(exchange).into(),
                    ExchangeKind::Topic,
                    ExchangeDeclareOptions {
                        durable: true,
                        ..Default::default()
                    },
                    FieldTable::default(),
                )
                .await?;
        }
        for queue in QUEUES {
            self.declare_queue(channel, queue).await?;
        }
        Ok(())
    }

    async fn declare_queue(&self, channel: &Channel, queue: &Queue) -> lapin::Result<()> {
        let name = self.queue(queue.name);
        let dead = format!("{name}.dead");
        let durable = QueueDeclareOptions {
            durable: true,
            ..Default::default()
        };
        channel
            .queue_declare(dead.as_str().into(), durable, quorum())
            .await?;
        self.bind(channel, &dead, Exchange::Dlx, queue.name).await?;
        channel
            .queue_declare(name.as_str().into(), durable, self.live_arguments(queue))
            .await?;
        for key in queue.keys {
            self.bind(channel, &name, queue.exchange, key).await?;
        }
        Ok(())
    }

    /// At-least-once dead-lettering: a message leaves its queue only when `.dead` has confirmed it.
    fn live_arguments(&self, queue: &Queue) -> FieldTable {
        let mut arguments = quorum();
        let mut text = |key: &'static str, value: &str| {
            arguments.insert(key.into(), AMQPValue::LongString(value.into()));
        };
        text("x-dead-letter-exchange", &self.exchange(Exchange::Dlx));
        text("x-dead-letter-routing-key", queue.name);
        text("x-dead-letter-strategy", "at-least-once");
        text("x-overflow", "reject-publish");
        arguments.insert(
            "x-delivery-limit".into(),
            AMQPValue::LongInt(DELIVERY_LIMIT),
        );
        arguments
    }

    async fn bind(
        &self,
        channel: &Channel,
        queue: &str,
        exchange: Exchange,
        key: &str,
    ) -> lapin::Result<()> {
        channel
            .queue_bind(
                queue.into(),
                self.exchange(exchange).into(),
                key.into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await
    }

    /// Removes everything, for tests that declared an isolated topology.
    ///
    /// # Errors
    /// When the broker is gone.
    pub async fn delete(&self, channel: &Channel) -> lapin::Result<()> {
        for queue in QUEUES {
            let name = self.queue(queue.name);
            channel
                .queue_delete(name.as_str().into(), Default::default())
                .await?;
            channel
                .queue_delete(format!("{name}.dead").into(), Default::default())
                .await?;
        }
        for exchange in Exchange::ALL {
            channel
                .exchange_delete(self.exchange(exchange).into(), Default::default())
                .await?;
        }
        Ok(())
    }
}

fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    arguments
}

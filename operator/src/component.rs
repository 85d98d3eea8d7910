//! What a platform is made of: seven services and four stores, their ports and who uses what.
//!
//! One place, because names, URLs, network policies and credentials all follow from it.

use crate::api::{QuickBitePlatformSpec, Workload};

/// One of the seven services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// The only public door.
    Gateway,
    /// Accounts and tokens.
    User,
    /// Restaurants and menus.
    Restaurant,
    /// Orders and their saga.
    Order,
    /// Drivers and deliveries.
    Driver,
    /// Notifications.
    Notification,
    /// Payments.
    Payment,
}

impl Service {
    /// All of them, the gateway first.
    pub const ALL: [Self; 7] = [
        Self::Gateway,
        Self::User,
        Self::Restaurant,
        Self::Order,
        Self::Driver,
        Self::Notification,
        Self::Payment,
    ];

    /// Its name, as in images, labels and object names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::User => "user",
            Self::Restaurant => "restaurant",
            Self::Order => "order",
            Self::Driver => "driver",
            Self::Notification => "notification",
            Self::Payment => "payment",
        }
    }

    /// The port of its API.
    #[must_use]
    pub const fn port(self) -> i32 {
        match self {
            Self::Gateway => 3000,
            Self::User => 3001,
            Self::Restaurant => 3002,
            Self::Order => 3003,
            Self::Driver => 3004,
            Self::Notification => 3005,
            Self::Payment => 3006,
        }
    }

    /// The stores that it talks to.
    #[must_use]
    pub const fn stores(self) -> &'static [Store] {
        match self {
            Self::Gateway => &[Store::Redis],
            Self::User | Self::Order | Self::Driver => {
                &[Store::Postgres, Store::Redis, Store::Rabbitmq]
            }
            Self::Restaurant => &[Store::Mongodb, Store::Redis, Store::Rabbitmq],
            Self::Notification | Self::Payment => &[Store::Postgres, Store::Rabbitmq],
        }
    }

    /// Whether it talks to `store`.
    #[must_use]
    pub fn uses(self, store: Store) -> bool {
        self.stores().contains(&store)
    }

    /// Whether it has a schema that a Job migrates before it starts.
    #[must_use]
    pub fn migrates(self) -> bool {
        self.database().is_some()
    }

    /// The store that it owns a database in.
    #[must_use]
    pub fn database(self) -> Option<Store> {
        self.stores()
            .iter()
            .copied()
            .find(|store| matches!(store, Store::Postgres | Store::Mongodb))
    }

    /// Whether the spec wants it to run. The gateway always does.
    #[must_use]
    pub fn enabled(self, spec: &QuickBitePlatformSpec) -> bool {
        let services = &spec.services;
        match self {
            Self::Gateway => true,
            Self::User => services.user.enabled,
            Self::Restaurant => services.restaurant.enabled,
            Self::Order => services.order.enabled,
            Self::Driver => services.driver.enabled,
            Self::Notification => services.notification.enabled,
            Self::Payment => services.payment.enabled,
        }
    }

    /// What the spec says about its pods.
    #[must_use]
    pub fn workload(self, spec: &QuickBitePlatformSpec) -> &Workload {
        let services = &spec.services;
        match self {
            Self::Gateway => &spec.gateway.workload,
            Self::User => &services.user.workload,
            Self::Restaurant => &services.restaurant.workload,
            Self::Order => &services.order.workload,
            Self::Driver => &services.driver.workload,
            Self::Notification => &services.notification.workload,
            Self::Payment => &services.payment.workload,
        }
    }
}

/// One of the four stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Store {
    /// PostgreSQL.
    Postgres,
    /// MongoDB.
    Mongodb,
    /// Redis.
    Redis,
    /// RabbitMQ.
    Rabbitmq,
}

impl Store {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Postgres, Self::Mongodb, Self::Redis, Self::Rabbitmq];

    /// Its name, as in labels and object names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mongodb => "mongodb",
            Self::Redis => "redis",
            Self::Rabbitmq => "rabbitmq",
        }
    }

    /// The port of its protocol.
    #[must_use]
    pub const fn port(self) -> i32 {
        match self {
            Self::Postgres => 5432,
            Self::Mongodb => 27017,
            Self::Redis => 6379,
            Self::Rabbitmq => 5672,
        }
    }

    /// What the spec says about it.
    #[must_use]
    pub fn spec(self, spec: &QuickBitePlatformSpec) -> &crate::api::Store {
        match self {
            Self::Postgres => &spec.stores.postgres,
            Self::Mongodb => &spec.stores.mongodb,
            Self::Redis => &spec.stores.redis,
            Self::Rabbitmq => &spec.stores.rabbitmq,
        }
    }
}

/// Whose object a child is; the value of `app.kubernetes.io/component`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// Shared by the whole platform: keys, the bootstrap administrator, the public entry.
    Platform,
    /// A store.
    Store(Store),
    /// A service.
    Service(Service),
}

impl Component {
    /// The label's value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Store(store) => store.name(),
            Self::Service(service) => service.name(),
        }
    }
}

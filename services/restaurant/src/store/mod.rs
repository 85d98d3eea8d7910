//! What the service remembers: MongoDB, and nothing but MongoDB, is spoken here.
//!
//! A change and the messages that tell of it are written in one transaction; the relay sends them
//! afterwards. That needs a replica set, be it of one member.

pub mod call;
pub mod document;
pub mod error;
pub mod idempotency;
pub mod migrate;
pub mod outbox;
pub mod restaurants;
pub mod tickets;

use std::time::Duration;

use futures::future::BoxFuture;
use mongodb::options::ClientOptions;
use mongodb::{Client, Collection, Database};
use secrecy::{ExposeSecret as _, SecretString};

pub use error::StoreError;

/// The service's database.
pub const DATABASE: &str = "restaurant_service";

/// Names of the collections.
pub(crate) mod collection {
    pub(crate) const RESTAURANTS: &str = "restaurants";
    pub(crate) const TICKETS: &str = "tickets";
    pub(crate) const OUTBOX: &str = "outbox";
    pub(crate) const INBOX: &str = "inbox";
    pub(crate) const IDEMPOTENCY: &str = "idempotency_keys";
    pub(crate) const SCHEMA: &str = "schema";
}

/// A handle to the database; clones share the connections.
#[derive(Debug, Clone)]
pub struct Mongo {
    pub(crate) client: Client,
    pub(crate) database: Database,
}

/// The URI of MongoDB cannot be used. It is not repeated: it holds a password.
#[derive(Debug, thiserror::Error)]
#[error("the MongoDB URI is not valid")]
pub struct MongoConfigError;

impl Mongo {
    /// Prepares a client; connects when first used. The database is the URI's, or
    /// `restaurant_service`.
    ///
    /// # Errors
    /// Only for a URI that cannot be read.
    pub async fn connect(uri: &SecretString) -> Result<Self, MongoConfigError> {
        Self::connect_to(uri, None).await
    }

    /// The same with a database that the URI does not name; for tests.
    ///
    /// # Errors
    /// Only for a URI that cannot be read.
    pub async fn connect_to(
        uri: &SecretString,
        database: Option<&str>,
    ) -> Result<Self, MongoConfigError> {
        let parsed = ClientOptions::parse(uri.expose_secret()).await;
        let mut options = parsed.map_err(|_| MongoConfigError)?;
        options.app_name = Some("quickbite-restaurant".to_owned());
        options.server_selection_timeout = Some(Duration::from_secs(2));
        options.connect_timeout = Some(Duration::from_secs(2));
        options.max_pool_size.get_or_insert(50);
        // The driver's default polls every ten seconds: a primary that is back would stay unseen.
        options.heartbeat_freq = Some(Duration::from_secs(2));
        let named = database
            .map(str::to_owned)
            .or_else(|| options.default_database.clone());
        let client = Client::with_options(options).map_err(|_| MongoConfigError)?;
        let database = client.database(named.as_deref().unwrap_or(DATABASE));
        Ok(Self { client, database })
    }

    /// The health check: the database answers, and its schema is the one that this binary needs.
    pub fn probe(&self) -> impl Fn() -> BoxFuture<'static, anyhow::Result<()>> + use<> {
        let mongo = self.clone();
        move || {
            let mongo = mongo.clone();
            Box::pin(async move { migrate::schema_ready(&mongo).await })
        }
    }

    /// The database, for tests that look behind the service.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) fn collection<T: Send + Sync>(&self, name: &str) -> Collection<T> {
        self.database.collection(name)
    }
}

//! What the database must have before the service runs: its user, its collections, its indexes.
//!
//! Everything here may be run again at any time. The version in the collection `schema` is written
//! last; a service is unready until it finds the version that it was built for, or a later one.

use std::time::Duration;

use anyhow::{Context as _, bail};
use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::error::ErrorKind;
use mongodb::options::{ClientOptions, Credential, IndexOptions};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{Instant, sleep};

use super::call::{MAX_TIME, bounded};
use super::{DATABASE, Mongo, StoreError, collection};

/// Raised with every change of this file.
const SCHEMA_VERSION: i32 = 1;
const TEXT_INDEX: &str = "search";
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long the migration waits for MongoDB to come up.
const PATIENCE: Duration = Duration::from_secs(60);
/// `NamespaceExists`.
const EXISTS: i32 = 48;
/// `UserNotFound` of `updateUser`.
const USER_NOT_FOUND: i32 = 11;

/// Ensures the user of `uri` through `admin`, where one is given, then collections and indexes as
/// that user.
///
/// # Errors
/// When MongoDB cannot be reached within a minute, or refuses.
pub async fn migrate(uri: &SecretString, admin: Option<&SecretString>) -> anyhow::Result<()> {
    let mongo = Mongo::connect(uri).await?;
    if let Some(admin) = admin {
        let admin = Mongo::connect(admin).await.context("MONGODB_ADMIN_URI")?;
        wait_for(&admin).await?;
        ensure_user(&admin, uri).await?;
    } else {
        wait_for(&mongo).await?;
    }
    ensure_schema(&mongo).await
}

/// Ensures collections and indexes.
///
/// # Errors
/// When MongoDB refuses.
pub async fn ensure_schema(mongo: &Mongo) -> anyhow::Result<()> {
    ensure_collections(mongo).await?;
    ensure_indexes(mongo).await?;
    let version = doc! { "$max": { "version": SCHEMA_VERSION } };
    mongo
        .collection::<Document>(collection::SCHEMA)
        .update_one(doc! { "_id": "restaurant" }, version)
        .upsert(true)
        .await
        .context("the schema's version")?;
    tracing::info!(version = SCHEMA_VERSION, "the database is ready");
    Ok(())
}

/// Whether the migration has run; also the service's health check of MongoDB.
///
/// # Errors
/// A sentence for the health report.
pub async fn schema_ready(mongo: &Mongo) -> anyhow::Result<()> {
    let schema = mongo.collection::<Document>(collection::SCHEMA);
    let found = bounded(async move {
        Ok(schema
            .find_one(doc! { "_id": "restaurant" })
            .max_time(MAX_TIME)
            .await?)
    })
    .await?;
    match found.and_then(|found| found.get_i32("version").ok()) {
        Some(SCHEMA_VERSION..) => Ok(()),
        _ => bail!("the database is not migrated yet"),
    }
}

async fn wait_for(mongo: &Mongo) -> anyhow::Result<()> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        match mongo
            .database
            .run_command(doc! { "ping": 1 })
            .await
            .map_err(StoreError::from)
        {
            Ok(_) => return Ok(()),
            Err(error) if error.is_outage() && Instant::now() < give_up => {
                tracing::info!("waiting for MongoDB");
                sleep(Duration::from_secs(1)).await;
            }
            Err(error) => return Err(error).context("MongoDB cannot be reached"),
        }
    }
}

/// The user may read and write its own database, indexes included, and nothing else.
async fn ensure_user(admin: &Mongo, uri: &SecretString) -> anyhow::Result<()> {
    let options = ClientOptions::parse(uri.expose_secret())
        .await
        .map_err(|_| super::MongoConfigError)?;
    let database = options
        .default_database
        .unwrap_or_else(|| DATABASE.to_owned());
    let Some(Credential {
        username: Some(user),
        password: Some(password),
        source,
        ..
    }) = options.credential
    else {
        bail!("MONGODB_URI names no user and password to ensure");
    };
    // Where the URI names no authSource, the driver looks in the URI's database.
    let home = admin
        .client
        .database(source.as_deref().unwrap_or(&database));
    let roles = vec![doc! { "role": "readWrite", "db": &database }];
    let change = doc! { "updateUser": &user, "pwd": &password, "roles": roles.clone() };
    match home.run_command(change).await {
        Ok(_) => tracing::info!(user, "the database user is up to date"),
        Err(error) if command_code(&error) == Some(USER_NOT_FOUND) => {
            let create = doc! { "createUser": &user, "pwd": &password, "roles": roles };
            home.run_command(create)
                .await
                .context("cannot create the database user")?;
            tracing::info!(user, "the database user is created");
        }
        Err(error) => return Err(error).context("cannot change the database user"),
    }
    Ok(())
}

fn command_code(error: &mongodb::error::Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => Some(command.code),
        _ => None,
    }
}

async fn ensure_collections(mongo: &Mongo) -> anyhow::Result<()> {
    for name in [
        collection::RESTAURANTS,
        collection::TICKETS,
        collection::OUTBOX,
        collection::INBOX,
        collection::IDEMPOTENCY,
        collection::SCHEMA,
    ] {
        match mongo.database.create_collection(name).await {
            Err(error) if command_code(&error) != Some(EXISTS) => {
                return Err(error).with_context(|| format!("cannot create {name}"));
            }
            _ => {}
        }
    }
    Ok(())
}

async fn ensure_indexes(mongo: &Mongo) -> anyhow::Result<()> {
    let restaurants = [
        // Lists, newest first, by each of their filters.
        plain(doc! { "cuisineKeys": 1, "_id": -1 }),
        plain(doc! { "open": 1, "_id": -1 }),
        plain(doc! { "ownerId": 1, "_id": -1 }),
        plain(doc! { "address.location": "2dsphere" }),
        text(),
    ];
    let outbox = [
        IndexModel::builder()
            .keys(doc! { "nextAttemptAt": 1, "_id": 1 })
            .options(
                IndexOptions::builder()
                    .partial_filter_expression(doc! { "sent": false })
                    .build(),
            )
            .build(),
        expiring("sentAt", DAY),
    ];
    let sets = [
        (collection::RESTAURANTS, restaurants.to_vec()),
        (collection::OUTBOX, outbox.to_vec()),
        // Longer than any redelivery.
        (collection::INBOX, vec![expiring("claimedAt", 7 * DAY)]),
        // Longer than any saga.
        (collection::TICKETS, vec![expiring("updatedAt", 90 * DAY)]),
        (
            collection::IDEMPOTENCY,
            vec![expiring("expiresAt", Duration::ZERO)],
        ),
    ];
    for (name, indexes) in sets {
        mongo
            .collection::<Document>(name)
            .create_indexes(indexes)
            .await
            .with_context(|| format!("cannot index {name}"))?;
    }
    Ok(())
}

fn plain(keys: Document) -> IndexModel {
    IndexModel::builder().keys(keys).build()
}

fn expiring(field: &str, after: Duration) -> IndexModel {
    IndexModel::builder()
        .keys(doc! { field: 1 })
        .options(IndexOptions::builder().expire_after(after).build())
        .build()
}

/// A name counts most, then what is cooked, then dishes, then the description. No document field
/// chooses the language of its words: `language` may one day be a field that means something else.
fn text() -> IndexModel {
    IndexModel::builder()
        .keys(
            doc! { "name": "text", "description": "text", "cuisine": "text", "menu.name": "text" },
        )
        .options(
            IndexOptions::builder()
                .name(TEXT_INDEX.to_owned())
                .weights(doc! { "name": 10, "cuisine": 6, "menu.name": 4, "description": 1 })
                .default_language("english".to_owned())
                .language_override("textLanguage".to_owned())
                .build(),
        )
        .build()
}

//! The migration: user, collections, indexes; again and again.

use mongodb::bson::{Document, doc};
use quickbite_restaurant::store::Mongo;
use quickbite_restaurant::store::migrate::{migrate, schema_ready};
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use crate::stage::required;

/// The test server's URI for another user and database.
fn uri(user: &str, password: &str, database: &str) -> SecretString {
    let admin = required("TEST_MONGODB_URI");
    let admin = admin
        .expose_secret()
        .strip_prefix("mongodb://")
        .expect("a MongoDB URI");
    let (authority, rest) = admin.split_once('/').unwrap_or((admin, ""));
    let hosts = authority
        .rsplit_once('@')
        .map_or(authority, |(_, hosts)| hosts);
    let options = rest.split_once('?').map_or("", |(_, options)| options);
    let kept = options
        .split('&')
        .filter(|option| !option.starts_with("authSource="));
    let options = kept.collect::<Vec<_>>().join("&");
    format!("mongodb://{user}:{password}@{hosts}/{database}?{options}").into()
}

#[tokio::test]
async fn a_migration_makes_the_user_and_takes_a_new_password_the_next_time() {
    let database = format!("test_{}", Uuid::now_v7().simple());
    let admin = required("TEST_MONGODB_URI");
    for password in ["first", "second"] {
        let uri = uri("restaurant_service", password, &database);
        migrate(&uri, Some(&admin)).await.expect("migrated");
        let mongo = Mongo::connect(&uri).await.expect("a URI");
        schema_ready(&mongo).await.expect("the new password opens");
    }
    let old = Mongo::connect(&uri("restaurant_service", "first", &database))
        .await
        .expect("a URI");
    assert!(
        schema_ready(&old).await.is_err(),
        "the old password still opens"
    );

    let mongo = Mongo::connect_to(&admin, Some(&database))
        .await
        .expect("a URI");
    let names = mongo
        .database()
        .collection::<Document>("restaurants")
        .list_index_names()
        .await;
    assert_eq!(
        names.expect("indexes").len(),
        6,
        "the primary key and five of ours"
    );
    mongo
        .database()
        .run_command(doc! { "dropUser": "restaurant_service" })
        .await
        .expect("dropped");
    mongo.database().drop().await.expect("dropped");
}

#[tokio::test]
async fn a_database_without_migration_is_not_ready() {
    let database = format!("test_{}", Uuid::now_v7().simple());
    let uri = required("TEST_MONGODB_URI");
    let mongo = Mongo::connect_to(&uri, Some(&database))
        .await
        .expect("a URI");
    let error = schema_ready(&mongo).await.expect_err("not ready");
    assert_eq!(error.to_string(), "the database is not migrated yet");
}

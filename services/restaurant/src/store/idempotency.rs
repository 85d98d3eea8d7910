//! Answers of POSTs by `Idempotency-Key`, one document per key; a TTL index forgets them.
//!
//! The claim is the insertion of a unique id. A claim whose process died lapses after a minute and
//! goes to the one who replaces it while it still is the lapsed one.

use std::time::Duration;

use async_trait::async_trait;
use mongodb::Collection;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, DateTime, doc};
use quickbite_auth::Clock;
use quickbite_http::Problem;
use quickbite_http::idempotency::{Begin, IdempotencyStore, Scope, StoredResponse};
use serde::{Deserialize, Serialize};

use super::call::{MAX_TIME, bounded};
use super::document::date;
use super::{Mongo, StoreError, collection};

const KEPT: Duration = Duration::from_secs(24 * 3600);
const CLAIM: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Key {
    #[serde(rename = "_id")]
    id: String,
    fingerprint: Binary,
    lapses_at: DateTime,
    expires_at: DateTime,
    answer: Option<AnswerDocument>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct AnswerDocument {
    status: i32,
    headers: Vec<(String, String)>,
    body: Binary,
}

/// Idempotency keys in MongoDB.
#[derive(Debug, Clone)]
pub struct MongoIdempotency {
    keys: Collection<Key>,
    clock: Clock,
}

impl MongoIdempotency {
    /// The keys of this database.
    #[must_use]
    pub fn new(mongo: &Mongo, clock: Clock) -> Self {
        Self {
            keys: mongo.collection(collection::IDEMPOTENCY),
            clock,
        }
    }

    async fn claim(&self, key: Key) -> Result<Begin, StoreError> {
        let (keys, now) = (self.keys.clone(), date(self.clock.now()));
        bounded(async move {
            // Between an insertion that failed and the look at why, the other may be gone: once more.
            for _ in 0..3 {
                match keys.insert_one(&key).await.map_err(StoreError::from) {
                    Ok(_) => return Ok(Begin::Started),
                    Err(StoreError::Duplicate) => {}
                    Err(error) => return Err(error),
                }
                let known = keys
                    .find_one(doc! { "_id": &key.id })
                    .max_time(MAX_TIME)
                    .await?;
                let Some(known) = known else { continue };
                if known.fingerprint != key.fingerprint {
                    return Ok(Begin::Mismatch);
                }
                if let Some(answer) = known.answer {
                    return Ok(Begin::Replay(answer.try_into()?));
                }
                if known.lapses_at > now {
                    return Ok(Begin::InProgress);
                }
                let lapsed = doc! { "_id": &key.id, "lapsesAt": known.lapses_at, "answer": null };
                if keys.replace_one(lapsed, &key).await?.matched_count == 1 {
                    return Ok(Begin::Started);
                }
            }
            Ok(Begin::InProgress)
        })
        .await
    }
}

#[async_trait]
impl IdempotencyStore for MongoIdempotency {
    async fn begin(&self, scope: &Scope, fingerprint: &[u8; 32]) -> Result<Begin, Problem> {
        let now = self.clock.now();
        let key = Key {
            id: id(scope),
            fingerprint: binary(fingerprint.to_vec()),
            lapses_at: date(now + CLAIM),
            expires_at: date(now + KEPT),
            answer: None,
        };
        Ok(self.claim(key).await?)
    }

    async fn complete(&self, scope: &Scope, response: &StoredResponse) -> Result<(), Problem> {
        let StoredResponse {
            status,
            headers,
            body,
        } = response.clone();
        let answer = AnswerDocument {
            status: i32::from(status),
            headers,
            body: binary(body),
        };
        let answer = mongodb::bson::serialize_to_bson(&answer).map_err(Problem::internal)?;
        let (keys, id) = (self.keys.clone(), id(scope));
        let done = bounded(async move {
            keys.update_one(doc! { "_id": id }, doc! { "$set": { "answer": answer } })
                .await?;
            Ok(())
        });
        Ok(done.await?)
    }

    async fn abandon(&self, scope: &Scope) -> Result<(), Problem> {
        let (keys, id) = (self.keys.clone(), id(scope));
        let gone = bounded(async move {
            keys.delete_one(doc! { "_id": id, "answer": null }).await?;
            Ok(())
        });
        Ok(gone.await?)
    }
}

impl TryFrom<AnswerDocument> for StoredResponse {
    type Error = StoreError;

    fn try_from(answer: AnswerDocument) -> Result<Self, StoreError> {
        let AnswerDocument {
            status,
            headers,
            body,
        } = answer;
        let status = u16::try_from(status)
            .map_err(|_| StoreError::Corrupt(format!("{status} is no HTTP status")))?;
        Ok(Self {
            status,
            headers,
            body: body.bytes,
        })
    }
}

/// Neither a caller nor an operation has a space beyond the one between method and path.
fn id(scope: &Scope) -> String {
    let Scope {
        caller,
        operation,
        key,
    } = scope;
    format!("{caller} {operation} {key}")
}

fn binary(bytes: Vec<u8>) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes,
    }
}

//! Where online drivers are, in Redis GEO: the fast answer to "who is near".
//!
//! A derived index: it is rebuilt from PostgreSQL on start, when Redis comes back and every minute, and a marker key
//! says whether it was ever built. Without the marker (Redis was flushed or restarted) an answer would look complete
//! and be empty, so there is none, and PostgreSQL is asked instead. What it returns is only ever a proposal: the
//! offer is made in PostgreSQL.

use std::time::Duration;

use quickbite_resilience::{Redis, RedisAway};
use redis::{Pipeline, Value, cmd, pipe};
use uuid::Uuid;

use crate::domain::dispatch::Candidate;
use crate::domain::geo::GeoPoint;
use crate::domain::position::LivePosition;

const BOUND: Duration = Duration::from_millis(200);
const REBUILD_BOUND: Duration = Duration::from_secs(1);
/// The projection's limit: Redis refuses points nearer to a pole.
const MAX_LATITUDE: f64 = 85.051_128_78;
const MARKER_TTL_SECONDS: u64 = 300;

/// What the index says.
#[derive(Clone, Debug, PartialEq)]
pub enum IndexAnswer {
    /// These drivers, nearest first.
    Near(Vec<Uuid>),
    /// It cannot tell: Redis is away, or the index has to be rebuilt.
    Unknown,
}

/// The GEO index and the live channel.
#[derive(Clone, Debug)]
pub struct DriverIndex {
    redis: Redis,
    prefix: String,
}

impl DriverIndex {
    /// The index behind `redis`. `prefix` is empty in production; tests put their own before every key.
    pub fn new(redis: Redis, prefix: impl Into<String>) -> Self {
        Self {
            redis,
            prefix: prefix.into(),
        }
    }

    fn key(&self) -> String {
        format!("{}drivers:geo", self.prefix)
    }

    fn marker(&self) -> String {
        format!("{}drivers:geo:built", self.prefix)
    }

    /// The connection, for health and to hear of its return.
    pub fn redis(&self) -> &Redis {
        &self.redis
    }

    /// Notes where an online driver is.
    pub async fn put(&self, candidate: Candidate) -> Result<(), RedisAway> {
        self.put_all(&[candidate]).await
    }

    /// Forgets a driver who went offline.
    pub async fn remove(&self, driver_id: Uuid) -> Result<(), RedisAway> {
        self.redis
            .command(
                BOUND,
                cmd("ZREM").arg(self.key()).arg(driver_id.to_string()),
            )
            .await
    }

    /// Up to `limit` drivers within `radius_m` metres of `center`.
    pub async fn near(&self, center: GeoPoint, radius_m: f64, limit: usize) -> IndexAnswer {
        if center.lat().abs() > MAX_LATITUDE {
            return IndexAnswer::Unknown;
        }
        let mut pipeline = pipe();
        pipeline.cmd("EXISTS").arg(self.marker());
        pipeline
            .cmd("GEOSEARCH")
            .arg(self.key())
            .arg("FROMLONLAT")
            .arg(center.lng())
            .arg(center.lat())
            .arg("BYRADIUS")
            .arg(radius_m)
            .arg("m")
            .arg("ASC")
            .arg("COUNT")
            .arg(limit);
        match self
            .redis
            .pipeline::<(bool, Vec<String>)>(BOUND, &pipeline)
            .await
        {
            Ok((true, members)) => IndexAnswer::Near(
                members
                    .iter()
                    .filter_map(|member| member.parse().ok())
                    .collect(),
            ),
            Ok((false, _)) => IndexAnswer::Unknown,
            Err(error) => {
                tracing::debug!(%error, "the driver index has no answer");
                IndexAnswer::Unknown
            }
        }
    }

    /// Adds a page of online drivers.
    pub async fn put_all(&self, page: &[Candidate]) -> Result<(), RedisAway> {
        let mut pipeline = pipe();
        for candidate in page {
            self.add(&mut pipeline, *candidate);
        }
        // The driver waits for ever for the answers of no command.
        if pipeline.is_empty() {
            return Ok(());
        }
        self.redis.pipeline(REBUILD_BOUND, &pipeline).await
    }

    /// Says that the index is complete now, for the next minutes.
    pub async fn mark_built(&self) -> Result<(), RedisAway> {
        let command = cmd("SET")
            .arg(self.marker())
            .arg(1)
            .arg("EX")
            .arg(MARKER_TTL_SECONDS)
            .to_owned();
        self.redis.command(BOUND, &command).await
    }

    /// Says that the index misses something: PostgreSQL answers until it is rebuilt.
    pub async fn mark_stale(&self) -> Result<(), RedisAway> {
        self.redis
            .command(BOUND, cmd("DEL").arg(self.marker()))
            .await
    }

    /// Publishes a position to whoever watches the order. Lost when nobody does: the next one comes soon.
    pub async fn publish(&self, positions: &[LivePosition]) -> Result<(), RedisAway> {
        let mut pipeline = pipe();
        for position in positions {
            let channel = format!("{}positions:{}", self.prefix, position.order_id);
            let body = serde_json::json!(position).to_string();
            pipeline.cmd("PUBLISH").arg(channel).arg(body);
        }
        self.redis
            .pipeline::<Value>(BOUND, &pipeline)
            .await
            .map(drop)
    }

    fn add(
        &self,
        pipeline: &mut Pipeline,
        Candidate {
            driver_id,
            location,
        }: Candidate,
    ) {
        if location.lat().abs() <= MAX_LATITUDE {
            pipeline
                .cmd("GEOADD")
                .arg(self.key())
                .arg(location.lng())
                .arg(location.lat())
                .arg(driver_id.to_string())
                .ignore();
        }
    }
}

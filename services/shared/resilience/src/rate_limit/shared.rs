//! The counter in Redis: one script call for a taking, one for a giving back.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;

use super::Draw;
use super::window::{Buckets, Quota, Reading};
use crate::redis_link::{Redis, RedisAway};

/// Share of the remaining quota that one lease takes.
const LEASE_PERCENT: &str = "5";

pub(super) struct SharedCounter {
    redis: Redis,
    prefix: String,
    bound: Duration,
}

static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local limit, window, percent = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local index = math.floor(now / window)
local elapsed = now - index * window
local known = redis.call('HMGET', KEYS[1], 'i', 'c', 'p')
local at, current, previous = tonumber(known[1]) or index, tonumber(known[2]) or 0, tonumber(known[3]) or 0
if at > index then index, elapsed = at, 0
elseif at == index - 1 then previous, current = current, 0
elseif at < index then previous, current = 0, 0 end
local left = limit - current - math.ceil(previous * (window - elapsed) / window)
local granted = 0
if left > 0 then
  granted = math.max(1, math.floor(left * percent / 100))
  current = current + granted
  redis.call('HSET', KEYS[1], 'i', index, 'c', current, 'p', previous)
  redis.call('PEXPIRE', KEYS[1], 2 * window)
end
return {granted, index, current, previous, elapsed}",
    )
});

static GIVE_BACK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local index = tonumber(ARGV[1])
local at = tonumber(redis.call('HGET', KEYS[1], 'i'))
if not at then return 0 end
local field = (at == index and 'c') or (at == index + 1 and 'p')
if not field or tonumber(redis.call('HGET', KEYS[1], field)) < 1 then return 0 end
return redis.call('HINCRBY', KEYS[1], field, -1)",
    )
});

impl SharedCounter {
    pub(super) fn new(redis: Redis, prefix: &str, bound: Duration) -> Self {
        Self {
            redis,
            prefix: prefix.to_owned(),
            bound,
        }
    }

    pub(super) async fn take(
        &self,
        quota: Quota,
        key: &str,
        draw: Draw,
    ) -> Result<Reading, RedisAway> {
        let percent = match draw {
            Draw::Single => "0",
            Draw::Lease => LEASE_PERCENT,
        };
        let (limit, window) = (quota.limit.to_string(), quota.window_ms().to_string());
        let (granted, index, current, previous, elapsed): (u32, u64, u64, u64, u64) = self
            .redis
            .script(
                self.bound,
                &TAKE,
                &[&self.key(key)],
                &[&limit, &window, percent],
            )
            .await?;
        let buckets = Buckets {
            index,
            current,
            previous,
        };
        Ok(buckets.reading(quota, granted, elapsed))
    }

    pub(super) async fn give_back(&self, key: &str, bucket: u64) -> Result<(), RedisAway> {
        let _: i64 = self
            .redis
            .script(
                self.bound,
                &GIVE_BACK,
                &[&self.key(key)],
                &[&bucket.to_string()],
            )
            .await?;
        Ok(())
    }

    /// Hash-tagged, so that a cluster would keep a key's parts together.
    fn key(&self, key: &str) -> String {
        format!("{}:{{{key}}}", self.prefix)
    }
}

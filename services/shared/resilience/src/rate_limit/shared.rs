//! The counter in Redis: one script call for a taking, one for a giving back.
//!
//! The window's length is part of the key: buckets of another length count other spans, so that a
//! changed window starts a counter of its own.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;

use super::lease::Unspent;
use super::window::{Buckets, Quota, Reading};
use crate::redis_link::{Redis, RedisAway};

/// A lease is at most this part of what is left, so that what two other replicas hold unspent is at
/// most half a percent of the limit.
const LEASE_PART: &str = "400";

pub(super) struct SharedCounter {
    redis: Redis,
    prefix: String,
    bound: Duration,
}

static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local limit, window, want, part = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
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
  granted = math.max(1, math.min(want, math.floor(left / part)))
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
local index, amount = tonumber(ARGV[1]), tonumber(ARGV[2])
local at = tonumber(redis.call('HGET', KEYS[1], 'i'))
if not at then return 0 end
local field = (at == index and 'c') or (at == index + 1 and 'p')
if not field then return 0 end
amount = math.min(amount, tonumber(redis.call('HGET', KEYS[1], field)))
return redis.call('HINCRBY', KEYS[1], field, -amount)",
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

    /// Takes up to `want`, at least one while there is any left.
    pub(super) async fn take(
        &self,
        quota: Quota,
        key: &str,
        want: u32,
    ) -> Result<Reading, RedisAway> {
        let want = want.to_string();
        let (limit, window) = (quota.limit.to_string(), quota.window_ms().to_string());
        let (granted, index, current, previous, elapsed): (u32, u64, u64, u64, u64) = self
            .redis
            .script(
                self.bound,
                &TAKE,
                &[&self.key(key, quota)],
                &[&limit, &window, &want, LEASE_PART],
            )
            .await?;
        let buckets = Buckets {
            index,
            current,
            previous,
        };
        Ok(buckets.reading(quota, granted, elapsed))
    }

    pub(super) async fn give_back(&self, unspent: &Unspent) -> Result<(), RedisAway> {
        let Unspent {
            key,
            quota,
            bucket,
            amount,
        } = unspent;
        let _: i64 = self
            .redis
            .script(
                self.bound,
                &GIVE_BACK,
                &[&self.key(key, *quota)],
                &[&bucket.to_string(), &amount.to_string()],
            )
            .await?;
        Ok(())
    }

    /// Hash-tagged, so that a cluster would keep a key's parts together.
    fn key(&self, key: &str, quota: Quota) -> String {
        format!("{}:{{{key}}}:{}", self.prefix, quota.window_ms())
    }
}

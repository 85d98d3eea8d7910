//! The Redis side of the cache: four calls, each bounded, none of them a scan.
//!
//! The generation of a key lives beside it under `<name>#gen`, a refresh lock under `<key>#lock`.
//! A generation is the server's time in microseconds, never a counter from zero: a generation that
//! was evicted and is made anew cannot come back to an old value.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;

use super::entry::Entry;
use super::{CacheKey, Group};
use crate::redis_link::{Redis, RedisAway};

/// Past this the database is the quicker answer.
pub(super) const BOUND: Duration = Duration::from_millis(50);
/// How long one replica may hold the right to refresh a key.
pub(super) const LOCK: Duration = Duration::from_secs(3);
/// Own generations must outlive every value that was stored under an older one.
const OWN_GENERATION_TTL_MS: &str = "86400000";

/// Where a key, its generation and its lock are.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) key: String,
    generation_key: String,
    lock_key: String,
    shared: bool,
}

impl Place {
    pub(super) fn of<K: CacheKey>(key: &K) -> Self {
        let name = key.key();
        let (generation_key, shared) = match key.group() {
            Group::Own => (generation_key(&name), false),
            Group::Named(group) => (generation_key(group), true),
        };
        Self {
            lock_key: format!("{name}#lock"),
            generation_key,
            shared,
            key: name,
        }
    }
}

fn generation_key(name: &str) -> String {
    format!("{name}#gen")
}

/// What is there: the current generation ("" when none was ever set) and the value.
pub(super) struct Found {
    pub(super) generation: String,
    pub(super) entry: Option<Entry>,
}

pub(super) async fn read(
    redis: &Redis,
    place: &Place,
    bound: Duration,
) -> Result<Found, RedisAway> {
    let mut mget = redis::cmd("MGET");
    mget.arg(&place.generation_key).arg(&place.key);
    let (generation, text): (Option<String>, Option<String>) = redis.command(bound, &mget).await?;
    Ok(Found {
        generation: generation.unwrap_or_default(),
        entry: text.as_deref().and_then(Entry::parse),
    })
}

/// True for the one replica that is to load. The token fences the store that follows.
pub(super) async fn lock(redis: &Redis, place: &Place, token: &str) -> Result<bool, RedisAway> {
    let mut set = redis::cmd("SET");
    set.arg(&place.lock_key)
        .arg(token)
        .arg("NX")
        .arg("PX")
        .arg(LOCK.as_millis() as u64);
    let answer: Option<String> = redis.command(BOUND, &set).await?;
    Ok(answer.is_some())
}

static STORE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local value, gen, lock = KEYS[1], KEYS[2], KEYS[3]
local token, seen, ttl, tail, shared = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if redis.call('GET', lock) ~= token then return 0 end
redis.call('DEL', lock)
local now = redis.call('GET', gen) or ''
if now ~= seen then return 0 end
if now == '' and shared == '1' then
  local time = redis.call('TIME')
  now = string.format('%d%06d', time[1], time[2])
  redis.call('SET', gen, now)
end
redis.call('SET', value, now .. '|' .. tail, 'PX', ttl)
return 1",
    )
});

/// Stores `tail` if the lock is still ours and the generation still the one that was read before
/// loading; gives the lock back either way.
pub(super) async fn store(
    redis: &Redis,
    place: &Place,
    token: &str,
    generation: &str,
    hard_ttl: Duration,
    tail: &str,
) -> Result<bool, RedisAway> {
    let ttl = hard_ttl.as_millis().max(1).to_string();
    let stored: u8 = redis
        .script(
            BOUND,
            &STORE,
            &[&place.key, &place.generation_key, &place.lock_key],
            &[
                token,
                generation,
                &ttl,
                tail,
                if place.shared { "1" } else { "0" },
            ],
        )
        .await?;
    Ok(stored == 1)
}

static UNLOCK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0",
    )
});

/// Gives the lock back after a load that failed, so that the next reader need not wait it out.
pub(super) async fn unlock(redis: &Redis, place: &Place, token: &str) {
    let _: Result<u8, _> = redis
        .script(BOUND, &UNLOCK, &[&place.lock_key], &[token])
        .await;
}

static INVALIDATE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local groups = tonumber(ARGV[1])
local time = redis.call('TIME')
for i = 1, #KEYS do
  local now = string.format('%d%06d', time[1], time[2])
  local old = redis.call('GET', KEYS[i])
  if old and old >= now then now = string.format('%.0f', tonumber(old) + 1) end
  if i <= groups then
    redis.call('SET', KEYS[i], now)
  else
    redis.call('SET', KEYS[i], now, 'PX', ARGV[2])
    redis.call('UNLINK', (string.gsub(KEYS[i], '#gen$', '')))
  end
end
return #KEYS",
    )
});

/// Moves the generations of `groups` and `keys` on and drops the values of `keys`.
pub(super) async fn invalidate(
    redis: &Redis,
    groups: &BTreeSet<String>,
    keys: &BTreeSet<String>,
    bound: Duration,
) -> Result<(), RedisAway> {
    let names: Vec<String> = groups
        .iter()
        .chain(keys)
        .map(|n| generation_key(n))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let count = groups.len().to_string();
    let _: u64 = redis
        .script(bound, &INVALIDATE, &names, &[&count, OWN_GENERATION_TTL_MS])
        .await?;
    Ok(())
}

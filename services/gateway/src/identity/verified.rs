//! Access tokens that were verified already, by the hash of their text.
//!
//! An Ed25519 verification costs some fifty microseconds, a hash less than one. A hit is still held
//! against the token's own end, and a change of the keys forgets everything.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use moka::future::Cache;
use quickbite_auth::{AccessTokens, Clock, Identity, Jwks};
use sha2::{Digest, Sha256};

const CAPACITY: u64 = 50_000;
const FORGET_UNUSED: Duration = Duration::from_secs(600);
const READ_CLOCK_EVERY: Duration = Duration::from_secs(5);
/// Longer than any token of ours; a text of a megabyte is not worth hashing.
const LONGEST_TOKEN: usize = 8 * 1024;

pub(crate) struct Verifier {
    issuer: String,
    audience: String,
    clock: Clock,
    keys: RwLock<Arc<Keys>>,
}

/// The cache goes with the keys, so that a result of old keys cannot land in the new cache.
struct Keys {
    tokens: AccessTokens,
    known: Cache<[u8; 32], VerifiedToken>,
}

/// A good token: whom it speaks for, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VerifiedToken {
    pub(crate) identity: Identity,
    /// Unix seconds; from this second on it is no longer good.
    until: i64,
}

impl Verifier {
    pub(crate) fn new(keys: Jwks, issuer: &str, audience: &str, clock: Clock) -> Self {
        let tokens = AccessTokens::verifier(keys, issuer, audience, clock.clone());
        Self {
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            clock,
            keys: RwLock::new(Arc::new(Keys::new(tokens))),
        }
    }

    pub(crate) fn replace(&self, keys: Jwks) {
        let (issuer, audience) = (self.issuer.clone(), self.audience.clone());
        let tokens = AccessTokens::verifier(keys, issuer, audience, self.clock.clone());
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Keys::new(tokens));
    }

    /// The token, if it is good now. The leeway that services have for each other's clocks is not
    /// given here: a token that has run out must not pass once more because nobody has seen it yet.
    pub(crate) async fn verify(&self, token: &str) -> Option<VerifiedToken> {
        if token.len() > LONGEST_TOKEN {
            return None;
        }
        let keys = Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner));
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(known) = keys.known.get(&hash).await {
            return self.is_current(known).then_some(known);
        }
        let claims = keys.tokens.verify(token).ok()?;
        let known = VerifiedToken {
            identity: claims.identity(),
            until: claims.exp,
        };
        if !self.is_current(known) {
            return None;
        }
        keys.known.insert(hash, known).await;
        Some(known)
    }

    fn is_current(&self, token: VerifiedToken) -> bool {
        self.clock.now().as_second() < token.until
    }

    /// Resolves at the token's end. The calendar is read again every few seconds: it may be set
    /// while a stream is open.
    pub(crate) fn expired(&self, token: VerifiedToken) -> impl Future<Output = ()> + Send + use<> {
        let clock = self.clock.clone();
        async move {
            loop {
                let left_ms = token.until.saturating_mul(1000) - clock.now().as_millisecond();
                let Ok(left_ms @ 1..) = u64::try_from(left_ms) else {
                    return;
                };
                tokio::time::sleep(Duration::from_millis(left_ms).min(READ_CLOCK_EVERY)).await;
            }
        }
    }
}

impl Keys {
    fn new(tokens: AccessTokens) -> Self {
        let known = Cache::builder()
            .max_capacity(CAPACITY)
            .time_to_idle(FORGET_UNUSED)
            .build();
        Self { tokens, known }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use jiff::Timestamp;
    use quickbite_auth::{Role, SigningKey, SigningKeys};
    use uuid::Uuid;

    use super::*;

    struct Fixture {
        second: Arc<AtomicI64>,
        tokens: AccessTokens,
        verifier: Verifier,
    }

    fn fixture() -> Fixture {
        let second = Arc::new(AtomicI64::new(1_800_000_000));
        let clock = Clock::from_fn({
            let second = Arc::clone(&second);
            move || Timestamp::from_second(second.load(Ordering::SeqCst)).unwrap()
        });
        let key = SigningKey::generate(Timestamp::UNIX_EPOCH).unwrap();
        let keys = SigningKeys::new(&[key]).unwrap();
        let verifier = Verifier::new(keys.public_jwks(), "quickbite", "quickbite", clock.clone());
        let tokens = AccessTokens::new(keys, "quickbite", "quickbite", clock);
        Fixture {
            second,
            tokens,
            verifier,
        }
    }

    impl Fixture {
        fn token(&self) -> String {
            let (user, session) = (Uuid::now_v7(), Uuid::now_v7());
            self.tokens
                .issue(user, Role::Customer, session, Duration::from_secs(60))
                .unwrap()
        }
    }

    #[tokio::test]
    async fn a_remembered_token_ends_when_it_says() {
        let f = fixture();
        let token = f.token();
        assert!(f.verifier.verify(&token).await.is_some());
        f.second.fetch_add(60, Ordering::SeqCst);
        assert!(f.verifier.verify(&token).await.is_none());
    }

    #[tokio::test]
    async fn a_token_that_ran_out_before_it_was_ever_seen_is_not_good_once() {
        let f = fixture();
        let token = f.token();
        f.second.fetch_add(60, Ordering::SeqCst);
        assert!(f.verifier.verify(&token).await.is_none());
    }

    #[tokio::test]
    async fn other_keys_forget_what_the_old_ones_verified() {
        let f = fixture();
        let token = f.token();
        assert!(f.verifier.verify(&token).await.is_some());
        let other = SigningKey::generate(Timestamp::UNIX_EPOCH).unwrap();
        let other = SigningKeys::new(&[other]).unwrap();
        f.verifier.replace(other.public_jwks());
        assert!(f.verifier.verify(&token).await.is_none());
    }

    #[tokio::test]
    async fn a_changed_letter_is_no_longer_the_token() {
        let f = fixture();
        let token = f.token();
        f.verifier.verify(&token).await;
        let forged = format!("{}A", &token[..token.len() - 1]);
        assert!(forged == token || f.verifier.verify(&forged).await.is_none());
    }
}

//! Internal tokens: what the gateway shows to a service instead of the client's token.
//!
//! A service accepts nothing else, so a pod that goes round the gateway gets 401. They live thirty
//! seconds and name one service: one that leaks is worth little.

use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Clock;
use crate::identity::{Identity, Role};
use crate::jwks::Jwks;
use crate::signing_keys::SigningKeys;
use crate::token::{self, KeyError, Timed, TokenError};

/// The `iss` of every internal token.
pub const INTERNAL_ISSUER: &str = "quickbite-gateway";

/// How long an internal token lives, in seconds.
pub const INTERNAL_TTL_SECONDS: i64 = 30;

/// The `sub` of a caller without an account.
const ANONYMOUS: &str = "anonymous";

#[derive(Debug, Clone, Serialize, Deserialize)]
struct InternalClaims {
    iss: String,
    aud: String,
    sub: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<Uuid>,
    iat: i64,
    nbf: i64,
    exp: i64,
}

impl Timed for InternalClaims {
    fn expires_at(&self) -> i64 {
        self.exp
    }
    fn not_before(&self) -> i64 {
        self.nbf
    }
}

impl InternalClaims {
    fn caller(&self) -> Result<Option<Identity>, TokenError> {
        match (self.sub.as_str(), self.role) {
            (ANONYMOUS, None) => Ok(None),
            (user, Some(role)) => {
                let user_id = Uuid::parse_str(user).map_err(|_| TokenError::Malformed)?;
                Ok(Some(Identity {
                    user_id,
                    role,
                    session: self.sid,
                }))
            }
            _ => Err(TokenError::Malformed),
        }
    }
}

/// The gateway's side.
#[derive(Debug, Clone)]
pub struct InternalIssuer {
    keys: SigningKeys,
    clock: Clock,
}

impl InternalIssuer {
    /// Signs with the first of `keys`.
    #[must_use]
    pub fn new(keys: SigningKeys, clock: Clock) -> Self {
        Self { keys, clock }
    }

    /// A token for one call on behalf of `caller` (`None`: anonymous) to `audience`
    /// (`quickbite-<service>`), valid for [`INTERNAL_TTL_SECONDS`].
    ///
    /// # Errors
    /// [`KeyError::Signing`].
    pub fn mint(&self, caller: Option<&Identity>, audience: &str) -> Result<String, KeyError> {
        let now = self.clock.now().as_second();
        self.keys.sign(&InternalClaims {
            iss: INTERNAL_ISSUER.to_owned(),
            aud: audience.to_owned(),
            sub: caller.map_or_else(|| ANONYMOUS.to_owned(), |caller| caller.user_id.to_string()),
            role: caller.map(|caller| caller.role),
            sid: caller.and_then(|caller| caller.session),
            iat: now,
            nbf: now,
            exp: now + INTERNAL_TTL_SECONDS,
        })
    }

    /// The public keys that verify these tokens.
    #[must_use]
    pub fn public_jwks(&self) -> Jwks {
        self.keys.public_jwks()
    }
}

/// A service's side. Clones share their keys, so that a rotation reaches every one.
#[derive(Debug, Clone)]
pub struct InternalVerifier {
    keys: Arc<RwLock<Arc<Jwks>>>,
    audience: Arc<str>,
    clock: Clock,
}

impl InternalVerifier {
    /// Accepts tokens for `audience` (`quickbite-<service>`).
    #[must_use]
    pub fn new(keys: Jwks, audience: impl AsRef<str>, clock: Clock) -> Self {
        Self {
            keys: Arc::new(RwLock::new(Arc::new(keys))),
            audience: audience.as_ref().into(),
            clock,
        }
    }

    /// The caller that a token speaks for; `Ok(None)` is an anonymous one.
    ///
    /// # Errors
    /// [`TokenError`] says why the token is not accepted.
    pub fn verify(&self, token: &str) -> Result<Option<Identity>, TokenError> {
        let keys = Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner));
        let kid = token::kid_of(token)?;
        let key = keys.find(&kid)?;
        let claims: InternalClaims = token::verify(
            token,
            key,
            INTERNAL_ISSUER,
            &self.audience,
            self.clock.now(),
        )?;
        claims.caller()
    }

    /// Takes new keys, after a rotation.
    pub fn replace_keys(&self, keys: Jwks) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::access::AccessTokens;
    use crate::signing_keys::SigningKey;

    fn at(second: i64) -> Clock {
        Clock::fixed(Timestamp::from_second(1_800_000_000 + second).unwrap())
    }

    fn keys() -> SigningKeys {
        SigningKeys::new(&[SigningKey::generate(Timestamp::UNIX_EPOCH).unwrap()]).unwrap()
    }

    fn verifier(keys: &SigningKeys, second: i64) -> InternalVerifier {
        InternalVerifier::new(keys.public_jwks(), "quickbite-order", at(second))
    }

    fn someone() -> Identity {
        Identity {
            user_id: Uuid::now_v7(),
            role: Role::Customer,
            session: Some(Uuid::now_v7()),
        }
    }

    #[test]
    fn the_service_sees_the_caller_that_the_gateway_named() {
        let keys = keys();
        let caller = someone();
        let token = InternalIssuer::new(keys.clone(), at(0))
            .mint(Some(&caller), "quickbite-order")
            .unwrap();
        assert_eq!(verifier(&keys, 5).verify(&token), Ok(Some(caller)));
    }

    #[test]
    fn an_anonymous_call_is_valid_and_names_nobody() {
        let keys = keys();
        let token = InternalIssuer::new(keys.clone(), at(0))
            .mint(None, "quickbite-order")
            .unwrap();
        assert_eq!(verifier(&keys, 0).verify(&token), Ok(None));
    }

    #[test]
    fn a_token_for_one_service_does_not_open_another() {
        let keys = keys();
        let token = InternalIssuer::new(keys.clone(), at(0))
            .mint(None, "quickbite-user")
            .unwrap();
        assert_eq!(
            verifier(&keys, 0).verify(&token),
            Err(TokenError::WrongAudience)
        );
    }

    #[test]
    fn a_token_is_worth_nothing_after_its_thirty_seconds() {
        let keys = keys();
        let token = InternalIssuer::new(keys.clone(), at(0))
            .mint(None, "quickbite-order")
            .unwrap();
        assert_eq!(verifier(&keys, 40).verify(&token), Err(TokenError::Expired));
    }

    #[test]
    fn a_clients_access_token_is_no_internal_token() {
        let keys = keys();
        let access = AccessTokens::new(keys.clone(), "quickbite", "quickbite-order", at(0));
        let ttl = std::time::Duration::from_secs(60);
        let token = access
            .issue(Uuid::now_v7(), Role::Admin, Uuid::now_v7(), ttl)
            .unwrap();
        assert_eq!(
            verifier(&keys, 0).verify(&token),
            Err(TokenError::WrongIssuer)
        );
    }

    #[test]
    fn every_clone_follows_a_rotation() {
        let (old, new) = (keys(), keys());
        let verifier = verifier(&old, 0);
        let clone = verifier.clone();
        let token = InternalIssuer::new(new.clone(), at(0))
            .mint(None, "quickbite-order")
            .unwrap();
        assert_eq!(clone.verify(&token), Err(TokenError::UnknownKey));
        verifier.replace_keys(new.public_jwks());
        assert_eq!(clone.verify(&token), Ok(None));
    }
}

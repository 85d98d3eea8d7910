//! Access tokens: what a client shows to the gateway.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Clock;
use crate::identity::{Identity, Role};
use crate::jwks::Jwks;
use crate::signing_keys::SigningKeys;
use crate::token::{self, KeyError, Timed, TokenError};

/// The claims of an access token. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Who issued it.
    pub iss: String,
    /// For whom.
    pub aud: String,
    /// The user.
    pub sub: Uuid,
    /// What the user may do.
    pub role: Role,
    /// This token.
    pub jti: Uuid,
    /// The refresh family that it belongs to; revoking the family revokes the token.
    pub sid: Uuid,
    /// Issued at.
    pub iat: i64,
    /// Not valid before.
    pub nbf: i64,
    /// Not valid from then on.
    pub exp: i64,
}

impl AccessClaims {
    /// The caller that the token speaks for.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            user_id: self.sub,
            role: self.role,
            session: Some(self.sid),
        }
    }
}

impl Timed for AccessClaims {
    fn expires_at(&self) -> i64 {
        self.exp
    }
    fn not_before(&self) -> i64 {
        self.nbf
    }
}

/// Issues and verifies access tokens of one issuer and audience.
#[derive(Debug, Clone)]
pub struct AccessTokens {
    issuer: String,
    audience: String,
    signing: Option<SigningKeys>,
    public: Jwks,
    clock: Clock,
}

impl AccessTokens {
    /// Issues and verifies.
    #[must_use]
    pub fn new(
        keys: SigningKeys,
        issuer: impl Into<String>,
        audience: impl Into<String>,
        clock: Clock,
    ) -> Self {
        let public = keys.public_jwks();
        Self {
            signing: Some(keys),
            ..Self::verifier(public, issuer, audience, clock)
        }
    }

    /// Only verifies.
    #[must_use]
    pub fn verifier(
        public: Jwks,
        issuer: impl Into<String>,
        audience: impl Into<String>,
        clock: Clock,
    ) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            signing: None,
            public,
            clock,
        }
    }

    /// A token for `user` in the refresh family `session`, valid for `ttl` from now.
    ///
    /// # Errors
    /// [`KeyError::VerifyOnly`] without signing keys.
    pub fn issue(
        &self,
        user: Uuid,
        role: Role,
        session: Uuid,
        ttl: Duration,
    ) -> Result<String, KeyError> {
        let keys = self.signing.as_ref().ok_or(KeyError::VerifyOnly)?;
        let now = self.clock.now().as_second();
        let ttl = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
        keys.sign(&AccessClaims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: user,
            role,
            jti: Uuid::now_v7(),
            sid: session,
            iat: now,
            nbf: now,
            exp: now.saturating_add(ttl),
        })
    }

    /// The claims of a token that is valid now.
    ///
    /// # Errors
    /// [`TokenError`] says why not.
    pub fn verify(&self, token: &str) -> Result<AccessClaims, TokenError> {
        let kid = token::kid_of(token)?;
        let key = self.public.find(&kid)?;
        token::verify(token, key, &self.issuer, &self.audience, self.clock.now())
    }

    /// The public keys that verify these tokens.
    #[must_use]
    pub fn public_jwks(&self) -> &Jwks {
        &self.public
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jiff::Timestamp;

    use super::*;
    use crate::signing_keys::SigningKey;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(second: i64) -> Clock {
        Clock::fixed(Timestamp::from_second(1_800_000_000 + second).unwrap())
    }

    fn key() -> SigningKey {
        SigningKey::generate(Timestamp::UNIX_EPOCH).unwrap()
    }

    fn tokens_of(keys: &[SigningKey], second: i64) -> AccessTokens {
        AccessTokens::new(
            SigningKeys::new(keys).unwrap(),
            "quickbite",
            "quickbite",
            at(second),
        )
    }

    fn issue(tokens: &AccessTokens) -> String {
        tokens
            .issue(Uuid::now_v7(), Role::Driver, Uuid::now_v7(), HOUR)
            .unwrap()
    }

    #[test]
    fn an_issued_token_verifies_to_the_same_identity() {
        let tokens = tokens_of(&[key()], 0);
        let (user, session) = (Uuid::now_v7(), Uuid::now_v7());
        let token = tokens
            .issue(user, Role::RestaurantOwner, session, HOUR)
            .unwrap();
        let identity = tokens.verify(&token).unwrap().identity();
        assert_eq!(
            identity,
            Identity {
                user_id: user,
                role: Role::RestaurantOwner,
                session: Some(session)
            }
        );
    }

    #[test]
    fn a_token_lives_until_its_end_and_the_leeway_and_not_a_second_longer() {
        let keys = [key()];
        let token = issue(&tokens_of(&keys, 0));
        assert!(tokens_of(&keys, 3600 + 9).verify(&token).is_ok());
        assert_eq!(
            tokens_of(&keys, 3600 + 10).verify(&token),
            Err(TokenError::Expired)
        );
    }

    #[test]
    fn a_token_from_the_future_is_not_yet_valid() {
        let keys = [key()];
        let token = issue(&tokens_of(&keys, 11));
        assert_eq!(
            tokens_of(&keys, 0).verify(&token),
            Err(TokenError::NotYetValid)
        );
        assert!(tokens_of(&keys, 1).verify(&token).is_ok());
    }

    #[test]
    fn tokens_of_another_issuer_or_audience_are_refused() {
        let keys = [key()];
        let token = issue(&tokens_of(&keys, 0));
        let set = || SigningKeys::new(&keys).unwrap();
        let other_issuer = AccessTokens::new(set(), "someone", "quickbite", at(0));
        let other_audience = AccessTokens::new(set(), "quickbite", "someone", at(0));
        assert_eq!(other_issuer.verify(&token), Err(TokenError::WrongIssuer));
        assert_eq!(
            other_audience.verify(&token),
            Err(TokenError::WrongAudience)
        );
    }

    #[test]
    fn a_key_that_is_not_in_the_set_is_unknown() {
        let token = issue(&tokens_of(&[key()], 0));
        assert_eq!(
            tokens_of(&[key()], 0).verify(&token),
            Err(TokenError::UnknownKey)
        );
    }

    #[test]
    fn after_a_rotation_tokens_of_the_previous_key_still_verify() {
        let (old, new) = (key(), key());
        let token = issue(&tokens_of(std::slice::from_ref(&old), 0));
        assert!(tokens_of(&[new, old], 0).verify(&token).is_ok());
    }

    #[test]
    fn a_key_that_only_borrows_a_known_kid_is_refused() {
        let honest = key();
        let mut forged = key();
        forged.kid.clone_from(&honest.kid);
        let token = issue(&tokens_of(&[forged], 0));
        assert_eq!(
            tokens_of(&[honest], 0).verify(&token),
            Err(TokenError::BadSignature)
        );
    }

    #[test]
    fn a_header_that_asks_for_another_algorithm_is_refused() {
        let keys = [key()];
        let tokens = tokens_of(&keys, 0);
        let token = issue(&tokens);
        let payload = token.split('.').nth(1).unwrap();
        for alg in ["none", "HS256", "RS256", "ES256"] {
            let header = format!(r#"{{"alg":"{alg}","typ":"JWT","kid":"{}"}}"#, keys[0].kid);
            let header = URL_SAFE_NO_PAD.encode(header);
            let signature = token.split('.').nth(2).unwrap();
            for forged in [
                format!("{header}.{payload}."),
                format!("{header}.{payload}.{signature}"),
            ] {
                assert_eq!(tokens.verify(&forged), Err(TokenError::Malformed), "{alg}");
            }
        }
    }

    #[test]
    fn a_changed_payload_is_refused() {
        let tokens = tokens_of(&[key()], 0);
        let token = issue(&tokens);
        let parts: Vec<_> = token.split('.').collect();
        let mut claims: serde_json::Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        claims["role"] = "admin".into();
        let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
        let forged = format!("{}.{payload}.{}", parts[0], parts[2]);
        assert_eq!(tokens.verify(&forged), Err(TokenError::BadSignature));
    }

    #[test]
    fn one_that_only_verifies_cannot_issue() {
        let public = SigningKeys::new(&[key()]).unwrap().public_jwks();
        let verifier = AccessTokens::verifier(public, "quickbite", "quickbite", at(0));
        let answer = verifier.issue(Uuid::now_v7(), Role::Admin, Uuid::now_v7(), HOUR);
        assert!(matches!(answer, Err(KeyError::VerifyOnly)));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_verification_panic_or_succeed(text in "\\PC{0,200}") {
            let tokens = tokens_of(&[key()], 0);
            proptest::prop_assert!(tokens.verify(&text).is_err());
        }
    }
}

//! What signing and verifying share: one algorithm, one way to check claims, one set of errors.

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Clocks of two machines may differ by this much, in seconds.
pub(crate) const LEEWAY_SECONDS: i64 = 10;

/// Why a token is not accepted. Never shown to a caller in detail: it would help a forger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// No JWT, another algorithm, or claims that are missing or of the wrong type.
    #[error("not a token of this platform")]
    Malformed,
    /// The header names no key, or one that is not in the key set.
    #[error("signed by an unknown key")]
    UnknownKey,
    /// The signature is wrong.
    #[error("the signature does not fit")]
    BadSignature,
    /// Issued by somebody else.
    #[error("another issuer")]
    WrongIssuer,
    /// Meant for somebody else.
    #[error("another audience")]
    WrongAudience,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// Its time has not come.
    #[error("not yet valid")]
    NotYetValid,
}

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The JSON has another shape.
    #[error("the key set is not readable")]
    Json(#[source] serde_json::Error),
    /// There is no key in it.
    #[error("the key set is empty")]
    Empty,
    /// A key is not Ed25519 in PKCS#8.
    #[error("key {kid} is not an Ed25519 key in PKCS#8")]
    NotEd25519 {
        /// The key's id.
        kid: String,
    },
    /// This side only verifies.
    #[error("there is no signing key here")]
    VerifyOnly,
    /// The signature could not be made.
    #[error("could not sign")]
    Signing(#[source] jsonwebtoken::errors::Error),
}

/// The claims that every token of ours has and that are checked here.
pub(crate) trait Timed: DeserializeOwned {
    fn expires_at(&self) -> i64;
    fn not_before(&self) -> i64;
}

pub(crate) fn sign(
    kid: &str,
    key: &EncodingKey,
    claims: &impl Serialize,
) -> Result<String, KeyError> {
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(kid.to_owned());
    jsonwebtoken::encode(&header, claims, key).map_err(KeyError::Signing)
}

/// The `kid` that a token's header names.
pub(crate) fn kid_of(token: &str) -> Result<String, TokenError> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
    if header.alg != Algorithm::EdDSA {
        return Err(TokenError::Malformed);
    }
    header.kid.ok_or(TokenError::UnknownKey)
}

/// Checks signature, issuer, audience and times. The times are checked here and not by the library,
/// which reads the machine's clock.
pub(crate) fn verify<C: Timed>(
    token: &str,
    key: &DecodingKey,
    issuer: &str,
    audience: &str,
    now: Timestamp,
) -> Result<C, TokenError> {
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.set_issuer(&[issuer]);
    rules.set_audience(&[audience]);
    rules.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
    rules.validate_exp = false;
    rules.validate_nbf = false;
    let claims = jsonwebtoken::decode::<C>(token, key, &rules)
        .map_err(|error| named(&error))?
        .claims;
    let now = now.as_second();
    if now.saturating_sub(LEEWAY_SECONDS) >= claims.expires_at() {
        return Err(TokenError::Expired);
    }
    if now.saturating_add(LEEWAY_SECONDS) < claims.not_before() {
        return Err(TokenError::NotYetValid);
    }
    Ok(claims)
}

fn named(error: &jsonwebtoken::errors::Error) -> TokenError {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidSignature => TokenError::BadSignature,
        ErrorKind::InvalidIssuer => TokenError::WrongIssuer,
        ErrorKind::InvalidAudience => TokenError::WrongAudience,
        _ => TokenError::Malformed,
    }
}

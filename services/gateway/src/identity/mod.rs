//! Who is calling: the client's token verified once, and the internal token made from it.

mod minting;
mod revocations;
mod verified;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use quickbite_auth::{Identity, Jwks, SigningKeys};
use quickbite_http::Problem;

use crate::routing::Upstream;
pub(crate) use minting::Mint;
pub(crate) use revocations::Revocations;
pub(crate) use verified::{VerifiedToken, Verifier};

/// What a request says about its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// No token. Whether that is enough is the service's to say.
    Anonymous,
    /// A good token.
    User(VerifiedToken),
    /// A token that is forged, expired, revoked or no token at all.
    Invalid,
}

impl Claim {
    pub(crate) fn user(&self) -> Option<&Identity> {
        match self {
            Self::User(token) => Some(&token.identity),
            Self::Anonymous | Self::Invalid => None,
        }
    }

    pub(crate) fn token(&self) -> Option<VerifiedToken> {
        match self {
            Self::User(token) => Some(*token),
            Self::Anonymous | Self::Invalid => None,
        }
    }
}

/// The 403 of `api.md` for a token that is not good.
pub(crate) fn invalid_token() -> Problem {
    Problem::new(
        http::StatusCode::FORBIDDEN,
        "invalid_token",
        "Invalid or expired token",
    )
}

pub(crate) struct Identities {
    verifier: Verifier,
    revocations: Revocations,
    mint: Mint,
}

impl Identities {
    pub(crate) fn new(verifier: Verifier, revocations: Revocations, mint: Mint) -> Self {
        Self {
            verifier,
            revocations,
            mint,
        }
    }

    /// Reads `Authorization`. Another scheme than Bearer is no token of ours: anonymous.
    pub(crate) async fn claim(&self, headers: &HeaderMap) -> Claim {
        let Some(token) = bearer(headers) else {
            return Claim::Anonymous;
        };
        let Some(token) = self.verifier.verify(token).await else {
            return Claim::Invalid;
        };
        match token.identity.session {
            Some(session) if self.revocations.is_revoked(session).await => Claim::Invalid,
            _ => Claim::User(token),
        }
    }

    /// Resolves when `token` no longer speaks for its user: at its own end, or when its session is
    /// revoked (a logout, a disabled account, a refresh token that came twice).
    pub(crate) fn ended(&self, token: VerifiedToken) -> impl Future<Output = ()> + Send + use<> {
        let expired = self.verifier.expired(token);
        let revocations = self.revocations.clone();
        async move {
            let revoked = async {
                match token.identity.session {
                    Some(session) => revocations.revoked(session).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = expired => {}
                () = revoked => {}
            }
        }
    }

    /// `Bearer …` for a call to `upstream` on behalf of `user`.
    ///
    /// # Errors
    /// A 500 problem when the key cannot sign.
    pub(crate) async fn internal(
        &self,
        user: Option<&Identity>,
        upstream: Upstream,
    ) -> Result<HeaderValue, Problem> {
        self.mint.bearer(user, upstream).await
    }

    pub(crate) fn replace_token_keys(&self, keys: Jwks) {
        self.verifier.replace(keys);
    }

    pub(crate) fn replace_signing_keys(&self, keys: SigningKeys) {
        self.mint.replace(keys);
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        bearer(&headers).map(str::to_owned)
    }

    #[test]
    fn the_scheme_is_read_in_any_case_and_other_schemes_are_not_ours() {
        assert_eq!(read("bearer abc").as_deref(), Some("abc"));
        assert_eq!(read("Bearer  abc ").as_deref(), Some("abc"));
        assert_eq!(read("Basic abc"), None);
    }

    #[test]
    fn a_bearer_without_a_token_is_a_bad_token_and_not_none() {
        assert_eq!(read("Bearer").as_deref(), Some(""));
    }
}

//! Who is calling, as the gateway vouches for it, and the extractors that say who may.
//!
//! A handler's signature shows its authorization: it asks for a [`Customer`] or an [`Admin`] and
//! cannot run without one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use quickbite_auth::{Clock, Identity, InternalVerifier, Jwks, Role};
use uuid::Uuid;

use crate::problem::Problem;

/// How often the key file is looked at; mounted Secrets change in place.
const RELOAD_EVERY: Duration = Duration::from_secs(10);

/// Paths that need no internal token: probes, and what the gateway reads for its own documents.
const OPEN_PATHS: [&str; 4] = ["/livez", "/readyz", "/health", "/openapi.json"];

/// The verified caller of this request: `None` is an anonymous one. Set by the server.
#[derive(Debug, Clone, Copy)]
pub struct Caller(pub Option<Identity>);

/// Where the keys are that verify the gateway's tokens.
#[derive(Debug, Clone, clap::Args)]
pub struct InternalArgs {
    /// Public keys (JWKS) of the gateway's internal tokens.
    #[arg(long, env = "INTERNAL_JWKS_FILE")]
    pub internal_jwks_file: PathBuf,
}

impl InternalArgs {
    /// A verifier for the service `name`; it follows changes of the file. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the file cannot be read or holds no key.
    pub fn verifier(&self, name: &str, clock: Clock) -> anyhow::Result<InternalVerifier> {
        let file = self.internal_jwks_file.clone();
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("INTERNAL_JWKS_FILE {} cannot be read", file.display()))?;
        let keys = Jwks::from_json(&text).context("INTERNAL_JWKS_FILE holds no usable keys")?;
        let verifier = InternalVerifier::new(keys, format!("quickbite-{name}"), clock);
        tokio::spawn(follow(file, text, verifier.clone()));
        Ok(verifier)
    }
}

async fn follow(file: PathBuf, mut known: String, verifier: InternalVerifier) {
    loop {
        tokio::time::sleep(RELOAD_EVERY).await;
        if let Ok(text) = tokio::fs::read_to_string(&file).await
            && text != known
        {
            take(&file, &text, &verifier);
            known = text;
        }
    }
}

fn take(file: &Path, text: &str, verifier: &InternalVerifier) {
    match Jwks::from_json(text) {
        Ok(keys) => {
            tracing::info!(?keys, "took new internal keys");
            verifier.replace_keys(keys);
        }
        Err(error) => tracing::error!(
            error = &error as &dyn std::error::Error,
            file = %file.display(),
            "the new internal keys are unusable; the old ones stay"
        ),
    }
}

/// Lets through only what the gateway vouches for.
pub(crate) async fn require_internal_token(
    State(verifier): State<InternalVerifier>,
    mut request: Request,
    next: Next,
) -> Response {
    if OPEN_PATHS.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let Some(token) = bearer(request.headers()) else {
        return Problem::unauthorized().into_response();
    };
    match verifier.verify(token) {
        Ok(caller) => {
            if let Some(caller) = caller {
                tracing::Span::current().record("userId", tracing::field::display(caller.user_id));
            }
            request.extensions_mut().insert(Caller(caller));
            next.run(request).await
        }
        Err(reason) => {
            tracing::warn!(%reason, "refused an internal token");
            Problem::unauthorized().into_response()
        }
    }
}

/// The token of `Authorization: Bearer …`.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn caller(parts: &Parts) -> Option<Identity> {
    parts.extensions.get::<Caller>().and_then(|caller| caller.0)
}

fn known_caller(parts: &Parts) -> Result<Identity, Problem> {
    caller(parts).ok_or_else(Problem::unauthorized)
}

fn caller_with(parts: &Parts, roles: &[Role], who: &str) -> Result<Identity, Problem> {
    let identity = known_caller(parts)?;
    if roles.contains(&identity.role) {
        return Ok(identity);
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "role_not_allowed",
        format!("Only {who} may do this"),
    ))
}

/// Anyone with an account.
#[derive(Debug, Clone, Copy)]
pub struct AnyUser(pub Identity);

/// Anyone; the identity where there is one.
#[derive(Debug, Clone, Copy)]
pub struct MaybeUser(pub Option<Identity>);

/// A customer.
#[derive(Debug, Clone, Copy)]
pub struct Customer {
    /// The account.
    pub user_id: Uuid,
}

/// A restaurant owner, or an admin in an owner's place.
#[derive(Debug, Clone, Copy)]
pub struct Owner {
    /// The account.
    pub user_id: Uuid,
    /// Whether it is an admin, who may act on every restaurant.
    pub is_admin: bool,
}

/// A driver.
#[derive(Debug, Clone, Copy)]
pub struct Courier {
    /// The account.
    pub user_id: Uuid,
}

/// An admin.
#[derive(Debug, Clone, Copy)]
pub struct Admin {
    /// The account.
    pub user_id: Uuid,
}

macro_rules! extract_by {
    ($who:ty, |$parts:ident| $make:expr) => {
        impl<S: Send + Sync> FromRequestParts<S> for $who {
            type Rejection = Response;

            async fn from_request_parts($parts: &mut Parts, _: &S) -> Result<Self, Response> {
                let made: Result<Self, Problem> = $make;
                made.map_err(IntoResponse::into_response)
            }
        }
    };
}

extract_by!(AnyUser, |parts| known_caller(parts).map(Self));
extract_by!(MaybeUser, |parts| Ok(Self(caller(parts))));
extract_by!(Customer, |parts| {
    caller_with(parts, &[Role::Customer], "customers").map(|who| Self {
        user_id: who.user_id,
    })
});
extract_by!(Owner, |parts| {
    caller_with(
        parts,
        &[Role::RestaurantOwner, Role::Admin],
        "restaurant owners",
    )
    .map(|who| Self {
        user_id: who.user_id,
        is_admin: who.role == Role::Admin,
    })
});
extract_by!(Courier, |parts| {
    caller_with(parts, &[Role::Driver], "drivers").map(|who| Self {
        user_id: who.user_id,
    })
});
extract_by!(Admin, |parts| {
    caller_with(parts, &[Role::Admin], "admins").map(|who| Self {
        user_id: who.user_id,
    })
});

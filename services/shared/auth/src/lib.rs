//! Roles, access tokens and internal tokens: claims, keys, signing, verification.
//!
//! Pure: no HTTP, no files. Time comes from a [`Clock`]. Every verification is pinned to Ed25519
//! (`alg: EdDSA`), one issuer and one audience: what a token's header claims decides nothing but
//! which of the known keys is tried.

mod access;
mod clock;
mod identity;
mod internal;
mod jwks;
mod signing_keys;
mod token;

pub use access::{AccessClaims, AccessTokens};
pub use clock::Clock;
pub use identity::{Identity, Role, UnknownRole};
pub use internal::{INTERNAL_ISSUER, INTERNAL_TTL_SECONDS, InternalIssuer, InternalVerifier};
pub use jwks::{Jwk, Jwks, thumbprint};
pub use signing_keys::{SigningKey, SigningKeys};
pub use token::{KeyError, TokenError};

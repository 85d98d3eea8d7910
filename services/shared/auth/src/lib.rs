//! Roles, access tokens and internal tokens: claims, keys, signing, verification.

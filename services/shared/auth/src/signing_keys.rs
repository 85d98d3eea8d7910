//! Private keys: the first signs, the others are still published so that what they signed lasts.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jsonwebtoken::EncodingKey;
use serde::{Deserialize, Serialize};

use crate::jwks::{Jwk, Jwks, thumbprint};
use crate::token::{self, KeyError};

/// One private key as it stands in the key set file. Its `Debug` shows no secret.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningKey {
    /// The key's id: the RFC 7638 thumbprint of its public half.
    pub kid: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// PKCS#8 DER, base64 with padding.
    pkcs8: String,
}

impl SigningKey {
    /// A new random key.
    ///
    /// # Errors
    /// [`KeyError::NotEd25519`] when the machine cannot make one (no randomness).
    pub fn generate(now: Timestamp) -> Result<Self, KeyError> {
        let failed = || KeyError::NotEd25519 {
            kid: "(new)".to_owned(),
        };
        let pair = Ed25519KeyPair::generate().map_err(|_| failed())?;
        let document = pair.to_pkcs8().map_err(|_| failed())?;
        Ok(Self {
            kid: thumbprint(pair.public_key().as_ref()),
            created_at: now,
            pkcs8: STANDARD.encode(document),
        })
    }

    fn der_and_public(&self) -> Result<(Vec<u8>, Vec<u8>), KeyError> {
        let wrong = || KeyError::NotEd25519 {
            kid: self.kid.clone(),
        };
        let der = STANDARD.decode(&self.pkcs8).map_err(|_| wrong())?;
        let pair = Ed25519KeyPair::from_pkcs8(&der).map_err(|_| wrong())?;
        let public = pair.public_key().as_ref().to_vec();
        Ok((der, public))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<SigningKey>,
}

/// A key set: signs with its first key. Its `Debug` shows no secret.
#[derive(Clone)]
pub struct SigningKeys {
    kid: String,
    current: EncodingKey,
    public: Jwks,
}

impl SigningKeys {
    /// Reads `{"keys": [{"kid", "createdAt", "pkcs8"}]}`, the current key first.
    ///
    /// # Errors
    /// [`KeyError`] when it is no key set, is empty, or holds a key that is not Ed25519.
    pub fn from_json(json: &str) -> Result<Self, KeyError> {
        let document: Document = serde_json::from_str(json).map_err(KeyError::Json)?;
        Self::new(&document.keys)
    }

    /// A set of these keys, the current one first.
    ///
    /// # Errors
    /// [`KeyError::Empty`] and [`KeyError::NotEd25519`].
    pub fn new(keys: &[SigningKey]) -> Result<Self, KeyError> {
        let first = keys.first().ok_or(KeyError::Empty)?;
        let (der, _) = first.der_and_public()?;
        let public = keys
            .iter()
            .map(|key| Ok(Jwk::ed25519(&key.kid, &key.der_and_public()?.1)))
            .collect::<Result<_, KeyError>>()?;
        Ok(Self {
            kid: first.kid.clone(),
            current: EncodingKey::from_ed_der(&der),
            public: Jwks::new(public)?,
        })
    }

    /// The file's text for these keys, the current one first.
    #[must_use]
    pub fn document(keys: &[SigningKey]) -> String {
        serde_json::json!({ "keys": keys }).to_string()
    }

    /// The public halves, for those who verify.
    #[must_use]
    pub fn public_jwks(&self) -> Jwks {
        self.public.clone()
    }

    /// A secret for `purpose` that only holders of the current private key can derive (HMAC-SHA-256):
    /// for what a service must encrypt without a key of its own. It changes with a rotation.
    #[must_use]
    pub fn derive_secret(&self, purpose: &str) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.current.as_bytes());
        let mut secret = [0; 32];
        secret.copy_from_slice(hmac::sign(&key, purpose.as_bytes()).as_ref());
        secret
    }

    pub(crate) fn sign(&self, claims: &impl Serialize) -> Result<String, KeyError> {
        token::sign(&self.kid, &self.current, claims)
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SigningKeys(signs with {}, publishes {:?})",
            self.kid, self.public
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::generate(Timestamp::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn a_generated_set_reads_back_from_its_file_with_the_same_public_keys() {
        let keys = [key(), key()];
        let read = SigningKeys::from_json(&SigningKeys::document(&keys)).unwrap();
        let kids: Vec<_> = read
            .public_jwks()
            .keys()
            .iter()
            .map(|k| k.kid.clone())
            .collect();
        assert_eq!(kids, [keys[0].kid.clone(), keys[1].kid.clone()]);
    }

    #[test]
    fn a_derived_secret_depends_on_the_key_and_on_the_purpose() {
        let set = |key: &SigningKey| SigningKeys::new(std::slice::from_ref(key)).unwrap();
        let (one, other) = (set(&key()), set(&key()));
        assert_eq!(one.derive_secret("a"), one.clone().derive_secret("a"));
        assert_ne!(one.derive_secret("a"), one.derive_secret("b"));
        assert_ne!(one.derive_secret("a"), other.derive_secret("a"));
    }

    #[test]
    fn debug_output_shows_no_private_key() {
        let key = key();
        let set = SigningKeys::new(std::slice::from_ref(&key)).unwrap();
        assert!(!format!("{key:?} {set:?}").contains(&key.pkcs8));
    }

    #[test]
    fn an_empty_set_and_a_broken_key_are_refused_by_name() {
        assert!(matches!(SigningKeys::new(&[]), Err(KeyError::Empty)));
        let mut broken = key();
        broken.pkcs8 = STANDARD.encode(b"not a key");
        let error = SigningKeys::new(std::slice::from_ref(&broken)).unwrap_err();
        assert!(error.to_string().contains(&broken.kid));
    }
}

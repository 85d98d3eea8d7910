//! Public keys as a JSON Web Key Set (RFC 7517, Ed25519 after RFC 8037).

use std::collections::HashMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Serialize};

use crate::token::{KeyError, TokenError};

/// One public Ed25519 key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// Always `OKP`.
    pub kty: String,
    /// Always `Ed25519`.
    pub crv: String,
    /// Always `EdDSA`.
    pub alg: String,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub usage: String,
    /// The key's id: its RFC 7638 thumbprint.
    pub kid: String,
    /// The 32 bytes of the public key, base64url without padding.
    pub x: String,
}

impl Jwk {
    /// The key whose 32 public bytes are `public`, under `kid`.
    #[must_use]
    pub fn ed25519(kid: impl Into<String>, public: &[u8]) -> Self {
        Self {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            alg: "EdDSA".to_owned(),
            usage: "sig".to_owned(),
            kid: kid.into(),
            x: URL_SAFE_NO_PAD.encode(public),
        }
    }
}

/// The RFC 7638 thumbprint (SHA-256, base64url) of an Ed25519 public key of 32 bytes.
#[must_use]
pub fn thumbprint(public: &[u8]) -> String {
    let x = URL_SAFE_NO_PAD.encode(public);
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, canonical.as_bytes());
    URL_SAFE_NO_PAD.encode(digest)
}

#[derive(Serialize, Deserialize)]
struct Document<K> {
    keys: Vec<K>,
}

/// The public keys that verify, found by `kid`. Keys that are not Ed25519 are left out: a set may
/// hold what we do not use, but a token can never choose its algorithm.
#[derive(Clone)]
pub struct Jwks {
    keys: Vec<Jwk>,
    decoding: HashMap<String, DecodingKey>,
}

impl Jwks {
    /// Reads `{"keys": […]}`.
    ///
    /// # Errors
    /// [`KeyError`] when it is no key set, or when it has no Ed25519 key.
    pub fn from_json(json: &str) -> Result<Self, KeyError> {
        let document: Document<serde_json::Value> =
            serde_json::from_str(json).map_err(KeyError::Json)?;
        let keys = document
            .keys
            .into_iter()
            .filter(|key| key["kty"] == "OKP" && key["crv"] == "Ed25519")
            .map(serde_json::from_value)
            .collect::<Result<Vec<Jwk>, _>>()
            .map_err(KeyError::Json)?;
        Self::new(keys)
    }

    /// A set of these keys.
    ///
    /// # Errors
    /// [`KeyError::Empty`], or [`KeyError::NotEd25519`] for a key that is not 32 bytes.
    pub fn new(keys: Vec<Jwk>) -> Result<Self, KeyError> {
        if keys.is_empty() {
            return Err(KeyError::Empty);
        }
        let decoding = keys
            .iter()
            .map(|key| {
                let wrong = || KeyError::NotEd25519 {
                    kid: key.kid.clone(),
                };
                let bytes = URL_SAFE_NO_PAD.decode(&key.x).map_err(|_| wrong())?;
                if bytes.len() != 32 {
                    return Err(wrong());
                }
                Ok((key.kid.clone(), DecodingKey::from_ed_der(&bytes)))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { keys, decoding })
    }

    /// The set as JSON, as it is published.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::json!({ "keys": self.keys }).to_string()
    }

    /// The keys, the current one first.
    #[must_use]
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    pub(crate) fn find(&self, kid: &str) -> Result<&DecodingKey, TokenError> {
        self.decoding.get(kid).ok_or(TokenError::UnknownKey)
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.keys.iter().map(|key| &key.kid))
            .finish()
    }
}

impl Serialize for Jwks {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Keys<'a> {
            keys: &'a [Jwk],
        }
        Keys { keys: &self.keys }.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037, appendix A.2 and A.3.
    const RFC_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    const RFC_THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

    #[test]
    fn the_thumbprint_is_the_one_of_rfc_8037() {
        let public = URL_SAFE_NO_PAD.decode(RFC_X).unwrap();
        assert_eq!(thumbprint(&public), RFC_THUMBPRINT);
    }

    #[test]
    fn a_set_reads_back_what_it_publishes() {
        let public = URL_SAFE_NO_PAD.decode(RFC_X).unwrap();
        let set = Jwks::new(vec![Jwk::ed25519("k1", &public)]).unwrap();
        assert_eq!(Jwks::from_json(&set.to_json()).unwrap().keys(), set.keys());
    }

    #[test]
    fn keys_of_other_kinds_are_left_out() {
        let json = format!(
            r#"{{"keys":[{{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"r"}},
                {{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"e","x":"{RFC_X}"}}]}}"#
        );
        let set = Jwks::from_json(&json).unwrap();
        assert_eq!(set.keys().len(), 1);
        assert!(set.find("r").is_err());
    }

    #[test]
    fn an_empty_set_a_short_key_and_no_json_are_refused() {
        assert!(matches!(
            Jwks::from_json(r#"{"keys":[]}"#),
            Err(KeyError::Empty)
        ));
        assert!(matches!(Jwks::from_json("nothing"), Err(KeyError::Json(_))));
        let short = Jwk::ed25519("short", &[1, 2, 3]);
        assert!(matches!(
            Jwks::new(vec![short]),
            Err(KeyError::NotEd25519 { .. })
        ));
    }
}

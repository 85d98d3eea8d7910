//! Ed25519 key sets for tokens: the private set that a Secret holds, and the public JWKS from it.
//!
//! The first key signs, the rest still verify. A key's id is its RFC 7638 thumbprint, so that the
//! private set needs no second list to match.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::entropy::Entropy;

/// Signing keys as the user service and the gateway read them from a file.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<SigningKey>,
}

#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct SigningKey {
    kid: String,
    created_at: Timestamp,
    /// Base64 of PKCS#8 v2 DER.
    pkcs8: String,
}

impl KeySet {
    /// A set of one new key.
    pub fn generate(entropy: &mut dyn Entropy, now: Timestamp) -> Self {
        let pkcs8 = entropy.ed25519_pkcs8();
        let public = public_key(&pkcs8).expect("a key that was just made can be read");
        let key = SigningKey {
            kid: thumbprint(&public),
            created_at: now,
            pkcs8: STANDARD.encode(pkcs8),
        };
        Self { keys: vec![key] }
    }

    /// Reads a set; `None` when it is no usable set.
    #[must_use]
    pub fn parse(json: &str) -> Option<Self> {
        let set: Self = serde_json::from_str(json).ok()?;
        let usable = !set.keys.is_empty() && set.keys.iter().all(|key| key.public().is_some());
        usable.then_some(set)
    }

    /// The set as the Secret holds it.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a key set serialises to JSON")
    }

    /// The public half, RFC 7517 and RFC 8037.
    #[must_use]
    pub fn jwks(&self) -> String {
        let keys: Vec<_> = self
            .keys
            .iter()
            .filter_map(|key| {
                Some(serde_json::json!({
                    "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
                    "kid": key.kid, "x": URL_SAFE_NO_PAD.encode(key.public()?),
                }))
            })
            .collect();
        serde_json::json!({ "keys": keys }).to_string()
    }
}

impl SigningKey {
    fn public(&self) -> Option<Vec<u8>> {
        public_key(&STANDARD.decode(&self.pkcs8).ok()?)
    }
}

fn public_key(pkcs8: &[u8]) -> Option<Vec<u8>> {
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8).ok()?;
    Some(pair.public_key().as_ref().to_vec())
}

/// RFC 7638: SHA-256 over the required members in lexicographic order.
fn thumbprint(public: &[u8]) -> String {
    let x = URL_SAFE_NO_PAD.encode(public);
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::entropy::Counting;

    #[test]
    fn a_thumbprint_is_the_one_of_rfc_8037() {
        // RFC 8037, appendix A.3.
        let x = URL_SAFE_NO_PAD
            .decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
            .unwrap();
        assert_eq!(
            thumbprint(&x),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }

    #[test]
    fn a_set_survives_its_own_json_and_publishes_no_private_part() {
        let set = KeySet::generate(&mut Counting::default(), Timestamp::UNIX_EPOCH);
        assert!(KeySet::parse(&set.to_json()) == Some(set.clone()));
        assert!(!set.jwks().contains("pkcs8"));
    }

    #[test]
    fn garbage_is_no_set() {
        assert!(KeySet::parse(r#"{"keys":[]}"#).is_none());
        assert!(KeySet::parse("{").is_none());
    }
}

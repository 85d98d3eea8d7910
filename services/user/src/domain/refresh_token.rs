//! Refresh tokens: random, opaque, stored only as a digest.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// 256 random bits. Never printed.
#[derive(Clone)]
pub struct RefreshToken([u8; 32]);

impl RefreshToken {
    /// A new one from `random`.
    pub fn generate(random: &mut impl rand::CryptoRng) -> Self {
        let mut bytes = [0; 32];
        random.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Reads what a client sends; `None` when it was never one of ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    /// As a client gets it.
    #[must_use]
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// As it is stored. A fast hash is enough: there is nothing to guess in 256 random bits.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_from_its_text_with_the_same_digest() {
        let token = RefreshToken::generate(&mut rand::rng());
        assert_eq!(
            RefreshToken::parse(&token.to_text()).unwrap().digest(),
            token.digest()
        );
    }

    #[test]
    fn what_was_never_a_token_is_none() {
        for text in ["", "short", "ü", &"A".repeat(44), &"A".repeat(4000)] {
            assert!(RefreshToken::parse(text).is_none());
        }
    }
}

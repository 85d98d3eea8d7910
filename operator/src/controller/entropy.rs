//! Where new secrets come from. Passed in, so that `desired` stays pure and snapshots stay equal.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::Ed25519KeyPair;

/// A source of new secrets.
pub trait Entropy: Send {
    /// Fills `bytes`.
    fn fill(&mut self, bytes: &mut [u8]);

    /// A new Ed25519 key as PKCS#8 v2 DER.
    fn ed25519_pkcs8(&mut self) -> Vec<u8> {
        let mut seed = [0; 32];
        self.fill(&mut seed);
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("a seed has 32 bytes");
        pair.to_pkcs8()
            .expect("a key pair has a PKCS#8 form")
            .as_ref()
            .to_vec()
    }

    /// `length` letters and digits: nothing that a URL, a shell or a configuration file escapes.
    fn alphanumeric(&mut self, length: usize) -> String {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut text = String::with_capacity(length);
        while text.len() < length {
            let mut byte = [0];
            self.fill(&mut byte);
            // 248 = 4 * 62: larger bytes would favour the first letters.
            if byte[0] < 248 {
                text.push(char::from(ALPHABET[usize::from(byte[0]) % ALPHABET.len()]));
            }
        }
        text
    }
}

/// The operating system's randomness.
#[derive(Default)]
pub struct System(SystemRandom);

impl Entropy for System {
    fn fill(&mut self, bytes: &mut [u8]) {
        // Without randomness no secret may be made; there is nothing to fall back to.
        self.0
            .fill(bytes)
            .expect("the operating system gives randomness");
    }
}

/// Always the same bytes: for `render` and for snapshots, never for a cluster.
#[derive(Default)]
pub struct Counting(u64);

impl Entropy for Counting {
    fn fill(&mut self, bytes: &mut [u8]) {
        use sha2::{Digest, Sha256};
        for chunk in bytes.chunks_mut(32) {
            self.0 += 1;
            chunk.copy_from_slice(&Sha256::digest(self.0.to_be_bytes())[..chunk.len()]);
        }
    }
}

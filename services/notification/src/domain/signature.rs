//! The signature of a webhook: proves to its receiver that we sent it, and when.
//!
//! `X-QuickBite-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>">`. The time is signed with the body,
//! so that a receiver can refuse old calls that somebody recorded.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

/// The header's name.
pub const HEADER: &str = "x-quickbite-signature";

/// The header's value for `body`, sent at `now`.
pub fn sign(secret: &str, body: &[u8], now: Timestamp) -> String {
    let time = now.as_second();
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(time.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    let hex: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("t={time},v1={hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_what_openssl_computes() {
        // printf '1.hello' | openssl dgst -sha256 -hmac key
        let signed = sign("key", b"hello", Timestamp::from_second(1).unwrap());
        assert_eq!(
            signed,
            "t=1,v1=9233658ef5e21fe59dba8abb099c978547d7626f87090a6a585c26a2a98a91f8"
        );
    }
}

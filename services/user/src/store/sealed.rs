//! Idempotent answers that hold tokens, for requests that hold passwords.
//!
//! Kept as they are they would undo two protections: a plain SHA-256 of a body with a password can
//! be guessed from a stolen table, and a stored answer is a refresh token in the clear. So the
//! fingerprint is keyed and the answer is encrypted, both with a secret that is not in the database.
//! After a rotation of the signing keys a repeated key counts as one with another body (422).

use async_trait::async_trait;
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use quickbite_http::Problem;
use quickbite_http::idempotency::{Begin, IdempotencyStore, Scope, StoredResponse};

const NONCE: usize = 12;

/// Wraps a store; what reaches it is keyed and encrypted.
pub struct SealedAnswers<S> {
    inner: S,
    fingerprints: hmac::Key,
    answers: [u8; 32],
}

impl<S> SealedAnswers<S> {
    /// Seals with keys derived from `secret`.
    pub fn new(inner: S, secret: &[u8; 32]) -> Self {
        let derive = |purpose: &[u8]| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            let mut derived = [0; 32];
            derived.copy_from_slice(hmac::sign(&key, purpose).as_ref());
            derived
        };
        Self {
            inner,
            fingerprints: hmac::Key::new(hmac::HMAC_SHA256, &derive(b"fingerprints")),
            answers: derive(b"answers"),
        }
    }

    fn keyed(&self, fingerprint: &[u8; 32]) -> [u8; 32] {
        let mut keyed = [0; 32];
        keyed.copy_from_slice(hmac::sign(&self.fingerprints, fingerprint).as_ref());
        keyed
    }

    fn seal(&self, scope: &Scope, mut body: Vec<u8>) -> Option<Vec<u8>> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.answers).ok()?;
        let nonce = key
            .seal_in_place_append_tag(bound_to(scope), &mut body)
            .ok()?;
        body.extend_from_slice(nonce.as_ref());
        Some(body)
    }

    fn open(&self, scope: &Scope, mut sealed: Vec<u8>) -> Option<Vec<u8>> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.answers).ok()?;
        let nonce = sealed.split_off(sealed.len().checked_sub(NONCE)?);
        let nonce = Nonce::try_assume_unique_for_key(&nonce).ok()?;
        let opened = key
            .open_in_place(nonce, bound_to(scope), &mut sealed)
            .ok()?;
        Some(opened.to_vec())
    }
}

/// An answer opens only under the key that it was given for.
fn bound_to(scope: &Scope) -> Aad<String> {
    let Scope {
        caller,
        operation,
        key,
    } = scope;
    Aad::from(format!("{caller}\n{operation}\n{key}"))
}

#[async_trait]
impl<S: IdempotencyStore> IdempotencyStore for SealedAnswers<S> {
    async fn begin(&self, scope: &Scope, fingerprint: &[u8; 32]) -> Result<Begin, Problem> {
        let found = self.inner.begin(scope, &self.keyed(fingerprint)).await?;
        let Begin::Replay(StoredResponse {
            status,
            headers,
            body,
        }) = found
        else {
            return Ok(found);
        };
        Ok(self.open(scope, body).map_or(Begin::Mismatch, |body| {
            Begin::Replay(StoredResponse {
                status,
                headers,
                body,
            })
        }))
    }

    async fn complete(&self, scope: &Scope, response: &StoredResponse) -> Result<(), Problem> {
        let StoredResponse {
            status,
            headers,
            body,
        } = response.clone();
        let body = self
            .seal(scope, body)
            .ok_or_else(|| Problem::internal("an answer could not be encrypted"))?;
        self.inner
            .complete(
                scope,
                &StoredResponse {
                    status,
                    headers,
                    body,
                },
            )
            .await
    }

    async fn abandon(&self, scope: &Scope) -> Result<(), Problem> {
        self.inner.abandon(scope).await
    }
}

#[cfg(test)]
mod tests {
    use quickbite_http::idempotency::MemoryStore;

    use super::*;

    fn scope(key: &str) -> Scope {
        Scope {
            caller: "anonymous".to_owned(),
            operation: "POST /x".to_owned(),
            key: key.to_owned(),
        }
    }

    fn answer() -> StoredResponse {
        StoredResponse {
            status: 201,
            headers: Vec::new(),
            body: b"refresh token".to_vec(),
        }
    }

    #[tokio::test]
    async fn an_answer_comes_back_as_it_was() {
        let store = SealedAnswers::new(MemoryStore::default(), &[7; 32]);
        assert_eq!(
            store.begin(&scope("a"), &[1; 32]).await.unwrap(),
            Begin::Started
        );
        store.complete(&scope("a"), &answer()).await.unwrap();
        assert_eq!(
            store.begin(&scope("a"), &[1; 32]).await.unwrap(),
            Begin::Replay(answer())
        );
        assert_eq!(
            store.begin(&scope("a"), &[2; 32]).await.unwrap(),
            Begin::Mismatch
        );
    }

    #[tokio::test]
    async fn the_store_holds_neither_the_answer_nor_the_bodys_own_hash() {
        let store = SealedAnswers::new(MemoryStore::default(), &[7; 32]);
        store.begin(&scope("a"), &[1; 32]).await.unwrap();
        store.complete(&scope("a"), &answer()).await.unwrap();
        assert_eq!(
            store.inner.begin(&scope("a"), &[1; 32]).await.unwrap(),
            Begin::Mismatch
        );
        let kept = store
            .inner
            .begin(&scope("a"), &store.keyed(&[1; 32]))
            .await
            .unwrap();
        let Begin::Replay(kept) = kept else {
            panic!("{kept:?}")
        };
        assert!(!kept.body.windows(7).any(|window| window == b"refresh"));
    }

    #[test]
    fn an_answer_opens_only_for_its_own_key_and_secret() {
        let store = SealedAnswers::new(MemoryStore::default(), &[7; 32]);
        let sealed = store.seal(&scope("a"), b"secret".to_vec()).unwrap();
        assert!(store.open(&scope("b"), sealed.clone()).is_none());
        let other = SealedAnswers::new(MemoryStore::default(), &[8; 32]);
        assert!(other.open(&scope("a"), sealed.clone()).is_none());
        assert_eq!(store.open(&scope("a"), sealed).unwrap(), b"secret");
        assert!(store.open(&scope("a"), b"short".to_vec()).is_none());
    }
}

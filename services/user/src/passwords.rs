//! Argon2id, 19 MiB and two passes (OWASP), off the runtime's threads.
//!
//! A hash is 20 ms of a core and 19 MiB: as many run at once as there are cores, and who would wait
//! longer than a few seconds is told to come back instead of being queued without end.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use quickbite_telemetry::metrics::{Histogram, histogram};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::domain::Password;

/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(4);

/// Why a password was neither hashed nor compared.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too many at once.
    #[error("too many passwords are being checked")]
    Busy,
    /// Hashing failed, which no password can cause.
    #[error("a password could not be hashed")]
    Hash(#[source] argon2::password_hash::Error),
    /// The runtime is ending.
    #[error("hashing was given up")]
    Stopped,
}

/// Hashes and compares passwords.
#[derive(Clone)]
pub struct Passwords {
    argon2: Argon2<'static>,
    turns: Arc<Semaphore>,
    /// The hash of a password that nobody has: what an unknown account is compared with, so that the
    /// answer takes the same time.
    nobody: Arc<str>,
    seconds: Histogram,
}

impl Passwords {
    /// With the strength that is meant for use.
    ///
    /// # Errors
    /// [`PasswordError::Hash`] when the machine has no randomness.
    pub fn new() -> Result<Self, PasswordError> {
        Self::with(Params::DEFAULT)
    }

    /// So weak that tests are quick.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn weak_for_tests() -> Result<Self, PasswordError> {
        Self::with(Params::new(8, 1, 1, None).unwrap_or(Params::DEFAULT))
    }

    fn with(params: Params) -> Result<Self, PasswordError> {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let random: [u8; 32] = rand::random();
        let nobody = hash(&argon2, &random)?.into();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            argon2,
            turns: Arc::new(Semaphore::new(cores)),
            nobody,
            seconds: histogram(
                "quickbite_password_hash_seconds",
                "Waiting for a turn and hashing one password.",
            ),
        })
    }

    /// The hash to remember, a PHC string.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn hash(&self, password: Password) -> Result<String, PasswordError> {
        self.in_turn(move |argon2| hash(argon2, password.as_bytes()))
            .await?
    }

    /// Whether `password` is the one that `known` is the hash of; without `known` it is not, after
    /// the same work.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn is_right(
        &self,
        password: Password,
        known: Option<String>,
    ) -> Result<bool, PasswordError> {
        let nobody = Arc::clone(&self.nobody);
        self.in_turn(move |argon2| {
            let against = known.as_deref().unwrap_or(&nobody);
            let Ok(parsed) = PasswordHash::new(against) else {
                return false;
            };
            argon2.verify_password(password.as_bytes(), &parsed).is_ok() && known.is_some()
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'static>) -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let timer = self.seconds.start_timer();
        let turn = timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned())
            .await
            .map_err(|_| PasswordError::Busy)?
            .map_err(|_| PasswordError::Stopped)?;
        let argon2 = self.argon2.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work(&argon2)
        })
        .await
        .map_err(|_| PasswordError::Stopped);
        timer.observe_duration();
        done
    }
}

fn hash(argon2: &Argon2<'_>, password: &[u8]) -> Result<String, PasswordError> {
    let hash: PasswordHash = argon2
        .hash_password(password)
        .map_err(PasswordError::Hash)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::attempt(text.into())
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_and_no_other() {
        let passwords = Passwords::weak_for_tests().unwrap();
        let hash = passwords.hash(password("correct horse")).await.unwrap();
        assert!(
            passwords
                .is_right(password("correct horse"), Some(hash.clone()))
                .await
                .unwrap()
        );
        assert!(
            !passwords
                .is_right(password("wrong horse"), Some(hash))
                .await
                .unwrap()
        );
    }

    #[tokio::test]
    async fn nobody_has_no_password() {
        let passwords = Passwords::weak_for_tests().unwrap();
        assert!(!passwords.is_right(password(""), None).await.unwrap());
    }

    #[tokio::test]
    async fn the_hash_in_use_is_argon2id_with_19_mib_and_two_passes() {
        let hash = Passwords::new()
            .unwrap()
            .hash(password("correct horse"))
            .await
            .unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
    }

    #[tokio::test]
    async fn a_hash_that_is_none_matches_nothing() {
        let passwords = Passwords::weak_for_tests().unwrap();
        assert!(
            !passwords
                .is_right(password("x"), Some("x".to_owned()))
                .await
                .unwrap()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_would_wait_too_long_is_told_so() {
        let passwords = Passwords::weak_for_tests().unwrap();
        let all = u32::try_from(passwords.turns.available_permits()).unwrap();
        let _taken = passwords.turns.acquire_many(all).await.unwrap();
        let answer = passwords.is_right(password("x"), None).await;
        assert!(matches!(answer, Err(PasswordError::Busy)));
    }
}

//! The platform's secrets: passwords and keys. Generated once; what a live Secret holds is kept.
//!
//! Every credential has a Secret of its own, `<platform>-<store>-<user>`, and that Secret is the
//! source of truth. Files that a store reads (ACLs, definitions) are derived from it each time.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::entropy::Entropy;
use super::keys::KeySet;
use crate::component::{Service, Store};

/// Decoded data of the live Secrets of one platform: name, then key.
pub type LiveSecrets = BTreeMap<String, BTreeMap<String, String>>;

/// All passwords and keys of one platform. It does not print itself.
#[derive(Clone)]
pub struct Material {
    passwords: BTreeMap<(Store, &'static str), String>,
    /// Signs access tokens.
    pub access_keys: KeySet,
    /// Signs the gateway's internal tokens.
    pub internal_keys: KeySet,
    /// Shared secret of the MongoDB replica set's members.
    pub mongodb_keyfile: String,
    /// Password of the first administrator.
    pub bootstrap_password: String,
}

/// The user of a store that may do anything in it.
pub const ADMIN: &str = "admin";

impl Material {
    /// Takes what the live Secrets of `platform` hold and generates what they lack.
    pub fn complete(
        platform: &str,
        live: &LiveSecrets,
        entropy: &mut dyn Entropy,
        now: Timestamp,
    ) -> Self {
        let kept = |name: String, key: &str| {
            live.get(&name)?
                .get(key)
                .filter(|value| !value.is_empty())
                .cloned()
        };
        let mut passwords = BTreeMap::new();
        for store in Store::ALL {
            let users = Service::ALL.iter().filter(|service| service.uses(store));
            for user in users.map(|service| service.name()).chain([ADMIN]) {
                let password = kept(credential_name(platform, store, user), "password")
                    .unwrap_or_else(|| entropy.alphanumeric(32));
                passwords.insert((store, user), password);
            }
        }
        let mut keys = |name: String| {
            kept(name, KEYS_FILE)
                .and_then(|json| KeySet::parse(&json))
                .unwrap_or_else(|| KeySet::generate(entropy, now))
        };
        let access_keys = keys(access_keys_name(platform));
        let internal_keys = keys(internal_keys_name(platform));
        Self {
            passwords,
            access_keys,
            internal_keys,
            mongodb_keyfile: kept(server_secret_name(platform, Store::Mongodb), "keyfile")
                .unwrap_or_else(|| entropy.alphanumeric(64)),
            bootstrap_password: kept(bootstrap_name(platform), "password")
                .unwrap_or_else(|| entropy.alphanumeric(24)),
        }
    }

    /// Password of `user` (a service's name or [`ADMIN`]) at `store`.
    ///
    /// # Panics
    /// When the service does not use the store: a mistake in the caller, not in the input.
    #[must_use]
    pub fn password(&self, store: Store, user: &'static str) -> &str {
        &self.passwords[&(store, user)]
    }
}

/// File and key under which a key set is kept.
pub const KEYS_FILE: &str = "keys.json";

/// Secret of one user of one store.
#[must_use]
pub fn credential_name(platform: &str, store: Store, user: &str) -> String {
    format!("{platform}-{}-{user}", store.name())
}

/// Secret with the files that a store's server reads.
#[must_use]
pub fn server_secret_name(platform: &str, store: Store) -> String {
    format!("{platform}-{}-server", store.name())
}

/// Secret of the access tokens' signing keys.
#[must_use]
pub fn access_keys_name(platform: &str) -> String {
    format!("{platform}-access-signing-keys")
}

/// Secret of the internal tokens' signing keys.
#[must_use]
pub fn internal_keys_name(platform: &str) -> String {
    format!("{platform}-internal-signing-keys")
}

/// Secret of the first administrator.
#[must_use]
pub fn bootstrap_name(platform: &str) -> String {
    format!("{platform}-bootstrap-admin")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::entropy::Counting;

    #[test]
    fn a_live_password_is_kept_and_the_others_are_generated() {
        let secret = credential_name("qb", Store::Redis, "order");
        let live = LiveSecrets::from([(
            secret,
            BTreeMap::from([("password".to_owned(), "kept".to_owned())]),
        )]);
        let now = Timestamp::UNIX_EPOCH;
        let material = Material::complete("qb", &live, &mut Counting::default(), now);
        assert_eq!(material.password(Store::Redis, "order"), "kept");
        assert_eq!(material.password(Store::Redis, "driver").len(), 32);
    }
}

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

/// A Secret of ours that is there and does not hold what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Its name.
    pub name: String,
    /// The key whose value is missing or cannot be read.
    pub key: &'static str,
}

/// The user of a store that may do anything in it.
pub const ADMIN: &str = "admin";

impl Material {
    /// Takes what the live Secrets of `platform` hold and generates what has no Secret yet. A
    /// Secret that is there is never made anew: what it held may be in use.
    ///
    /// # Errors
    /// The first Secret that is there and does not hold what it should.
    pub fn complete(
        platform: &str,
        live: &LiveSecrets,
        is_external: impl Fn(Store) -> bool,
        entropy: &mut dyn Entropy,
        now: Timestamp,
    ) -> Result<Self, Damaged> {
        let kept = |name: String, key: &'static str| match live.get(&name) {
            None => Ok(None),
            Some(data) => match data.get(key).filter(|value| !value.is_empty()) {
                Some(value) => Ok(Some(value.clone())),
                None => Err(Damaged { name, key }),
            },
        };
        let mut passwords = BTreeMap::new();
        for store in Store::ALL {
            let users = Service::ALL.iter().filter(|service| service.uses(store));
            for user in users.map(|service| service.name()).chain([ADMIN]) {
                let password = match kept(credential_name(platform, store, user), "password") {
                    // The password of a store that others run may be empty, and is theirs.
                    Err(_) if is_external(store) => None,
                    found => found?,
                };
                let password = password.unwrap_or_else(|| entropy.alphanumeric(32));
                passwords.insert((store, user), password);
            }
        }
        let mut keys = |name: String| match kept(name.clone(), KEYS_FILE)? {
            Some(json) => KeySet::parse(&json).ok_or(Damaged {
                name,
                key: KEYS_FILE,
            }),
            None => Ok(KeySet::generate(entropy, now)),
        };
        let access_keys = keys(access_keys_name(platform))?;
        let internal_keys = keys(internal_keys_name(platform))?;
        Ok(Self {
            passwords,
            access_keys,
            internal_keys,
            mongodb_keyfile: kept(server_secret_name(platform, Store::Mongodb), "keyfile")?
                .unwrap_or_else(|| entropy.alphanumeric(64)),
            bootstrap_password: kept(bootstrap_name(platform), "password")?
                .unwrap_or_else(|| entropy.alphanumeric(24)),
        })
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

/// Every Secret that [`Material::complete`] reads.
#[must_use]
pub fn secret_names(platform: &str) -> Vec<String> {
    let mut names = vec![
        access_keys_name(platform),
        internal_keys_name(platform),
        bootstrap_name(platform),
        server_secret_name(platform, Store::Mongodb),
    ];
    for store in Store::ALL {
        let users = Service::ALL.iter().filter(|service| service.uses(store));
        let users = users.map(|service| service.name()).chain([ADMIN]);
        names.extend(users.map(|user| credential_name(platform, store, user)));
    }
    names
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

    fn complete(live: &LiveSecrets, external: bool) -> Result<Material, Damaged> {
        let mut entropy = Counting::default();
        let now = Timestamp::UNIX_EPOCH;
        Material::complete("qb", live, |_| external, &mut entropy, now)
    }

    fn holding(name: String, key: &str, value: &str) -> LiveSecrets {
        LiveSecrets::from([(name, BTreeMap::from([(key.to_owned(), value.to_owned())]))])
    }

    #[test]
    fn a_live_password_is_kept_and_the_others_are_generated() {
        let secret = credential_name("qb", Store::Redis, "order");
        let live = holding(secret, "password", "kept");
        let material = complete(&live, false).unwrap_or_else(|damaged| panic!("{damaged:?}"));
        assert_eq!(material.password(Store::Redis, "order"), "kept");
        assert_eq!(material.password(Store::Redis, "driver").len(), 32);
    }

    #[test]
    fn a_secret_that_lacks_its_value_is_named_and_not_made_anew() {
        let name = credential_name("qb", Store::Redis, "order");
        for live in [
            holding(name.clone(), "password", ""),
            holding(name.clone(), "x", "y"),
        ] {
            let damaged = complete(&live, false).err();
            let key = "password";
            assert_eq!(
                damaged,
                Some(Damaged {
                    name: name.clone(),
                    key
                })
            );
            assert!(
                complete(&live, true).is_ok(),
                "others' passwords are theirs"
            );
        }
    }

    #[test]
    fn signing_keys_that_cannot_be_read_are_named_and_not_made_anew() {
        let name = access_keys_name("qb");
        let damaged = complete(&holding(name.clone(), KEYS_FILE, "{"), false).err();
        let key = KEYS_FILE;
        assert_eq!(damaged, Some(Damaged { name, key }));
    }
}

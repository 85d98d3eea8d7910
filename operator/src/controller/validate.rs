//! From what was fetched to what `desired` may rely on. The API server's rules caught what can be
//! said about the spec alone; here is what needs other objects: Secrets that must exist.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};

use super::entropy::Entropy;
use super::external::External;
use super::material::{Damaged, LiveSecrets, Material};
use crate::api::{Profile, QuickBitePlatform, QuickBitePlatformSpec};
use crate::component::{Component, Service, Store};

/// What a platform refers to but does not own.
#[derive(Default, Clone)]
pub struct Referenced {
    /// Decoded data of Secrets that the spec names, by name. A name that does not exist is absent.
    pub secrets: LiveSecrets,
    /// Optional kinds that the cluster knows.
    pub capabilities: Capabilities,
}

/// Optional kinds that the cluster knows.
#[derive(Default, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// gateway.networking.k8s.io HTTPRoute.
    pub http_route: bool,
    /// monitoring.coreos.com ServiceMonitor.
    pub service_monitor: bool,
    /// monitoring.coreos.com PrometheusRule.
    pub prometheus_rule: bool,
}

/// A platform that can be built: the only input of `desired`.
pub struct ValidatedPlatform {
    /// metadata.name; children are named after it.
    pub name: String,
    /// metadata.namespace.
    pub namespace: String,
    /// Makes the children go when the platform goes.
    pub owner: OwnerReference,
    /// The spec as the API server accepted it.
    pub spec: QuickBitePlatformSpec,
    /// Passwords and keys.
    pub material: Material,
    /// Where external stores are.
    pub external: BTreeMap<Store, External>,
    /// Secrets that the spec refers to.
    pub referenced: Referenced,
}

/// Why a platform cannot be built.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Invalid {
    /// The object lacks what the API server always sets.
    #[error("the object has no {0}")]
    Incomplete(&'static str),
    /// A name that children could not carry.
    #[error("metadata.name {0:?} has more than 28 characters")]
    NameTooLong(String),
    /// A Secret that the spec names is not there (yet).
    #[error("{field}: Secret {name:?} does not exist")]
    SecretMissing {
        /// Path of the field that names it.
        field: String,
        /// Its name.
        name: String,
    },
    /// A Secret lacks a key.
    #[error("{field}: Secret {name:?} has no key {key:?}")]
    KeyMissing {
        /// Path of the field that names it.
        field: String,
        /// The Secret's name.
        name: String,
        /// The key.
        key: String,
    },
    /// A Secret's value cannot be used.
    #[error("{field}: Secret {name:?}: {problem}")]
    SecretUnusable {
        /// Path of the field that names it.
        field: String,
        /// The Secret's name.
        name: String,
        /// What is wrong, without the value.
        problem: &'static str,
    },
    /// A Secret of ours does not hold what it should. It is not made anew: sessions and stores may
    /// hang on what it held.
    #[error(
        "Secret {name:?} has no usable {key:?}; restore it, or delete the Secret to have a new one made"
    )]
    SecretDamaged {
        /// Its name.
        name: String,
        /// The key.
        key: &'static str,
    },
    /// A Secret of a name that we need is somebody else's.
    #[error("Secret {name:?} has a name that the platform needs, and {whose}; it is left as it is")]
    SecretNotOurs {
        /// Its name.
        name: String,
        /// Whose it is.
        whose: String,
    },
    /// `managed` and `external` are both or neither there.
    #[error("spec.stores.{0}: exactly one of managed and external")]
    StoreAmbiguous(&'static str),
}

/// Checks `platform` against what it refers to, and completes its secrets.
///
/// # Errors
/// The first thing that must change before the platform can be built.
pub fn validate(
    platform: &QuickBitePlatform,
    live: &LiveSecrets,
    referenced: Referenced,
    entropy: &mut dyn Entropy,
    now: Timestamp,
) -> Result<ValidatedPlatform, Invalid> {
    let name = platform.name_any();
    if name.is_empty() {
        return Err(Invalid::Incomplete("metadata.name"));
    }
    if name.len() > 28 {
        return Err(Invalid::NameTooLong(name));
    }
    let namespace = platform
        .namespace()
        .ok_or(Invalid::Incomplete("metadata.namespace"))?;
    let owner = platform
        .controller_owner_ref(&())
        .ok_or(Invalid::Incomplete("metadata.uid"))?;
    let mut external = BTreeMap::new();
    for store in Store::ALL {
        let spec = store.spec(&platform.spec);
        match (&spec.managed, &spec.external) {
            (Some(_), None) => {}
            (None, Some(there)) => {
                let found = External::read(store, &there.secret_ref.name, &referenced.secrets)?;
                external.insert(store, found);
            }
            _ => return Err(Invalid::StoreAmbiguous(store.name())),
        }
    }
    for (field, secret, key) in referenced_keys(&platform.spec) {
        let data = referenced
            .secrets
            .get(&secret)
            .ok_or_else(|| Invalid::SecretMissing {
                field: field.clone(),
                name: secret.clone(),
            })?;
        if !data.contains_key(&key) {
            return Err(Invalid::KeyMissing {
                field,
                name: secret,
                key,
            });
        }
    }
    let is_external = |store| external.contains_key(&store);
    let material = Material::complete(&name, live, is_external, entropy, now)
        .map_err(|Damaged { name, key }| Invalid::SecretDamaged { name, key })?;
    let spec = platform.spec.clone();
    Ok(ValidatedPlatform {
        name,
        namespace,
        owner,
        spec,
        material,
        external,
        referenced,
    })
}

/// (field, Secret, key) of every key that a service's environment takes from a Secret of the user.
pub(crate) fn referenced_keys(spec: &QuickBitePlatformSpec) -> Vec<(String, String, String)> {
    let mut keys = Vec::new();
    for service in Service::ALL
        .into_iter()
        .filter(|service| service.enabled(spec))
    {
        let path = match service {
            Service::Gateway => "spec.gateway".to_owned(),
            _ => format!("spec.services.{}", service.name()),
        };
        for variable in &service.workload(spec).env {
            if let Some(source) = &variable.value_from {
                let field = format!("{path}.env[{}].valueFrom.secretKeyRef", variable.name);
                let reference = &source.secret_key_ref;
                keys.push((field, reference.name.clone(), reference.key.clone()));
            }
        }
    }
    if let Some(smtp) = &spec.services.notification.smtp_secret_ref {
        let field = "spec.services.notification.smtpSecretRef".to_owned();
        keys.push((field, smtp.name.clone(), smtp.key.clone()));
    }
    keys
}

/// Names of all Secrets that `spec` refers to and the operator does not own.
#[must_use]
pub fn referenced_secrets(spec: &QuickBitePlatformSpec) -> Vec<String> {
    let mut names: Vec<String> = referenced_keys(spec)
        .into_iter()
        .map(|(_, secret, _)| secret)
        .collect();
    for store in Store::ALL {
        names.extend(
            store
                .spec(spec)
                .external
                .iter()
                .map(|there| there.secret_ref.name.clone()),
        );
    }
    names.sort();
    names.dedup();
    names
}

impl ValidatedPlatform {
    /// The services that run.
    pub fn services(&self) -> impl Iterator<Item = Service> + '_ {
        Service::ALL
            .into_iter()
            .filter(|service| service.enabled(&self.spec))
    }

    /// The stores that the operator runs, with what the spec says about them.
    pub fn managed_stores(&self) -> impl Iterator<Item = (Store, &crate::api::Managed)> {
        Store::ALL
            .into_iter()
            .filter_map(|store| Some((store, store.spec(&self.spec).managed.as_ref()?)))
    }

    /// `<platform>-<component>`.
    #[must_use]
    pub fn object_name(&self, component: Component) -> String {
        format!("{}-{}", self.name, component.name())
    }

    /// Whether defaults are those of production.
    #[must_use]
    pub fn is_production(&self) -> bool {
        self.spec.profile == Profile::Production
    }
}

//! Databases, cache and broker: managed (a StatefulSet of ours) or external (a Secret says where).

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{LocalRef, Resources};

/// The four stores.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
pub struct Stores {
    /// PostgreSQL: accounts, orders, drivers, notifications, payments, each in a database of its own.
    #[serde(default)]
    pub postgres: Store,
    /// MongoDB: restaurants and menus.
    #[serde(default)]
    pub mongodb: Store,
    /// Redis: caches, rate limits, revoked tokens, live positions.
    #[serde(default)]
    pub redis: Store,
    /// RabbitMQ: facts and commands between services.
    #[serde(default)]
    pub rabbitmq: Store,
}

/// One store, managed by the operator or external.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("has(self.managed) != has(self.external)").message("exactly one of managed and external"))]
pub struct Store {
    /// The operator runs it as a single-node StatefulSet: for development and small sites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<Managed>,
    /// Somebody else runs it, and a Secret says how to reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            managed: Some(Managed::default()),
            external: None,
        }
    }
}

/// A store that the operator runs.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)").message("storageClassName cannot change once the volume exists"))]
pub struct Managed {
    /// Image of the store; the official one when left out (postgres:17, mongo:8, redis:8,
    /// rabbitmq:4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 500),
        regex(pattern = r"^[a-z0-9][a-zA-Z0-9._:/@-]*$")
    )]
    pub image: Option<String>,
    /// Size of the volume, such as 10Gi. It can grow where the storage class allows, never shrink.
    #[serde(default = "Managed::default_storage")]
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(validation = Rule::new("isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))").message("storage is a positive quantity such as 10Gi"))]
    #[x_kube(validation = Rule::new("!isQuantity(self) || !isQuantity(oldSelf) || quantity(self).compareTo(quantity(oldSelf)) >= 0").message("storage cannot shrink"))]
    pub storage: String,
    /// Class of the volume; the cluster's default when left out. It cannot change later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub storage_class_name: Option<String>,
    /// Requests and limits of the container; parts that are left out come from the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// What happens to the volume when the platform is deleted: Retain keeps it, Delete removes it.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

impl Managed {
    fn default_storage() -> String {
        "1Gi".into()
    }
}

impl Default for Managed {
    fn default() -> Self {
        Self {
            image: None,
            storage: Self::default_storage(),
            storage_class_name: None,
            resources: None,
            deletion_policy: DeletionPolicy::default(),
        }
    }
}

/// What happens to a volume when its platform is deleted.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// The volume stays.
    #[default]
    Retain,
    /// The volume goes too.
    Delete,
}

/// A store that somebody else runs.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct External {
    /// Secret with the keys host, port, username and password; or uri, which counts first.
    /// PostgreSQL and MongoDB need a user that may create roles and databases: every service gets
    /// its own. Redis and RabbitMQ are used as that user by all services; RabbitMQ also takes
    /// vhost (default quickbite).
    pub secret_ref: LocalRef,
}

//! The custom resource `QuickBitePlatform`: its spec, its status and the rules that the API server
//! enforces. Types and derives only; nothing here does I/O.
//!
//! The doc comments are the manual: they become the descriptions that `kubectl explain qbp.spec`
//! prints. Rules are CEL in the schema, not a webhook, so that a bad object is refused even while
//! the operator is down.

#![expect(
    unreachable_pub,
    reason = "KubeSchema copies each struct, with its `pub`, into a function"
)]

mod common;
mod edge;
mod gateway;
mod services;
mod status;
mod stores;

pub use common::{
    Amounts, Autoscaling, EnvSource, EnvVar, Image, KeyRef, LocalRef, PullPolicy, Resources, Span,
    Workload,
};
pub use edge::{
    Auth, BootstrapAdmin, Canary, GatewayRef, Ingress, IngressControllerPeer, IngressTls,
    NetworkPolicySpec, Observability, Rollout, RolloutStrategy, Tracing,
};
pub use gateway::{CircuitBreaker, GatewaySpec, RateLimit, RateLimits};
pub use services::{
    DriverSpec, NotificationSpec, OrderSpec, PaymentSpec, RestaurantCache, RestaurantSpec,
    Services, UserSpec,
};
pub use status::{ComponentStatus, InventoryEntry, PlatformStatus};
pub use stores::{DeletionPolicy, External, Managed, Store, Stores};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{CustomResource, CustomResourceExt, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The API group of everything that is ours.
pub const GROUP: &str = "quickbite.dev";

/// What a whole QuickBite platform should look like: seven services, their stores, the public
/// entry, scaling and policies. The operator makes it so and keeps it so.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "quickbite.dev",
    version = "v1alpha1",
    kind = "QuickBitePlatform",
    plural = "quickbiteplatforms",
    shortname = "qbp",
    category = "quickbite",
    namespaced,
    status = "PlatformStatus",
    derive = "PartialEq",
    cel,
    doc = "A whole QuickBite platform: seven services, their stores, the public entry, scaling and policies.",
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,26}[a-z0-9])?$')").message("metadata.name is at most 28 of a-z, 0-9 and '-', starts with a letter and ends with a letter or digit: children are named after it"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status", description = "Whether an order can go through"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version", description = "Version that all services run"),
    printcolumn(name = "Gateway", type_ = "string", json_path = ".status.gateway", description = "Gateway pods, ready/desired"),
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".status.endpoint", description = "URL of the public API"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", description = "Why it is ready or not", priority = "1")
)]
#[serde(rename_all = "camelCase")]
pub struct QuickBitePlatformSpec {
    /// Tag of every service's image, such as 0.1.0. Changing it upgrades the platform: migrations
    /// first, then one service after the other, then the gateway.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9_][A-Za-z0-9_.-]*$')").message("version is an image tag: letters, digits, '_', '.', '-', not starting with '.' or '-'"))]
    pub version: String,
    /// Where defaults come from. Development: one replica, small stores. Production: two replicas,
    /// disruption budgets, spread over nodes and zones, larger requests. A value given elsewhere in
    /// the spec always counts first.
    #[serde(default)]
    pub profile: Profile,
    /// Where images are pulled from, and how.
    #[serde(default)]
    pub image: Image,
    /// How clients reach the gateway from outside the cluster. Without it there is no public entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Ingress>,
    /// Tokens and the first administrator.
    #[serde(default)]
    pub auth: Auth,
    /// The only public door: identity, rate limits, circuit breakers, routing.
    #[serde(default)]
    pub gateway: GatewaySpec,
    /// The services behind the gateway. All are enabled unless they say otherwise.
    #[serde(default)]
    pub services: Services,
    /// Databases, cache and broker: each is managed by the operator or external.
    #[serde(default)]
    pub stores: Stores,
    /// Metrics, dashboards and traces.
    #[serde(default)]
    pub observability: Observability,
    /// Which traffic between pods is allowed.
    #[serde(default)]
    pub network_policy: NetworkPolicySpec,
    /// How a new version of a service replaces the old one.
    #[serde(default)]
    pub rollout: Rollout,
    /// Stops every write of the operator to this platform's children. Status is still kept.
    #[serde(default)]
    pub paused: bool,
}

/// Where defaults come from.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// One replica of everything, small stores, no disruption budgets.
    #[default]
    Development,
    /// Two replicas, disruption budgets, spread, larger requests.
    Production,
}

/// The custom resource definition as it is installed, with `nullable` removed: an explicit null
/// then means "use the default", and CEL never meets one.
#[must_use]
pub fn crd() -> CustomResourceDefinition {
    let mut value =
        serde_json::to_value(QuickBitePlatform::crd()).expect("a CRD serialises to JSON");
    strip_nullable(&mut value);
    serde_json::from_value(value).expect("a CRD without nullable is a CRD")
}

/// `crd()` as the YAML file that `crds/` holds.
#[must_use]
pub fn crd_yaml() -> String {
    serde_yaml::to_string(&crd()).expect("a CRD serialises to YAML")
}

fn strip_nullable(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            if map.get("nullable") == Some(&serde_json::Value::Bool(true)) {
                map.remove("nullable");
            }
            map.values_mut().for_each(strip_nullable);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(strip_nullable),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_description() {
        let crd = serde_json::to_value(crd()).unwrap();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let mut bare = Vec::new();
        for part in ["spec", "status"] {
            collect_bare(&schema["properties"][part], part, &mut bare);
        }
        assert!(bare.is_empty(), "fields without a description: {bare:?}");
    }

    fn collect_bare(schema: &serde_json::Value, path: &str, bare: &mut Vec<String>) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            if field["description"].as_str().is_none_or(str::is_empty) {
                bare.push(path.clone());
            }
            collect_bare(field, &path, bare);
            collect_bare(&field["items"], &format!("{path}[]"), bare);
        }
    }

    #[test]
    fn no_field_is_nullable() {
        assert!(!crd_yaml().contains("nullable"));
    }
}

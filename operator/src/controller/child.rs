//! Every kind of object that the operator makes, in one list.
//!
//! Apply order, watching, pruning and RBAC all iterate `ChildKind::ALL`; adding a kind here adds it
//! everywhere, and forgetting it somewhere does not compile.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service as KubeService, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::validate::Capabilities;
use crate::component::Component;

macro_rules! children {
    ($($kind:ident($object:ty) = $gvk:expr, $why:literal;)*) => {
        /// A kind of object that the operator makes, in the order in which objects of one
        /// component are applied.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ChildKind {
            $(#[doc = $why] $kind,)*
        }

        /// One object that the operator makes.
        #[derive(Clone, Debug)]
        pub enum Object {
            $(#[doc = $why] $kind(Box<$object>),)*
        }

        impl ChildKind {
            /// All kinds, in apply order.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The kind's word, as in manifests.
            #[must_use]
            pub const fn kind(self) -> &'static str {
                match self { $(Self::$kind => stringify!($kind),)* }
            }

            /// What the operator makes it for; RBAC rules carry it as their comment.
            #[must_use]
            pub const fn purpose(self) -> &'static str {
                match self { $(Self::$kind => $why,)* }
            }

            const fn group_version(self) -> (&'static str, &'static str) {
                match self { $(Self::$kind => $gvk,)* }
            }
        }

        impl Object {
            /// Its kind.
            #[must_use]
            pub const fn kind(&self) -> ChildKind {
                match self { $(Self::$kind(_) => ChildKind::$kind,)* }
            }

            /// Its metadata.
            #[must_use]
            pub fn metadata(&self) -> &ObjectMeta {
                match self { $(Self::$kind(object) => object.meta(),)* }
            }

            fn metadata_mut(&mut self) -> &mut ObjectMeta {
                match self { $(Self::$kind(object) => object.meta_mut(),)* }
            }

            /// It as JSON, with apiVersion and kind.
            #[must_use]
            pub fn to_value(&self) -> Value {
                match self {
                    $(Self::$kind(object) => serde_json::to_value(object),)*
                }
                .expect("an object serialises to JSON")
            }
        }

        $(children!(@from $kind, $object);)*
    };
    (@from HttpRoute, $object:ty) => {};
    (@from ServiceMonitor, $object:ty) => {};
    (@from PrometheusRule, $object:ty) => {};
    (@from $kind:ident, $object:ty) => {
        impl From<$object> for Object {
            fn from(object: $object) -> Self {
                Self::$kind(Box::new(object))
            }
        }
    };
}

children! {
    ServiceAccount(ServiceAccount) = ("", "v1"), "an identity per component, without a token";
    Secret(Secret) = ("", "v1"), "credentials and signing keys, generated once";
    ConfigMap(ConfigMap) = ("", "v1"), "settings of each component";
    NetworkPolicy(NetworkPolicy) = ("networking.k8s.io", "v1"), "default deny and what each component needs";
    Service(KubeService) = ("", "v1"), "a stable address per component";
    StatefulSet(StatefulSet) = ("apps", "v1"), "managed stores";
    Job(Job) = ("batch", "v1"), "migrations, before the services that need them";
    Deployment(Deployment) = ("apps", "v1"), "the services and the gateway";
    HorizontalPodAutoscaler(HorizontalPodAutoscaler) = ("autoscaling", "v2"), "scaling by CPU where the spec asks for it";
    PodDisruptionBudget(PodDisruptionBudget) = ("policy", "v1"), "node drains leave enough pods";
    Ingress(Ingress) = ("networking.k8s.io", "v1"), "the public entry";
    HttpRoute(DynamicObject) = ("gateway.networking.k8s.io", "v1"), "the public entry through the Gateway API";
    ServiceMonitor(DynamicObject) = ("monitoring.coreos.com", "v1"), "metrics for the Prometheus Operator";
    PrometheusRule(DynamicObject) = ("monitoring.coreos.com", "v1"), "alerts for the Prometheus Operator";
}

impl ChildKind {
    /// How the API server serves the kind.
    #[must_use]
    pub fn api_resource(self) -> ApiResource {
        let (group, version) = self.group_version();
        let kind = match self {
            // Rust's spelling of the variant differs from Kubernetes' of the kind.
            Self::HttpRoute => "HTTPRoute",
            other => other.kind(),
        };
        ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
    }

    /// The kind's API group, empty for the core.
    #[must_use]
    pub const fn group(self) -> &'static str {
        self.group_version().0
    }

    /// Whether the cluster serves the kind: always for Kubernetes' own, as found for the others.
    #[must_use]
    pub const fn is_served(self, capabilities: Capabilities) -> bool {
        match self {
            Self::HttpRoute => capabilities.http_route,
            Self::ServiceMonitor => capabilities.service_monitor,
            Self::PrometheusRule => capabilities.prometheus_rule,
            _ => true,
        }
    }

    /// Whether the kind exists only where somebody installed its definition.
    #[must_use]
    pub const fn is_optional(self) -> bool {
        matches!(
            self,
            Self::HttpRoute | Self::ServiceMonitor | Self::PrometheusRule
        )
    }
}

/// When an object is applied, relative to the others: each step waits for the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Identities, secrets and network policies.
    Foundation,
    /// Managed stores.
    Stores,
    /// Migration Jobs.
    Migrations,
    /// The services behind the gateway.
    Services,
    /// The gateway.
    Gateway,
    /// The public entry, and what watches the platform.
    Edge,
}

impl Step {
    /// All steps in order.
    pub const ALL: [Self; 6] = [
        Self::Foundation,
        Self::Stores,
        Self::Migrations,
        Self::Services,
        Self::Gateway,
        Self::Edge,
    ];

    fn of(kind: ChildKind, component: Component) -> Self {
        use crate::component::Service;
        match (kind, component) {
            (ChildKind::ServiceAccount | ChildKind::Secret | ChildKind::NetworkPolicy, _) => {
                Self::Foundation
            }
            (ChildKind::Job, _) => Self::Migrations,
            (_, Component::Store(_)) => Self::Stores,
            (_, Component::Service(Service::Gateway)) => Self::Gateway,
            (_, Component::Service(_)) => Self::Services,
            (ChildKind::ConfigMap, Component::Platform) => Self::Foundation,
            (_, Component::Platform) => Self::Edge,
        }
    }
}

/// Annotation with the hash of the object as the operator wants it.
pub const REVISION: &str = "quickbite.dev/revision";

/// One object that the operator makes, with its place in the order.
#[derive(Clone, Debug)]
pub struct Child {
    /// Whose object it is.
    pub component: Component,
    /// When it is applied.
    pub step: Step,
    /// The object, complete with labels, owner and revision.
    pub object: Object,
    /// Hash of the object without its revision annotation.
    pub revision: String,
}

impl Child {
    /// Stamps `object` with the hash of its content.
    #[must_use]
    pub fn new(component: Component, mut object: Object) -> Self {
        let revision = short_hash(object.to_value().to_string().as_bytes());
        let metadata = object.metadata_mut();
        metadata
            .annotations
            .get_or_insert_default()
            .insert(REVISION.to_owned(), revision.clone());
        Self {
            component,
            step: Step::of(object.kind(), component),
            object,
            revision,
        }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> ChildKind {
        self.object.kind()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.object.metadata().name.as_deref().unwrap_or_default()
    }

    /// What identifies it within its namespace.
    #[must_use]
    pub fn key(&self) -> ChildKey {
        (self.kind(), self.name().to_owned())
    }
}

/// What identifies a child within its namespace.
pub type ChildKey = (ChildKind, String);

/// The first 16 hex digits of the SHA-256: enough to tell revisions apart, short enough to read.
#[must_use]
pub fn short_hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

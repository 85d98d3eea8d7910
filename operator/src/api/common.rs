//! Pieces that several parts of the spec share: images, amounts, environment, scaling.
//!
//! Upper bounds stand on every list and string: the API server refuses CEL rules whose worst case
//! it cannot bound, and nobody needs a thousand environment variables.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where images come from.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// Registry and path in front of the service's name, such as ghcr.io/quickbite. The image of
    /// the user service is then <registry>/user:<version>.
    #[serde(default = "Image::default_registry")]
    #[schemars(length(min = 1, max = 200))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]([a-z0-9._-]*[a-z0-9])?)*$')").message("registry is a host name with an optional port and lower-case path, without a scheme or tag"))]
    pub registry: String,
    /// When nodes pull an image: IfNotPresent, Always or Never.
    #[serde(default)]
    pub pull_policy: PullPolicy,
    /// Secrets of type kubernetes.io/dockerconfigjson that give access to the registry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub pull_secrets: Vec<LocalRef>,
}

impl Image {
    fn default_registry() -> String {
        "quickbite.dev".into()
    }
}

impl Default for Image {
    fn default() -> Self {
        Self {
            registry: Self::default_registry(),
            pull_policy: PullPolicy::default(),
            pull_secrets: Vec::new(),
        }
    }
}

/// When nodes pull an image.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullPolicy {
    /// Only when the node does not have it.
    #[default]
    IfNotPresent,
    /// At every start of a pod.
    Always,
    /// Never; the node must have it.
    Never,
}

impl PullPolicy {
    /// The word that pods use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IfNotPresent => "IfNotPresent",
            Self::Always => "Always",
            Self::Never => "Never",
        }
    }
}

/// An object of the same namespace, by name.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct LocalRef {
    /// Name of the object, in the platform's namespace.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub name: String,
}

/// One key of a Secret of the same namespace.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct KeyRef {
    /// Name of the Secret, in the platform's namespace.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Key in the Secret's data.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// One additional environment variable of a service.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.value) != has(self.valueFrom)").message("exactly one of value and valueFrom"))]
pub struct EnvVar {
    /// Name: letters, digits and '_', not starting with a digit. Names that the operator itself
    /// sets (addresses, store URLs, key files) are refused.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z_][A-Za-z0-9_]*$')").message("an environment variable's name has letters, digits and '_' and does not start with a digit"))]
    #[x_kube(validation = Rule::new("!(self in ['HTTP_ADDR', 'METRICS_ADDR', 'DRAIN_DELAY_SECONDS', 'DATABASE_URL', 'DATABASE_ADMIN_URL', 'MONGODB_URI', 'MONGODB_ADMIN_URI', 'REDIS_URL', 'AMQP_URL', 'INTERNAL_JWKS_FILE', 'INTERNAL_SIGNING_KEYS_FILE', 'TOKEN_JWKS_FILE', 'TOKEN_SIGNING_KEYS_FILE', 'GATEWAY_POLICY_FILE', 'BOOTSTRAP_ADMIN_EMAIL', 'BOOTSTRAP_ADMIN_PASSWORD', 'PATH', 'LD_PRELOAD', 'LD_LIBRARY_PATH'])").message("this variable is set by the operator"))]
    pub name: String,
    /// The value, verbatim; $(NAME) is not expanded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub value: Option<String>,
    /// Takes the value from a Secret instead; a change of that Secret rolls the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<EnvSource>,
}

/// Where an environment variable's value comes from.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EnvSource {
    /// The key of a Secret that holds the value.
    pub secret_key_ref: KeyRef,
}

/// What a container asks for and may use at most.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
pub struct Resources {
    /// What the scheduler reserves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Amounts>,
    /// What the container may use at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Amounts>,
}

/// CPU and memory.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Amounts {
    /// CPU as a Kubernetes quantity, such as 250m or 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20))]
    #[x_kube(validation = Rule::new("isQuantity(self)").message("cpu is a quantity such as 250m or 2"))]
    pub cpu: Option<String>,
    /// Memory as a Kubernetes quantity, such as 64Mi or 1Gi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20))]
    #[x_kube(validation = Rule::new("isQuantity(self)").message("memory is a quantity such as 64Mi or 1Gi"))]
    pub memory: Option<String>,
}

/// Scaling by CPU.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.minReplicas <= self.maxReplicas").message("minReplicas is at most maxReplicas"))]
pub struct Autoscaling {
    /// Fewest pods, 1 to 100.
    #[serde(default = "Autoscaling::default_min")]
    #[schemars(range(min = 1, max = 100))]
    pub min_replicas: i32,
    /// Most pods, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub max_replicas: i32,
    /// CPU use to aim for, in percent of the request, 1 to 100.
    #[serde(rename = "targetCPU", default = "Autoscaling::default_target")]
    #[schemars(range(min = 1, max = 100))]
    pub target_cpu: i32,
}

impl Autoscaling {
    fn default_min() -> i32 {
        2
    }

    fn default_target() -> i32 {
        70
    }
}

/// What every service and the gateway may say about their pods.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.replicas) && has(self.autoscaling))").message("replicas and autoscaling exclude each other: with autoscaling the autoscaler decides"))]
pub struct Workload {
    /// Number of pods, 1 to 100. Default: 1 in Development, 2 in Production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub replicas: Option<i32>,
    /// Lets a HorizontalPodAutoscaler decide the number of pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// Requests and limits of the container; parts that are left out come from the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// A whole image reference for this service alone, instead of <registry>/<service>:<version>.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 500),
        regex(pattern = r"^[a-z0-9][a-zA-Z0-9._:/@-]*$")
    )]
    pub image: Option<String>,
    /// Additional environment variables, at most 64, each name once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Vec<EnvVar>,
}

/// A length of time as people write it: 60s, 5m, 12h, 30d.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[schemars(inline)]
pub struct Span(
    #[schemars(length(min = 2, max = 8), regex(pattern = r"^[1-9][0-9]{0,5}[smhd]$"))] String,
);

impl Span {
    /// `text` is `<number><s|m|h|d>`; anything else counts as zero seconds, which the schema's
    /// pattern rules out for objects that came through the API server.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The length in seconds.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        let Some((at, unit)) = self.0.char_indices().last() else {
            return 0;
        };
        let factor = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => 0,
        };
        self.0[..at]
            .parse::<u64>()
            .unwrap_or(0)
            .saturating_mul(factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_counts_its_unit() {
        let seconds = |text: &str| Span::new(text).seconds();
        assert_eq!(
            [seconds("60s"), seconds("5m"), seconds("12h"), seconds("7d")],
            [60, 300, 43_200, 604_800]
        );
    }
}

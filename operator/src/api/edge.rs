//! Everything around the services: the public entry, tokens, observability, network policy, rollout.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::Span;

/// How clients reach the gateway from outside the cluster.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.className) && has(self.gatewayRef))").message("className (an Ingress) and gatewayRef (an HTTPRoute) exclude each other"))]
pub struct Ingress {
    /// Host name of the public API, such as api.example.com.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\\\\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$')").message("host is a DNS name: lower-case letters, digits, '-' and '.', without scheme, port or path"))]
    pub host: String,
    /// Class of the Ingress, which names the controller that serves it; the cluster's default
    /// class when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub class_name: Option<String>,
    /// Serves HTTPS with the certificate of a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<IngressTls>,
    /// Annotations for the Ingress, for what its controller understands.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub annotations: BTreeMap<String, String>,
    /// Uses an HTTPRoute on this Gateway (Gateway API) instead of an Ingress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_ref: Option<GatewayRef>,
}

/// The certificate of the public API.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct IngressTls {
    /// Name of a Secret of type kubernetes.io/tls in the platform's namespace.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub secret_name: String,
}

/// A Gateway of the Gateway API.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct GatewayRef {
    /// Name of the Gateway.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Namespace of the Gateway; the platform's own when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub namespace: Option<String>,
    /// Listener of the Gateway; all of them when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub section_name: Option<String>,
}

/// Tokens and the first administrator.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// How long an access token is valid, such as 7d.
    #[serde(default = "Auth::default_access_ttl")]
    pub access_token_ttl: Span,
    /// How long a refresh token is valid, such as 30d.
    #[serde(default = "Auth::default_refresh_ttl")]
    pub refresh_token_ttl: Span,
    /// After how long a new signing key takes over; the old one stays valid for what it signed.
    #[serde(default = "Auth::default_rotation")]
    pub key_rotation: Span,
    /// Creates an administrator account when the platform first starts. Its password is generated
    /// into the Secret <platform>-bootstrap-admin. Another password in that Secret becomes the account's; one that
    /// the admin changed through the API stays until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap_admin: Option<BootstrapAdmin>,
}

impl Auth {
    fn default_access_ttl() -> Span {
        Span::new("7d")
    }

    fn default_refresh_ttl() -> Span {
        Span::new("30d")
    }

    fn default_rotation() -> Span {
        Span::new("90d")
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            access_token_ttl: Self::default_access_ttl(),
            refresh_token_ttl: Self::default_refresh_ttl(),
            key_rotation: Self::default_rotation(),
            bootstrap_admin: None,
        }
    }
}

/// The first administrator.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct BootstrapAdmin {
    /// E-mail address to log in with.
    #[schemars(length(min = 3, max = 254))]
    #[x_kube(validation = Rule::new("self.matches('^[^@\\\\s]+@[^@\\\\s]+$')").message("email is an address such as admin@example.com"))]
    pub email: String,
}

/// Metrics, dashboards and traces.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Observability {
    /// Makes a ServiceMonitor where the cluster knows that kind (Prometheus Operator).
    #[serde(default)]
    pub service_monitor: bool,
    /// Makes a PrometheusRule with the platform's alerts where the cluster knows that kind.
    #[serde(default)]
    pub prometheus_rule: bool,
    /// Makes a ConfigMap with Grafana dashboards, labelled grafana_dashboard=1. Not built yet: the
    /// field is accepted and has no effect.
    #[serde(default)]
    pub dashboards: bool,
    /// Sends traces to a collector; off when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracing: Option<Tracing>,
}

/// Where traces go.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Tracing {
    /// Base URL of an OTLP/HTTP collector, such as http://collector.observability:4318.
    #[schemars(length(min = 8, max = 500))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() in ['http', 'https']").message("otlpEndpoint is an http or https URL"))]
    pub otlp_endpoint: String,
    /// Share of requests that are traced, in percent, 0 to 100.
    #[serde(default = "Tracing::default_ratio")]
    #[schemars(range(min = 0, max = 100))]
    pub sample_ratio: i32,
}

impl Tracing {
    fn default_ratio() -> i32 {
        10
    }
}

/// Which traffic between pods is allowed.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPolicySpec {
    /// Denies everything but ingress controller to gateway, gateway to services, services to their
    /// own store and the broker, DNS and metrics.
    #[serde(default = "NetworkPolicySpec::default_enabled")]
    pub enabled: bool,
    /// Who may reach the gateway; everyone in the cluster when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress_controller: Option<IngressControllerPeer>,
    /// Namespace whose pods may read metrics; every namespace when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub monitoring_namespace: Option<String>,
}

impl NetworkPolicySpec {
    fn default_enabled() -> bool {
        true
    }
}

impl Default for NetworkPolicySpec {
    fn default() -> Self {
        Self {
            enabled: true,
            ingress_controller: None,
            monitoring_namespace: None,
        }
    }
}

/// Where the ingress controller's pods are.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.__namespace__) || has(self.cidrs)").message("at least one of namespace and cidrs"))]
pub struct IngressControllerPeer {
    /// Namespace of the controller's pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub namespace: Option<String>,
    /// Address ranges of a controller on the host network, such as 10.0.0.0/16; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 43)))]
    #[x_kube(validation = Rule::new("self.all(c, isCIDR(c))").message("cidrs are address ranges such as 10.0.0.0/16"))]
    pub cidrs: Vec<String>,
}

/// How a new version replaces the old one.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// RollingUpdate replaces pods one by one. Canary shifts traffic in steps; until that is built
    /// it behaves as RollingUpdate and an event says so.
    #[serde(default)]
    pub strategy: RolloutStrategy,
    /// Steps of a canary rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
}

/// How a new version replaces the old one.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RolloutStrategy {
    /// Pod by pod, never fewer than before.
    #[default]
    RollingUpdate,
    /// Traffic in steps.
    Canary,
}

/// Steps of a canary rollout.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Canary {
    /// Shares of the traffic in percent, in order, such as [10, 50]; at most 10.
    #[serde(default = "Canary::default_steps")]
    #[schemars(length(min = 1, max = 10), inner(range(min = 1, max = 100)))]
    pub steps: Vec<i32>,
    /// How long each step lasts, such as 60s.
    #[serde(default = "Canary::default_pause")]
    pub pause: Span,
    /// Share of failed requests that ends the rollout, such as 1%.
    #[serde(default = "Canary::default_max_error_rate")]
    #[schemars(
        length(min = 2, max = 6),
        regex(pattern = r"^[0-9]{1,2}(\.[0-9]{1,2})?%$")
    )]
    pub max_error_rate: String,
}

impl Canary {
    fn default_steps() -> Vec<i32> {
        vec![10, 50]
    }

    fn default_pause() -> Span {
        Span::new("60s")
    }

    fn default_max_error_rate() -> String {
        "1%".into()
    }
}

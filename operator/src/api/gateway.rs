//! The gateway's part of the spec. Limits and breaker settings reach running pods without a
//! restart: the gateway re-reads its policy file.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::Workload;

/// The only public door.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct GatewaySpec {
    /// Pods of the gateway.
    #[serde(flatten)]
    pub workload: Workload,
    /// How many requests one client may send. Changes apply without a restart.
    #[serde(default)]
    pub rate_limits: RateLimits,
    /// When the gateway stops calling a failing service. Changes apply without a restart.
    #[serde(default)]
    pub circuit_breaker: CircuitBreaker,
    /// Address ranges of proxies in front of the gateway, such as 10.0.0.0/8. Only from these is
    /// X-Forwarded-For believed; at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 43)))]
    #[x_kube(validation = Rule::new("self.all(c, isCIDR(c))").message("trustedProxies are address ranges such as 10.0.0.0/8"))]
    pub trusted_proxies: Vec<String>,
}

/// Three tiers of request limits, each a sliding window shared by all gateway pods.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// Reads (GET), by client address. Default: 100 in 15 minutes.
    #[serde(default = "RateLimits::default_general")]
    pub general: RateLimit,
    /// Failed logins, registrations and refreshes, by client address and route. Default: 5 in 15
    /// minutes; successes do not count.
    #[serde(default = "RateLimits::default_auth")]
    pub auth: RateLimit,
    /// Writes, by user or client address. Default: 20 in one minute.
    #[serde(default = "RateLimits::default_write")]
    pub write: RateLimit,
}

impl RateLimits {
    fn default_general() -> RateLimit {
        RateLimit {
            limit: 100,
            window_seconds: 900,
        }
    }

    fn default_auth() -> RateLimit {
        RateLimit {
            limit: 5,
            window_seconds: 900,
        }
    }

    fn default_write() -> RateLimit {
        RateLimit {
            limit: 20,
            window_seconds: 60,
        }
    }
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            general: Self::default_general(),
            auth: Self::default_auth(),
            write: Self::default_write(),
        }
    }
}

/// At most `limit` requests in any window of `windowSeconds`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// Requests in one window, 1 to 10000000.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub limit: i32,
    /// Length of the window in seconds, 1 to 86400.
    #[schemars(range(min = 1, max = 86_400))]
    pub window_seconds: i32,
}

/// When the gateway stops calling a failing service.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CircuitBreaker {
    /// How long one call may take, in milliseconds.
    #[serde(default = "CircuitBreaker::default_timeout")]
    #[schemars(range(min = 10, max = 120_000))]
    pub timeout_ms: i32,
    /// Share of failed calls that opens the breaker, in percent.
    #[serde(default = "CircuitBreaker::default_threshold")]
    #[schemars(range(min = 1, max = 100))]
    pub error_threshold_percentage: i32,
    /// How long the breaker stays open before one call is tried, in milliseconds.
    #[serde(default = "CircuitBreaker::default_reset")]
    #[schemars(range(min = 100, max = 3_600_000))]
    pub reset_timeout_ms: i32,
    /// Window in which calls are counted, in milliseconds.
    #[serde(default = "CircuitBreaker::default_window")]
    #[schemars(range(min = 1_000, max = 600_000))]
    pub rolling_window_ms: i32,
    /// Fewest calls in a window before the share counts.
    #[serde(default = "CircuitBreaker::default_volume")]
    #[schemars(range(min = 1, max = 100_000))]
    pub volume_threshold: i32,
}

impl CircuitBreaker {
    fn default_timeout() -> i32 {
        5_000
    }

    fn default_threshold() -> i32 {
        50
    }

    fn default_reset() -> i32 {
        30_000
    }

    fn default_window() -> i32 {
        10_000
    }

    fn default_volume() -> i32 {
        5
    }
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self {
            timeout_ms: Self::default_timeout(),
            error_threshold_percentage: Self::default_threshold(),
            reset_timeout_ms: Self::default_reset(),
            rolling_window_ms: Self::default_window(),
            volume_threshold: Self::default_volume(),
        }
    }
}

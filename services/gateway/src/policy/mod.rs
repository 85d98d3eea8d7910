//! Limits, breaker numbers and trusted proxies: one JSON file that may change while we run.
//!
//! A file that does not parse at the start ends the process; one that stops parsing later is
//! reported, and what was in force stays.

pub(crate) mod follow;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ipnet::IpNet;
use quickbite_resilience::breaker::Settings;
use quickbite_resilience::rate_limit::Quota;
use serde::Deserialize;

use crate::routing::Tier;

/// What the file says. Absent members have the seed's numbers.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Policy {
    rate_limits: RateLimits,
    circuit_breaker: CircuitBreaker,
    /// Whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: Vec<IpNet>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RateLimits {
    general: Limit,
    auth: Limit,
    write: Limit,
}

impl Default for RateLimits {
    fn default() -> Self {
        let limit = |limit, window_seconds| Limit {
            limit,
            window_seconds,
        };
        Self {
            general: limit(100, 900),
            auth: limit(5, 900),
            write: limit(20, 60),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Limit {
    limit: u32,
    window_seconds: u64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct CircuitBreaker {
    timeout_ms: u64,
    error_threshold_percentage: u8,
    reset_timeout_ms: u64,
    rolling_window_ms: u64,
    volume_threshold: u32,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        let Settings {
            timeout,
            error_threshold_percentage,
            reset_timeout,
            rolling_window,
            volume_threshold,
        } = Settings::default();
        Self {
            timeout_ms: timeout.as_millis() as u64,
            error_threshold_percentage,
            reset_timeout_ms: reset_timeout.as_millis() as u64,
            rolling_window_ms: rolling_window.as_millis() as u64,
            volume_threshold,
        }
    }
}

/// The file says something that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Not JSON of this shape.
    #[error("the gateway policy is not readable")]
    Json(#[from] serde_json::Error),
    /// A number out of its range.
    #[error("the gateway policy: {0}")]
    Range(&'static str),
}

impl Policy {
    /// Reads and checks the file's text.
    ///
    /// # Errors
    /// [`PolicyError`] names what is wrong.
    pub fn parse(json: &str) -> Result<Self, PolicyError> {
        let policy: Self = serde_json::from_str(json)?;
        let RateLimits {
            general,
            auth,
            write,
        } = &policy.rate_limits;
        let rules = [
            (
                [general, auth, write].iter().all(|l| l.window_seconds > 0),
                "a limit's windowSeconds is at least 1",
            ),
            (
                (1..=100).contains(&policy.circuit_breaker.error_threshold_percentage),
                "errorThresholdPercentage is 1 to 100",
            ),
            (
                policy.circuit_breaker.timeout_ms > 0,
                "timeoutMs is at least 1",
            ),
            (
                policy.circuit_breaker.rolling_window_ms >= 10,
                "rollingWindowMs is at least 10",
            ),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, broken)) => Err(PolicyError::Range(broken)),
            None => Ok(policy),
        }
    }

    pub(crate) fn quota(&self, tier: Tier) -> Quota {
        let limit = match tier {
            Tier::General => self.rate_limits.general,
            Tier::Auth => self.rate_limits.auth,
            Tier::Write => self.rate_limits.write,
        };
        Quota {
            limit: limit.limit,
            window: Duration::from_secs(limit.window_seconds),
        }
    }

    pub(crate) fn breaker(&self) -> Settings {
        let CircuitBreaker {
            timeout_ms,
            error_threshold_percentage,
            reset_timeout_ms,
            rolling_window_ms,
            volume_threshold,
        } = self.circuit_breaker;
        Settings {
            timeout: Duration::from_millis(timeout_ms),
            error_threshold_percentage,
            reset_timeout: Duration::from_millis(reset_timeout_ms),
            rolling_window: Duration::from_millis(rolling_window_ms),
            volume_threshold,
        }
    }
}

/// The policy in force. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct PolicyInForce(Arc<RwLock<Arc<Policy>>>);

impl PolicyInForce {
    pub(crate) fn new(policy: Policy) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(policy))))
    }

    pub(crate) fn get(&self) -> Arc<Policy> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn replace(&self, policy: Policy) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_policy_has_the_seeds_numbers() {
        let policy = Policy::parse("{}").unwrap();
        assert_eq!(policy.quota(Tier::General).limit, 100);
        assert_eq!(policy.quota(Tier::Auth).limit, 5);
        assert_eq!(policy.quota(Tier::Write).window, Duration::from_secs(60));
        assert_eq!(policy.breaker(), Settings::default());
    }

    #[test]
    fn the_operators_file_is_understood() {
        let policy = Policy::parse(
            r#"{"rateLimits":{"general":{"limit":7,"windowSeconds":9},"auth":{"limit":5,"windowSeconds":900},
                "write":{"limit":20,"windowSeconds":60}},"circuitBreaker":{"timeoutMs":250,
                "errorThresholdPercentage":50,"resetTimeoutMs":30000,"rollingWindowMs":10000,
                "volumeThreshold":5},"trustedProxies":["10.0.0.0/8"]}"#,
        )
        .unwrap();
        assert_eq!(policy.quota(Tier::General).limit, 7);
        assert_eq!(policy.breaker().timeout, Duration::from_millis(250));
        assert_eq!(policy.trusted_proxies.len(), 1);
    }

    #[test]
    fn a_policy_that_cannot_be_is_refused_by_name() {
        for (json, word) in [
            (
                r#"{"rateLimits":{"auth":{"limit":5,"windowSeconds":0}}}"#,
                "windowSeconds",
            ),
            (
                r#"{"circuitBreaker":{"errorThresholdPercentage":101}}"#,
                "Percentage",
            ),
            (
                r#"{"circuitBreaker":{"rollingWindowMs":3}}"#,
                "rollingWindowMs",
            ),
        ] {
            let error = Policy::parse(json).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        assert!(Policy::parse(r#"{"trustedProxies":["10.0.0.0/99"]}"#).is_err());
    }
}

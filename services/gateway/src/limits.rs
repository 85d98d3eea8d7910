//! The three tiers on a request: which key, which quota, which headers.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, StatusCode};
use quickbite_auth::Identity;
use quickbite_http::Problem;
use quickbite_resilience::rate_limit::{Decision, Draw, RateLimiter};
use quickbite_telemetry::metrics::{IntCounterVec, counter_vec};

use crate::client_ip::limit_key;
use crate::policy::Policy;
use crate::routing::Tier;

pub(crate) struct Limits {
    limiter: RateLimiter,
    decisions: IntCounterVec,
}

/// One request's share of a limit.
pub(crate) struct Ticket {
    tier: Tier,
    key: String,
    decision: Decision,
}

impl Limits {
    pub(crate) fn new(limiter: RateLimiter) -> Self {
        Self {
            limiter,
            decisions: counter_vec(
                "quickbite_rate_limit_requests_total",
                "Requests judged by a limit",
                &["tier", "outcome"],
            ),
        }
    }

    /// Counts the request.
    ///
    /// # Errors
    /// The 429 problem, when there is nothing left.
    pub(crate) async fn count(
        &self,
        policy: &Policy,
        tier: Tier,
        client: IpAddr,
        user: Option<&Identity>,
        path: &str,
    ) -> Result<Ticket, Problem> {
        let (key, draw) = match (tier, user) {
            (Tier::Auth, _) => (format!("auth:{}:{path}", limit_key(client)), Draw::Single),
            (Tier::Write, Some(user)) => (format!("write:user:{}", user.user_id), Draw::Lease),
            (Tier::Write, None) => (format!("write:{}", limit_key(client)), Draw::Lease),
            (Tier::General, _) => (format!("general:{}", limit_key(client)), Draw::Lease),
        };
        let decision = self.limiter.take(policy.quota(tier), &key, draw).await;
        let outcome = if decision.allowed {
            "allowed"
        } else {
            "refused"
        };
        self.decisions
            .with_label_values(&[tier.name(), outcome])
            .inc();
        let ticket = Ticket {
            tier,
            key,
            decision,
        };
        if ticket.decision.allowed {
            Ok(ticket)
        } else {
            Err(ticket.problem())
        }
    }

    /// Looks at how the request ended: what counts only failures gives a success back.
    pub(crate) async fn settle(&self, ticket: &Ticket, status: StatusCode, reached: bool) {
        let innocent = status.as_u16() < 400 || !reached;
        if ticket.tier == Tier::Auth && innocent {
            self.limiter.give_back(&ticket.key, &ticket.decision).await;
        }
    }
}

impl Ticket {
    /// `RateLimit-*` of draft-ietf-httpapi-ratelimit-headers-03, times in seconds.
    pub(crate) fn mark(&self, headers: &mut HeaderMap) {
        for (name, value) in self.headers() {
            headers.insert(name, value);
        }
    }

    fn headers(&self) -> [(&'static str, HeaderValue); 3] {
        let Decision {
            quota,
            remaining,
            reset,
            ..
        } = &self.decision;
        [
            ("ratelimit-limit", HeaderValue::from(quota.limit)),
            ("ratelimit-remaining", HeaderValue::from(*remaining)),
            ("ratelimit-reset", HeaderValue::from(seconds_up(*reset))),
        ]
    }

    fn problem(&self) -> Problem {
        let mut problem = Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limited",
            "Too many requests, please try again later",
        )
        .retry_after(seconds_up(self.decision.retry_after).max(1));
        for (name, value) in self.headers() {
            problem = problem.with_header(http::HeaderName::from_static(name), value);
        }
        problem
    }
}

/// Whole seconds, rounded up: who waits that long has waited long enough.
pub(crate) fn seconds_up(span: std::time::Duration) -> u64 {
    span.as_millis().div_ceil(1000) as u64
}

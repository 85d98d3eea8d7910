//! The three tiers on a request: which key, which quota, which headers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode};
use quickbite_auth::Identity;
use quickbite_http::Problem;
use quickbite_resilience::rate_limit::{Decision, Draw, Quota, RateLimiter};
use quickbite_telemetry::metrics::{IntCounterVec, counter_vec};

use tokio::sync::watch;
use tokio::time::Instant;

use crate::client_ip::{door_key, limit_key};
use crate::policy::Policy;
use crate::routing::Tier;

pub(crate) struct Limits {
    limiter: RateLimiter,
    attempts: Arc<Attempts>,
    decisions: IntCounterVec,
}

/// One request's share of a limit.
pub(crate) struct Ticket {
    tier: Tier,
    key: String,
    decision: Decision,
    /// Ends, when it is dropped, what others at the same door may be waiting for.
    _attempt: Option<Attempt>,
}

/// How long a login waits for others from its address to end, when they hold all that is left.
const WAIT_FOR_OTHERS: Duration = Duration::from_secs(3);

impl Limits {
    pub(crate) fn new(limiter: RateLimiter) -> Self {
        Self {
            limiter,
            attempts: Arc::default(),
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
        user: Option<Identity>,
        path: &str,
    ) -> Result<Ticket, Problem> {
        let (key, draw) = match (tier, user) {
            (Tier::Auth, _) => (format!("auth:{}:{path}", door_key(client)), Draw::Single),
            (Tier::Write, Some(user)) => (format!("write:user:{}", user.user_id), Draw::Lease),
            (Tier::Write, None) => (format!("write:{}", limit_key(client)), Draw::Lease),
            (Tier::General, _) => (format!("general:{}", limit_key(client)), Draw::Lease),
        };
        let quota = policy.quota(tier);
        let (decision, attempt) = match draw {
            Draw::Single => self.attempt(quota, &key).await,
            Draw::Lease => (self.limiter.take(quota, &key, draw).await, None),
        };
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
            _attempt: attempt,
        };
        if ticket.decision.allowed {
            Ok(ticket)
        } else {
            Err(ticket.problem())
        }
    }

    /// Takes one that may be given back. When others from the same address hold the last ones and
    /// have no answer yet, it waits for them: six people who log in at once behind one address with
    /// the right passwords must all get in, and six guesses must not.
    async fn attempt(&self, quota: Quota, key: &str) -> (Decision, Option<Attempt>) {
        let give_up = Instant::now() + WAIT_FOR_OTHERS;
        loop {
            let attempt = Attempts::begin(&self.attempts, key);
            let decision = self.limiter.take(quota, key, Draw::Single).await;
            if decision.allowed {
                return (decision, Some(attempt));
            }
            let Some(mut others) = attempt.leave() else {
                return (decision, None);
            };
            if tokio::time::timeout_at(give_up, others.changed())
                .await
                .is_err()
            {
                return (decision, None);
            }
        }
    }

    /// Gives back what this replica leased and does not need any more.
    pub(crate) async fn give_back_leases(&self) {
        self.limiter.give_back_leases().await;
    }

    /// Looks at how the request ended: what counts only failures gives a success back, and also
    /// what our side failed at: an outage must not lock out those who keep trying.
    pub(crate) async fn settle(&self, ticket: &Ticket, status: StatusCode, reached: bool) {
        let innocent = status.as_u16() < 400 || status.is_server_error() || !reached;
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

/// How many attempts have no answer yet, by key. Kept for those under way only.
#[derive(Default)]
struct Attempts(Mutex<HashMap<String, watch::Sender<u32>>>);

/// One attempt under way.
struct Attempt {
    attempts: Arc<Attempts>,
    key: String,
}

impl Attempts {
    fn begin(this: &Arc<Self>, key: &str) -> Attempt {
        let mut under_way = this.lock();
        let count = under_way.entry(key.to_owned()).or_default();
        count.send_if_modified(|count| {
            *count += 1;
            false // only an end is worth waking for
        });
        Attempt {
            attempts: Arc::clone(this),
            key: key.to_owned(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<u32>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    /// Ends this one; answers with the others that are still under way, if there are any.
    fn leave(self) -> Option<watch::Receiver<u32>> {
        let attempts = Arc::clone(&self.attempts);
        let key = self.key.clone();
        drop(self);
        attempts.lock().get(&key).map(watch::Sender::subscribe)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut under_way = self.attempts.lock();
        if let Some(count) = under_way.get(&self.key) {
            count.send_modify(|count| *count -= 1);
            if *count.borrow() == 0 {
                under_way.remove(&self.key);
            }
        }
    }
}

/// Whole seconds, rounded up: who waits that long has waited long enough.
pub(crate) fn seconds_up(span: std::time::Duration) -> u64 {
    span.as_millis().div_ceil(1000) as u64
}

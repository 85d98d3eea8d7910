//! What an upstream's answer, or its absence, means: to the circuit and to the client. No I/O.

use std::time::Duration;

use http::StatusCode;
use quickbite_http::Problem;
use quickbite_resilience::breaker::Verdict;

use crate::limits::seconds_up;
use crate::routing::Upstream;

/// Why there is no answer to pass on.
#[derive(Debug)]
pub(super) enum Refused {
    /// The service is not part of this platform.
    Disabled,
    /// The circuit is open.
    CircuitOpen { retry_after: Duration },
    /// No connection, or it broke before an answer came.
    Unreachable(hyper_util::client::legacy::Error),
    /// No answer in time.
    TimedOut,
    /// The client's body was over the limit.
    BodyTooLarge,
    /// The client stopped sending its body.
    BodyBroken,
    /// The client sent its body so slowly that there was no time left for an answer.
    BodyTooSlow,
    /// Our own mistake.
    Ours(Problem),
}

impl Refused {
    /// Whether the service may have seen the request.
    pub(super) fn reached(&self) -> bool {
        matches!(self, Self::Unreachable(error) if !error.is_connect())
            || matches!(self, Self::TimedOut | Self::BodyBroken | Self::BodyTooSlow)
    }

    /// Whether an old answer is better than saying so: when the service is meant to be there.
    pub(super) fn may_fall_back(&self) -> bool {
        matches!(
            self,
            Self::CircuitOpen { .. } | Self::Unreachable(_) | Self::TimedOut
        )
    }

    pub(super) fn into_problem(self, upstream: Upstream) -> Problem {
        let name = upstream.name();
        match self {
            Self::Disabled => Problem::unavailable(
                "service_disabled",
                format!("The {name} service is not part of this platform"),
            ),
            Self::CircuitOpen { retry_after } => Problem::unavailable(
                "circuit_open",
                format!("The {name} service is unavailable at the moment"),
            )
            .retry_after(seconds_up(retry_after).max(1)),
            Self::Unreachable(error) => Problem::unavailable(
                "service_unavailable",
                format!("The {name} service cannot be reached"),
            )
            .retry_after(1)
            .caused_by(error),
            Self::TimedOut => Problem::new(
                StatusCode::GATEWAY_TIMEOUT,
                "service_timeout",
                format!("The {name} service did not answer in time"),
            ),
            Self::BodyTooLarge => Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "The body is larger than 1 MiB",
            ),
            Self::BodyBroken => {
                Problem::bad_request("body_incomplete", "The body ended before its end")
            }
            Self::BodyTooSlow => Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "request_timeout",
                "The body did not arrive in time",
            ),
            Self::Ours(problem) => problem,
        }
    }
}

/// Answers that say that the service, not the request, is at fault.
pub(super) fn is_broken(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

pub(super) fn verdict(status: StatusCode) -> Verdict {
    match is_broken(status) {
        true => Verdict::Failure,
        false => Verdict::Success,
    }
}

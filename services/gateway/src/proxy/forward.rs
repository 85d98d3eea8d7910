//! The call to the service, behind its circuit.
//!
//! The time limit runs to the answer's head, and from each part of its body to the next: a body may
//! take long, but not stand still. Event streams may, for nothing has to happen. A read without a
//! body is tried a second time, on another connection, when the first one broke or the answer was
//! 502 or 503, as far as the retry budget goes.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, UPGRADE};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Uri, Version};
use http_body::Body as _;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use quickbite_resilience::breaker::{Permit, Verdict};

use super::answer::{Refused, verdict};
use super::body::{Copied, Gauge, Progress, StreamEnd, Until, UpstreamBody, Watched};
use super::headers::{Sender, strip_hop_by_hop, vouch, wanted_upgrade};
use super::upgrade;
use crate::client_ip::is_trusted;
use crate::fallback::LARGEST;
use crate::gateway::Gateway;
use crate::identity::VerifiedToken;
use crate::routing::Upstream;
use crate::upstreams::Target;

/// Connections to all services.
pub(crate) type Client = legacy::Client<HttpConnector, Body>;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Shorter than the 10 s after which our servers close an idle connection.
const IDLE: Duration = Duration::from_secs(5);

pub(crate) fn client() -> Client {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(connector)
}

/// Sends the request on and gives back the service's answer. `keep` is where to remember it.
pub(super) async fn forward(
    gateway: &Gateway,
    upstream: Upstream,
    (peer, token): (SocketAddr, Option<VerifiedToken>),
    mut parts: Parts,
    body: Body,
    keep: Option<String>,
) -> Result<Response, Refused> {
    let target = gateway.upstreams.get(upstream).ok_or(Refused::Disabled)?;
    let permit = target
        .breaker
        .admit()
        .map_err(|open| Refused::CircuitOpen {
            retry_after: open.retry_after,
        })?;
    let timeout = target.breaker.settings().timeout;
    parts.uri = target.uri(&parts.uri).map_err(Refused::Ours)?;
    parts.version = Version::HTTP_11;
    let user = token.as_ref().map(|token| &token.identity);
    let sender = Sender {
        bearer: gateway
            .identities
            .internal(user, upstream)
            .await
            .map_err(Refused::Ours)?,
        user,
        peer: peer.ip(),
        peer_is_trusted: is_trusted(peer.ip(), &gateway.policy.get().trusted_proxies),
    };
    let wanted = wanted_upgrade(&parts.method, &parts.headers);
    strip_hop_by_hop(&mut parts.headers);
    vouch(&mut parts.headers, sender);
    let call = Call {
        gateway,
        target,
        permit,
        timeout,
        token,
    };
    match wanted {
        Some(protocol) => call.upgraded(parts, body, protocol).await,
        None => call.answered(parts, body, keep).await,
    }
}

struct Call<'a> {
    gateway: &'a Gateway,
    target: &'a Target,
    permit: Permit,
    timeout: Duration,
    token: Option<VerifiedToken>,
}

impl Call<'_> {
    async fn answered(
        self,
        parts: Parts,
        body: Body,
        keep: Option<String>,
    ) -> Result<Response, Refused> {
        let again = (is_safe(&parts.method) && body.is_end_stream()).then(|| without_body(&parts));
        let (body, gauge) = Watched::new(body);
        let (gateway, token, timeout) = (self.gateway, self.token, self.timeout);
        let request = Request::from_parts(parts, Body::new(body));
        let (response, permit) = self.settled(request, gauge, again).await?;
        Ok(response_filter(
            gateway,
            token,
            response,
            (permit, timeout),
            keep,
        ))
    }

    async fn upgraded(
        self,
        mut parts: Parts,
        body: Body,
        protocol: HeaderValue,
    ) -> Result<Response, Refused> {
        let client_side = parts.extensions.remove::<hyper::upgrade::OnUpgrade>();
        parts
            .headers
            .insert(CONNECTION, HeaderValue::from_static("upgrade"));
        parts.headers.insert(UPGRADE, protocol);
        let (body, gauge) = Watched::new(body);
        let (gateway, token, timeout) = (self.gateway, self.token, self.timeout);
        let request = Request::from_parts(parts, Body::new(body));
        let (mut response, permit) = self.settled(request, gauge, None).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response_filter(
                gateway,
                token,
                response,
                (permit, timeout),
                None,
            ));
        }
        if let Some(permit) = permit {
            permit.report(Verdict::Success);
        }
        let service_side = hyper::upgrade::on(&mut response);
        if let Some(client_side) = client_side {
            tokio::spawn(upgrade::join(
                client_side,
                service_side,
                stream_end(gateway, token),
            ));
        }
        // 101 is nothing without its hop-by-hop headers.
        Ok(response.map(|_| Body::empty()))
    }

    /// Calls, perhaps twice, and tells the circuit how it ended. The permit comes back when that
    /// depends on the answer's body too; a probe's does not, for all others wait for the probe.
    async fn settled(
        self,
        request: Request,
        gauge: Gauge,
        again: Option<Request>,
    ) -> Result<(Response<hyper::body::Incoming>, Option<Permit>), Refused> {
        self.target.budget.request();
        let attempts = async {
            let first = self.gateway.client.request(request).await;
            match again {
                Some(again) if is_worth_another(&first) && self.target.budget.withdraw() => {
                    self.target.retries.inc();
                    self.gateway.client.request(again).await
                }
                _ => first,
            }
        };
        let result = tokio::time::timeout(self.timeout, attempts).await;
        let refused = match result {
            Ok(Ok(response)) => {
                let verdict = verdict(response.status());
                if verdict == Verdict::Success && !self.permit.is_probe() {
                    return Ok((response, Some(self.permit)));
                }
                self.permit.report(verdict);
                return Ok((response, None));
            }
            // The client is to blame: the permit is dropped, which counts as nothing.
            Ok(Err(_)) if gauge.read() == Progress::TooLarge => Refused::BodyTooLarge,
            Ok(Err(_)) if gauge.read() == Progress::Broken => Refused::BodyBroken,
            Err(_) if gauge.read() == Progress::Awaited => Refused::BodyTooSlow,
            Ok(Err(error)) => {
                self.permit.report(Verdict::Failure);
                Refused::Unreachable(error)
            }
            Err(_) => {
                self.permit.report(Verdict::Timeout);
                Refused::TimedOut
            }
        };
        Err(refused)
    }
}

/// The service's answer as the client gets it.
fn response_filter(
    gateway: &Gateway,
    token: Option<VerifiedToken>,
    response: Response<hyper::body::Incoming>,
    (permit, timeout): (Option<Permit>, Duration),
    keep: Option<String>,
) -> Response {
    let (mut parts, body) = response.into_parts();
    strip_hop_by_hop(&mut parts.headers);
    let mut body = Body::new(body);
    let kind = parts.headers.get(CONTENT_TYPE);
    let is = |prefix: &str| kind.is_some_and(|k| k.as_bytes().starts_with(prefix.as_bytes()));
    if is("text/event-stream") {
        if let Some(permit) = permit {
            permit.report(Verdict::Success);
        }
        body = Body::new(Until::new(body, stream_end(gateway, token)));
        return Response::from_parts(parts, body);
    }
    body = Body::new(UpstreamBody::new(body, permit, timeout));
    if let Some(place) = keep
        && parts.status == StatusCode::OK
        && is("application/json")
        && !parts.headers.contains_key(CONTENT_ENCODING)
        && gateway.fallbacks.wants(&place)
    {
        let fallbacks = gateway.fallbacks.clone();
        let whole = move |json| fallbacks.keep(place, json);
        body = Body::new(Copied::new(body, LARGEST, whole));
    }
    Response::from_parts(parts, body)
}

/// When the process drains, and when the token that opened the stream ends or is revoked: what was
/// allowed once must not be heard for ever.
fn stream_end(gateway: &Gateway, token: Option<VerifiedToken>) -> StreamEnd {
    let drained = gateway.stop.clone().cancelled_owned();
    match token.map(|token| gateway.identities.ended(token)) {
        None => Box::pin(drained),
        Some(token_ended) => Box::pin(async move {
            tokio::select! {
                () = drained => {}
                () = token_ended => {}
            }
        }),
    }
}

/// RFC 9110 §9.2.1. Not the idempotent PUT and DELETE: between two of them another client may have
/// written, and the second one would undo that.
fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn without_body(parts: &Parts) -> Request {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = Uri::clone(&parts.uri);
    *request.headers_mut() = parts.headers.clone();
    request
}

fn is_worth_another<T>(first: &Result<http::Response<T>, legacy::Error>) -> bool {
    match first {
        Ok(response) => matches!(response.status().as_u16(), 502 | 503),
        Err(_) => true,
    }
}

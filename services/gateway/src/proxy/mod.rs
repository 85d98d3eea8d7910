//! One request through the gateway: identity, limit, circuit, forward, and what to say instead.
//!
//! The limit is counted before a bad token is refused, so that guessing tokens is limited too; by
//! the address then, for there is no user.

mod answer;
mod body;
mod forward;
mod headers;
mod upgrade;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use quickbite_http::Problem;

use crate::client_ip::client_ip;
use crate::gateway::Gateway;
use crate::identity::{Claim, invalid_token};
use crate::limits::Ticket;
use crate::routing::{Tier, Upstream, may_fall_back};
pub(crate) use forward::{Client, client};

/// Handles every request for `upstream`.
pub(crate) async fn proxy(
    upstream: Upstream,
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let (claim, ticket) = match judge(&gateway, peer, &parts).await {
        Ok(judged) => judged,
        Err(problem) => return problem.into_response(),
    };
    if claim == Claim::Invalid {
        return marked(&ticket, invalid_token().into_response());
    }
    let may_fall_back = may_fall_back(&parts.method, parts.uri.path());
    let place = may_fall_back.then(|| place_of(&parts.uri));
    let keep = place.clone().filter(|_| claim == Claim::Anonymous);

    let sender = (peer, claim.token());
    let outcome = forward::forward(&gateway, upstream, sender, parts, body, keep).await;
    let (response, reached) = match outcome {
        Ok(response) if !(answer::is_broken(response.status()) && may_fall_back) => {
            (response, true)
        }
        Ok(broken) => (instead(&gateway, place, broken).await, true),
        Err(refused) => {
            let reached = refused.reached();
            let place = place.filter(|_| refused.may_fall_back());
            let problem = refused.into_problem(upstream).into_response();
            (instead(&gateway, place, problem).await, reached)
        }
    };
    gateway
        .limits
        .settle(&ticket, response.status(), reached)
        .await;
    marked(&ticket, response)
}

/// Identity and limit of a request.
///
/// # Errors
/// The 429 problem.
pub(crate) async fn judge(
    gateway: &Gateway,
    peer: SocketAddr,
    parts: &Parts,
) -> Result<(Claim, Ticket), Problem> {
    let policy = gateway.policy.get();
    let path = parts.uri.path();
    let tier = Tier::of(&parts.method, path);
    let address = client_ip(peer.ip(), &parts.headers, &policy.trusted_proxies);
    let count = |user| gateway.limits.count(&policy, tier, address, user, path);
    let claim = || gateway.identities.claim(&parts.headers);
    match tier {
        // Who logs in anew may still send the token that has run out.
        Tier::Auth => Ok((Claim::Anonymous, count(None).await?)),
        // Counted by address: before the costlier look at the token.
        Tier::General => {
            let ticket = count(None).await?;
            Ok((claim().await, ticket))
        }
        // Counted by user: the token says by whom.
        Tier::Write => {
            let claim = claim().await;
            let ticket = count(claim.user().copied()).await?;
            Ok((claim, ticket))
        }
    }
}

pub(crate) fn marked(ticket: &Ticket, mut response: Response) -> Response {
    ticket.mark(response.headers_mut());
    response
}

fn place_of(uri: &http::Uri) -> String {
    uri.path_and_query()
        .map_or_else(|| uri.path(), http::uri::PathAndQuery::as_str)
        .to_owned()
}

/// The last good answer where there is one, else `otherwise`.
async fn instead(gateway: &Gateway, place: Option<String>, otherwise: Response) -> Response {
    match place {
        Some(place) => gateway
            .fallbacks
            .last_good(&place)
            .await
            .unwrap_or(otherwise),
        None => otherwise,
    }
}

//! What travels and what does not. No I/O.
//!
//! Hop-by-hop headers end here (RFC 9110 §7.6.1), and so does everything by which a client could
//! pose as somebody: `X-User-*` and its own `Authorization`.

use std::net::IpAddr;

use http::header::{
    AUTHORIZATION, CONNECTION, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Method};
use quickbite_auth::Identity;
use quickbite_telemetry::{correlation, traceparent};

use crate::client_ip::FORWARDED_FOR;

const USER_ID: HeaderName = HeaderName::from_static("x-user-id");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Takes away what belongs to one connection only, and what `Connection` names.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [
        CONNECTION,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ] {
        headers.remove(name);
    }
}

/// Who calls, and from where, as the service is to see it.
pub(super) struct Sender<'a> {
    pub(super) bearer: HeaderValue,
    pub(super) user: Option<&'a Identity>,
    pub(super) peer: IpAddr,
    pub(super) peer_is_trusted: bool,
}

/// Makes a client's headers into the service's. `headers` has no hop-by-hop headers any more.
pub(super) fn vouch(headers: &mut HeaderMap, sender: Sender<'_>) {
    let Sender {
        bearer,
        user,
        peer,
        peer_is_trusted,
    } = sender;
    let posing: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-user-"))
        .cloned()
        .collect();
    for name in posing {
        headers.remove(name);
    }
    headers.insert(AUTHORIZATION, bearer);
    if let Some(id) = user.and_then(|user| text(&user.user_id)) {
        headers.insert(USER_ID, id);
    }
    forwarded(headers, peer, peer_is_trusted);
    // Again, for a client may have named it in `Connection`.
    if let Some(id) = correlation::try_current().as_ref().and_then(text) {
        headers.insert(correlation::HEADER, id);
    }
    if let Some(parent) = traceparent::current().as_ref().and_then(text) {
        headers.insert(traceparent::HEADER, parent);
    }
}

fn forwarded(headers: &mut HeaderMap, peer: IpAddr, peer_is_trusted: bool) {
    if !peer_is_trusted {
        headers.remove(FORWARDED_FOR);
        headers.remove(FORWARDED_HOST);
        headers.remove(FORWARDED_PROTO);
    }
    if let Some(peer) = text(&peer.to_canonical()) {
        headers.append(FORWARDED_FOR, peer);
    }
    if let Some(host) = headers.remove(HOST)
        && !headers.contains_key(FORWARDED_HOST)
    {
        headers.insert(FORWARDED_HOST, host);
    }
    headers
        .entry(FORWARDED_PROTO)
        .or_insert(HeaderValue::from_static("http"));
}

fn text(value: &impl ToString) -> Option<HeaderValue> {
    HeaderValue::try_from(value.to_string()).ok()
}

/// `websocket`, if the client asks properly to change to it. To nothing else: a connection that
/// became HTTP/2 (`h2c`) would carry requests past everything here.
pub(super) fn wanted_upgrade(method: &Method, headers: &HeaderMap) -> Option<HeaderValue> {
    let asks = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    let protocol = headers.get(UPGRADE)?;
    (asks && *method == Method::GET && protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
        .then(|| protocol.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn sender() -> Sender<'static> {
        Sender {
            bearer: HeaderValue::from_static("Bearer internal"),
            user: None,
            peer: "203.0.113.9".parse().unwrap(),
            peer_is_trusted: false,
        }
    }

    #[test]
    fn what_connection_names_ends_here() {
        let mut headers = map(&[
            ("connection", "close, X-Secret"),
            ("x-secret", "1"),
            ("te", "trailers"),
            ("accept", "*/*"),
        ]);
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers, map(&[("accept", "*/*")]));
    }

    #[test]
    fn a_client_cannot_pose_as_somebody() {
        let mut headers = map(&[
            ("x-user-id", "admin"),
            ("x-user-role", "admin"),
            ("X-USER-ANYTHING", "1"),
            ("authorization", "Bearer theirs"),
        ]);
        vouch(&mut headers, sender());
        assert!(
            headers
                .keys()
                .all(|name| !name.as_str().starts_with("x-user-"))
        );
        assert_eq!(headers[AUTHORIZATION], "Bearer internal");
    }

    #[test]
    fn forwarded_addresses_of_an_untrusted_peer_are_dropped() {
        let mut headers = map(&[("x-forwarded-for", "1.2.3.4")]);
        vouch(&mut headers, sender());
        let seen: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
        assert_eq!(seen, ["203.0.113.9"]);
    }

    #[test]
    fn a_trusted_peer_is_added_to_what_it_forwarded() {
        let mut headers = map(&[
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
        ]);
        let trusted = Sender {
            peer_is_trusted: true,
            ..sender()
        };
        vouch(&mut headers, trusted);
        let seen: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
        assert_eq!(seen, ["1.2.3.4", "203.0.113.9"]);
        assert_eq!(headers[FORWARDED_PROTO], "https");
    }

    #[test]
    fn an_upgrade_needs_both_headers_and_get() {
        let both = map(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
        ]);
        assert!(wanted_upgrade(&Method::GET, &both).is_some());
        assert!(wanted_upgrade(&Method::POST, &both).is_none());
        assert!(wanted_upgrade(&Method::GET, &map(&[("upgrade", "websocket")])).is_none());
    }

    #[test]
    fn nobody_upgrades_to_http_2_past_the_gateway() {
        let h2c = map(&[("connection", "upgrade"), ("upgrade", "h2c")]);
        assert!(wanted_upgrade(&Method::GET, &h2c).is_none());
    }
}

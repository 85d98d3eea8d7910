//! Who a client is to the limits: its address, believed only as far as proxies are trusted.
//!
//! `X-Forwarded-For` is read from the right: each address was written by the hop to its right, so
//! that the first untrusted one is the last that a trusted hop has seen. What stands further left
//! is the client's own claim.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// The header of forwarded addresses.
pub(crate) const FORWARDED_FOR: &str = "x-forwarded-for";

pub(crate) fn client_ip(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut client = peer.to_canonical();
    if trusted.is_empty() {
        return client;
    }
    let hops: Vec<&str> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        // A line that is no text hides an address; it must not be passed over.
        .flat_map(|value| value.to_str().unwrap_or("?").split(','))
        .map(str::trim)
        .collect();
    for hop in hops.into_iter().rev() {
        if !is_trusted(client, trusted) {
            break;
        }
        let Some(address) = address_of(hop) else {
            break;
        };
        client = address.to_canonical();
    }
    client
}

/// One hop: an address, with or without a port, IPv6 with or without brackets.
fn address_of(hop: &str) -> Option<IpAddr> {
    let bare = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || hop.parse::<SocketAddr>().ok().map(|a| a.ip());
    hop.parse().ok().or_else(with_port).or_else(bare)
}

pub(crate) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|net| net.contains(&address))
}

/// The address as a limit's key. IPv6 by /64: a household has 2^64 addresses.
pub(crate) fn limit_key(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// The address as the key of a door (login, register, refresh). IPv6 by /56, what a provider gives
/// one household (RIPE-690 §4.2): its 256 networks of /64 must not be 256 times as many guesses.
pub(crate) fn door_key(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{}/56", Ipv6Addr::new(a, b, c, d & 0xff00, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn ip(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(value).unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        client_ip(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn without_trusted_proxies_the_peer_is_the_client() {
        assert_eq!(ip("203.0.113.9", &["198.51.100.1"], &[]), "203.0.113.9");
    }

    #[test]
    fn a_trusted_proxy_is_believed() {
        assert_eq!(
            ip("10.0.0.1", &["198.51.100.1"], &["10.0.0.0/8"]),
            "198.51.100.1"
        );
    }

    #[test]
    fn what_the_client_itself_wrote_is_not_believed() {
        let forged = &["1.2.3.4, 198.51.100.1", "10.0.0.7"];
        assert_eq!(ip("10.0.0.1", forged, &["10.0.0.0/8"]), "198.51.100.1");
    }

    #[test]
    fn garbage_in_the_header_ends_the_search() {
        assert_eq!(
            ip("10.0.0.1", &["1.2.3.4, ;DROP"], &["10.0.0.0/8"]),
            "10.0.0.1"
        );
    }

    #[test]
    fn ports_and_brackets_are_read() {
        for (hop, address) in [
            ("198.51.100.1:4711", "198.51.100.1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
        ] {
            assert_eq!(ip("10.0.0.1", &[hop], &["10.0.0.0/8"]), address);
        }
    }

    #[test]
    fn a_line_that_is_no_text_is_not_passed_over() {
        let mut headers = HeaderMap::new();
        headers.append(FORWARDED_FOR, HeaderValue::from_static("198.51.100.1"));
        headers.append(FORWARDED_FOR, HeaderValue::from_bytes(b"\xff").unwrap());
        let peer: IpAddr = "10.0.0.1".parse().unwrap();
        assert_eq!(
            client_ip(peer, &headers, &["10.0.0.0/8".parse().unwrap()]),
            peer
        );
    }

    #[test]
    fn a_mapped_ipv4_address_is_the_ipv4_address() {
        assert_eq!(ip("::ffff:203.0.113.9", &[], &[]), "203.0.113.9");
        assert_eq!(
            ip("::ffff:10.0.0.1", &["198.51.100.1"], &["10.0.0.0/8"]),
            "198.51.100.1"
        );
    }

    #[test]
    fn neighbours_in_one_ipv6_network_share_a_limit() {
        let key = |text: &str| limit_key(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    }

    #[test]
    fn the_networks_of_one_household_share_its_door() {
        let key = |text: &str| door_key(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:200::1"), key("2001:db8:1:2ff::9"));
        assert_ne!(key("2001:db8:1:200::1"), key("2001:db8:1:300::1"));
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic_or_believe_an_untrusted_peer(value in "\\PC{0,60}") {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(FORWARDED_FOR, value);
            }
            let trusted = ["10.0.0.0/8".parse().unwrap()];
            let peer: IpAddr = "203.0.113.9".parse().unwrap();
            prop_assert_eq!(client_ip(peer, &headers, &trusted), peer);
        }
    }
}

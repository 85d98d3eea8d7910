//! To the user's own URL: a signed POST.
//!
//! The guard against calls into the cluster sits in the resolver of the HTTP client, so that what was checked is what
//! is connected to (a second resolution could differ). An address written as a number never reaches a resolver and is
//! checked beforehand. Redirects are not followed and no proxy is used: both would lead around the guard.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quickbite_http::Clock;
use reqwest::StatusCode;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, USER_AGENT};
use serde_json::json;
use url::{Host, Url};

use super::{Channel, Undelivered};
use crate::domain::notice::ChannelKind;
use crate::domain::public_address::is_public;
use crate::domain::signature;
use crate::store::Job;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where webhooks may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Only to addresses that everybody can reach.
    Public,
    /// Anywhere: for development and tests.
    Anywhere,
}

impl Reach {
    fn allows(self, address: IpAddr) -> bool {
        self == Self::Anywhere || is_public(address)
    }

    /// Whether the URL's host may be called, as far as it says without a resolver.
    pub fn allows_host(self, url: &Url) -> bool {
        match url.host() {
            Some(Host::Ipv4(address)) => self.allows(address.into()),
            Some(Host::Ipv6(address)) => self.allows(address.into()),
            Some(Host::Domain(_)) => true,
            None => false,
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the host has no public address")]
struct NotPublic;

/// Resolves names and lets only allowed addresses through.
struct Guard(Reach);

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> =
                found.filter(|address| reach.allows(address.ip())).collect();
            if allowed.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The webhook channel.
pub struct Webhooks {
    client: reqwest::Client,
    reach: Reach,
    clock: Clock,
}

impl Webhooks {
    /// Calls what `reach` allows.
    ///
    /// # Errors
    /// When the TLS roots cannot be read.
    pub fn new(reach: Reach, clock: Clock) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .dns_resolver(Arc::new(Guard(reach)))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .build()?;
        Ok(Self {
            client,
            reach,
            clock,
        })
    }
}

#[async_trait]
impl Channel for Webhooks {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Webhook
    }

    async fn deliver(&self, job: &Job) -> Result<(), Undelivered> {
        let Some(webhook) = &job.webhook else {
            return Err(Undelivered::Never(
                "the user has no webhook any more".into(),
            ));
        };
        if !self.reach.allows_host(&webhook.url) {
            return Err(Undelivered::Never(
                "the webhook's address is not public".into(),
            ));
        }
        let body = body(job);
        let answer = self
            .client
            .post(webhook.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(
                USER_AGENT,
                concat!("quickbite-notification/", env!("CARGO_PKG_VERSION")),
            )
            .header("x-quickbite-delivery", job.delivery_id.to_string())
            .header("x-correlation-id", job.correlation.as_str())
            .header(
                signature::HEADER,
                signature::sign(&webhook.secret, &body, self.clock.now()),
            )
            .body(body)
            .send()
            .await;
        match answer {
            Ok(answer) => judge(answer.status()),
            Err(error) if blocked(&error) => Err(Undelivered::Never(NotPublic.to_string())),
            Err(error) if error.is_timeout() => Err(Undelivered::Later("no answer in time".into())),
            Err(error) if error.is_connect() => Err(Undelivered::Later("no connection".into())),
            Err(_) => Err(Undelivered::Later("the call failed".into())),
        }
    }
}

fn body(job: &Job) -> Vec<u8> {
    let notice = &job.notice;
    json!({
        "id": notice.id, "kind": notice.kind, "title": notice.title, "body": notice.body, "data": notice.data,
        "orderId": notice.order_id, "createdAt": notice.created_at,
    })
    .to_string()
    .into_bytes()
}

/// 410 says that the receiver is gone for good; any other refusal may be mended at its end.
fn judge(status: StatusCode) -> Result<(), Undelivered> {
    match status {
        status if status.is_success() => Ok(()),
        StatusCode::GONE => Err(Undelivered::Never("the receiver is gone (410)".into())),
        status => Err(Undelivered::Later(format!(
            "the receiver answered {}",
            status.as_u16()
        ))),
    }
}

fn blocked(error: &reqwest::Error) -> bool {
    let mut next = std::error::Error::source(error);
    while let Some(error) = next {
        if error.is::<NotPublic>() {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_written_in_any_way_as_a_number_is_checked() {
        for text in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
        ] {
            assert!(!Reach::Public.allows_host(&text.parse().unwrap()), "{text}");
        }
        assert!(Reach::Public.allows_host(&"https://1.1.1.1/".parse().unwrap()));
        assert!(Reach::Anywhere.allows_host(&"http://127.0.0.1/".parse().unwrap()));
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_refused_after_resolution() {
        let refused = Guard(Reach::Public)
            .resolve("localhost".parse().unwrap())
            .await;
        assert!(refused.is_err());
        assert!(
            Guard(Reach::Anywhere)
                .resolve("localhost".parse().unwrap())
                .await
                .is_ok()
        );
    }

    #[test]
    fn redirects_and_errors_are_tried_again_and_gone_is_gone() {
        assert!(judge(StatusCode::NO_CONTENT).is_ok());
        assert!(matches!(
            judge(StatusCode::FOUND),
            Err(Undelivered::Later(_))
        ));
        assert!(matches!(
            judge(StatusCode::INTERNAL_SERVER_ERROR),
            Err(Undelivered::Later(_))
        ));
        assert!(matches!(
            judge(StatusCode::GONE),
            Err(Undelivered::Never(_))
        ));
    }
}

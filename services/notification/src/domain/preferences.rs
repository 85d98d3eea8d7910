//! How somebody wants to be told.

use url::Url;

use super::notice::ChannelKind;

/// A user's choice; [`Preferences::default`] for who never chose.
#[derive(Clone, Debug, PartialEq)]
pub struct Preferences {
    /// In the app.
    pub in_app: bool,
    /// By e-mail, where the platform sends any.
    pub email: bool,
    /// To an own URL.
    pub webhook: Option<Webhook>,
}

/// Where to call, and with which key to sign.
#[derive(Clone, PartialEq)]
pub struct Webhook {
    /// `https`, or `http` where the platform allows it.
    pub url: Url,
    /// Key of the HMAC.
    pub secret: String,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("url", &self.url.as_str())
            .finish_non_exhaustive()
    }
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            in_app: true,
            email: true,
            webhook: None,
        }
    }
}

impl Preferences {
    /// The channels of one notification; `active` are those that the platform has.
    pub fn channels(&self, active: &[ChannelKind]) -> Vec<ChannelKind> {
        let wanted = |kind: &ChannelKind| match kind {
            ChannelKind::InApp => self.in_app,
            ChannelKind::Email => self.email,
            ChannelKind::Webhook => self.webhook.is_some(),
        };
        active.iter().copied().filter(wanted).collect()
    }
}

/// Why a URL cannot be a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadWebhookUrl {
    /// Not a URL.
    #[error("not a URL")]
    Malformed,
    /// Neither https nor http.
    #[error("the scheme must be https or http")]
    Scheme,
    /// Names nobody.
    #[error("the URL must name a host")]
    Host,
    /// A password in a URL ends in logs.
    #[error("the URL must not carry a user or password")]
    Credentials,
}

/// Takes a webhook URL; where it leads is checked when it is called (see [`super::public_address`]).
pub fn webhook_url(text: &str) -> Result<Url, BadWebhookUrl> {
    let url = Url::parse(text).map_err(|_| BadWebhookUrl::Malformed)?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(BadWebhookUrl::Scheme);
    }
    if !url.has_host() {
        return Err(BadWebhookUrl::Host);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BadWebhookUrl::Credentials);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_channels_that_are_wanted_and_active_are_used() {
        let webhook = Webhook {
            url: webhook_url("https://a.example").unwrap(),
            secret: "s".into(),
        };
        let all = Preferences {
            webhook: Some(webhook),
            ..Preferences::default()
        };
        assert_eq!(all.channels(&ChannelKind::ALL), ChannelKind::ALL);
        assert_eq!(all.channels(&[ChannelKind::InApp]), [ChannelKind::InApp]);
        let none = Preferences {
            in_app: false,
            email: false,
            webhook: None,
        };
        assert!(none.channels(&ChannelKind::ALL).is_empty());
    }

    #[test]
    fn a_webhook_is_http_with_a_host_and_without_a_password() {
        assert_eq!(webhook_url("ftp://a.example"), Err(BadWebhookUrl::Scheme));
        assert_eq!(
            webhook_url("https://u:p@a.example"),
            Err(BadWebhookUrl::Credentials)
        );
        assert_eq!(webhook_url("nonsense"), Err(BadWebhookUrl::Malformed));
        assert!(webhook_url("https://a.example/hook?x=1").is_ok());
    }

    #[test]
    fn a_webhooks_secret_is_not_printed() {
        let webhook = Webhook {
            url: webhook_url("https://a.example").unwrap(),
            secret: "hush".into(),
        };
        assert!(!format!("{webhook:?}").contains("hush"));
    }
}

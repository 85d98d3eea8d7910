//! Stores that somebody else runs: reads a Secret into host, port and credentials.

use super::material::LiveSecrets;
use super::validate::Invalid;
use crate::component::Store;

/// How to reach an external store with administrative rights.
#[derive(Clone)]
pub struct External {
    /// Name of the Secret.
    pub secret: String,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User name, not percent-encoded.
    pub username: String,
    /// Password, not percent-encoded.
    pub password: String,
    /// RabbitMQ's virtual host.
    pub vhost: String,
    /// Everything after `?` that connections keep, such as `sslmode=require`.
    pub parameters: Option<String>,
    /// The whole URI, when the Secret gave one.
    pub uri: Option<String>,
    /// Scheme of the URI, such as rediss.
    pub scheme: Option<String>,
}

impl External {
    /// Reads the Secret `name`.
    ///
    /// # Errors
    /// When the Secret or a key is missing, or when the URI or port cannot be read.
    pub fn read(store: Store, name: &str, secrets: &LiveSecrets) -> Result<Self, Invalid> {
        let field = format!("spec.stores.{}.external.secretRef", store.name());
        let data = secrets.get(name).ok_or_else(|| Invalid::SecretMissing {
            field: field.clone(),
            name: name.to_owned(),
        })?;
        let unusable = |problem| Invalid::SecretUnusable {
            field: field.clone(),
            name: name.to_owned(),
            problem,
        };
        let vhost = data
            .get("vhost")
            .cloned()
            .unwrap_or_else(|| "quickbite".to_owned());
        if let Some(uri) = data.get("uri") {
            let url = url::Url::parse(uri).map_err(|_| unusable("uri is not a URL"))?;
            let host = url.host_str().ok_or_else(|| unusable("uri has no host"))?;
            let decoded = |text: &str| {
                percent_decode(text).ok_or_else(|| unusable("uri is not percent-encoded UTF-8"))
            };
            let path_vhost = decoded(url.path().trim_start_matches('/'))?;
            return Ok(Self {
                secret: name.to_owned(),
                host: host.to_owned(),
                port: url.port().unwrap_or(store.port().try_into().unwrap_or(0)),
                username: decoded(url.username())?,
                password: decoded(url.password().unwrap_or_default())?,
                vhost: if path_vhost.is_empty() {
                    vhost
                } else {
                    path_vhost
                },
                parameters: url.query().map(str::to_owned),
                uri: Some(uri.clone()),
                scheme: Some(url.scheme().to_owned()),
            });
        }
        let key = |key: &str| {
            data.get(key).cloned().ok_or_else(|| Invalid::KeyMissing {
                field: field.clone(),
                name: name.to_owned(),
                key: key.to_owned(),
            })
        };
        let port = match data.get("port") {
            Some(port) => port
                .trim()
                .parse()
                .map_err(|_| unusable("port is not a number"))?,
            None => store.port().try_into().unwrap_or(0),
        };
        let username = match store {
            Store::Redis => data.get("username").cloned().unwrap_or_default(),
            _ => key("username")?,
        };
        Ok(Self {
            secret: name.to_owned(),
            host: key("host")?,
            port,
            username,
            password: key("password")?,
            vhost,
            parameters: data.get("parameters").cloned(),
            uri: None,
            scheme: None,
        })
    }
}

/// Percent-encodes everything but unreserved characters (RFC 3986, 2.3), for user info and paths.
#[must_use]
pub fn percent_encode(text: &str) -> String {
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut encoded, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                encoded.push_str(&format!("%{byte:02X}"));
            }
            encoded
        })
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn secret(pairs: &[(&str, &str)]) -> LiveSecrets {
        let data = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        LiveSecrets::from([("pg".to_owned(), data.collect::<BTreeMap<_, _>>())])
    }

    #[test]
    fn a_uri_is_taken_apart_and_decoded() {
        let secrets = secret(&[(
            "uri",
            "postgres://ad%40min:p%2Fw@db.example:6432/x?sslmode=require",
        )]);
        let external = External::read(Store::Postgres, "pg", &secrets)
            .ok()
            .unwrap();
        assert_eq!(
            (external.host.as_str(), external.port),
            ("db.example", 6432)
        );
        assert_eq!(
            (external.username.as_str(), external.password.as_str()),
            ("ad@min", "p/w")
        );
        assert_eq!(external.parameters.as_deref(), Some("sslmode=require"));
    }

    #[test]
    fn a_missing_key_is_named() {
        let error = External::read(Store::Postgres, "pg", &secret(&[("username", "a")])).err();
        assert_eq!(
            error.unwrap().to_string(),
            r#"spec.stores.postgres.external.secretRef: Secret "pg" has no key "host""#
        );
    }

    #[test]
    fn encoding_then_decoding_gives_the_text_back() {
        let text = "p@ss:w/ör?d#%";
        assert_eq!(percent_decode(&percent_encode(text)).as_deref(), Some(text));
    }
}

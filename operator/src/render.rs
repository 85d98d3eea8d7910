//! `render`: the objects of a platform as YAML, without a cluster. Secrets that a cluster would
//! hold, or that the operator would generate, are placeholders, always the same ones.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde::Deserialize;
use serde_json::Value;

use crate::api::QuickBitePlatform;
use crate::controller::child::Child;
use crate::controller::desired::desired;
use crate::controller::entropy::Counting;
use crate::controller::material::LiveSecrets;
use crate::controller::validate::{Capabilities, Referenced, referenced_secrets, validate};

/// The YAML documents of the platform in `text`.
///
/// # Errors
/// When `text` holds no platform, or one that breaks a rule.
pub fn render(text: &str) -> anyhow::Result<String> {
    let (platform, _) = read(text)?;
    platform
        .validate_cel()
        .map_err(|errors| anyhow::anyhow!("{errors}"))?;
    let children = children(text)?;
    let mut yaml = String::new();
    for child in &children {
        yaml.push_str("---\n");
        yaml.push_str(&serde_yaml::to_string(&child.object.to_value())?);
    }
    Ok(yaml)
}

/// The objects of the platform in `text`, without asking the schema's rules.
///
/// # Errors
/// When `text` holds no platform, or one that cannot be built.
pub fn children(text: &str) -> anyhow::Result<Vec<Child>> {
    let (platform, secrets) = read(text)?;
    let secrets = complete(secrets, &platform);
    let capabilities = Capabilities {
        http_route: true,
        service_monitor: true,
        prometheus_rule: true,
    };
    let referenced = Referenced {
        secrets,
        capabilities,
    };
    let now = Timestamp::UNIX_EPOCH;
    let mut entropy = Counting::default();
    let plan = validate(
        &platform,
        &LiveSecrets::new(),
        referenced,
        &mut entropy,
        now,
    )?;
    Ok(desired(&plan))
}

fn read(text: &str) -> anyhow::Result<(QuickBitePlatform, LiveSecrets)> {
    let mut platform: Option<QuickBitePlatform> = None;
    let mut secrets = LiveSecrets::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let document = Value::deserialize(document).context("the file is not YAML")?;
        match document["kind"].as_str() {
            Some("QuickBitePlatform") if platform.is_some() => bail!("more than one platform"),
            Some("QuickBitePlatform") => {
                let read = serde_json::from_value(document).context("not a QuickBitePlatform")?;
                platform = Some(read);
            }
            Some("Secret") => {
                let secret: Secret = serde_json::from_value(document).context("not a Secret")?;
                let data = secret.data.clone().unwrap_or_default().into_iter();
                let mut data: BTreeMap<String, String> = data
                    .map(|(key, value)| (key, String::from_utf8_lossy(&value.0).into_owned()))
                    .collect();
                data.extend(secret.string_data.clone().unwrap_or_default());
                secrets.insert(secret.name_any(), data);
            }
            _ => {}
        }
    }
    let mut platform = platform.context("the file has no QuickBitePlatform")?;
    platform
        .metadata
        .namespace
        .get_or_insert_with(|| "default".to_owned());
    platform
        .metadata
        .uid
        .get_or_insert_with(|| uuid::Uuid::nil().to_string());
    Ok((platform, secrets))
}

/// Placeholders for what the file does not hold.
fn complete(mut secrets: LiveSecrets, platform: &QuickBitePlatform) -> LiveSecrets {
    for name in referenced_secrets(&platform.spec) {
        secrets.entry(name.clone()).or_insert_with(|| {
            let known = [
                ("host", format!("{name}.invalid")),
                ("username", "placeholder".to_owned()),
                ("password", "placeholder".to_owned()),
            ];
            known
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()
        });
    }
    for (_, secret, key) in crate::controller::validate::referenced_keys(&platform.spec) {
        secrets
            .entry(secret)
            .or_default()
            .entry(key)
            .or_insert_with(|| "placeholder".to_owned());
    }
    secrets
}

//! Reads everything that one reconcile looks at: the live children, and Secrets that the spec
//! names. Label-selected lists, nothing cached: a Secret stays in memory no longer than this call.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::core::{DynamicObject, TypeMeta};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

use super::child::{ChildKey, ChildKind};
use super::desired::MANAGED_BY;
use super::material::LiveSecrets;
use super::validate::{Capabilities, Referenced, referenced_secrets};
use crate::api::QuickBitePlatform;

/// The live children of a platform, whole objects as JSON.
#[derive(Default)]
pub struct Live(pub BTreeMap<ChildKey, Value>);

/// What was read.
pub struct Fetched {
    /// The live children.
    pub live: Live,
    /// What the spec refers to.
    pub referenced: Referenced,
}

/// Reads the children of `platform`, and what its spec refers to.
///
/// # Errors
/// Whatever the API server answered, unless it is that a named Secret does not exist.
pub async fn fetch(
    client: &Client,
    platform: &QuickBitePlatform,
    capabilities: Capabilities,
) -> kube::Result<Fetched> {
    let namespace = platform.namespace().unwrap_or_default();
    let uid = platform.uid().unwrap_or_default();
    let selector = ListParams::default().labels(&format!(
        "app.kubernetes.io/instance={},app.kubernetes.io/managed-by={MANAGED_BY}",
        platform.name_any()
    ));
    let served = ChildKind::ALL
        .iter()
        .filter(|kind| kind.is_served(capabilities));
    let lists = served.map(|kind| list(client, &namespace, *kind, &selector));
    let secrets = secrets(client, &namespace, referenced_secrets(&platform.spec));
    let (lists, secrets) = futures::try_join!(try_join_all(lists), secrets)?;
    // An object with our labels and another owner is somebody else's, whatever it is called.
    let ours = |object: &Value| {
        let owners = object["metadata"]["ownerReferences"].as_array();
        owners.is_none_or(|owners| {
            owners.is_empty() || owners.iter().any(|owner| owner["uid"] == *uid)
        })
    };
    let live = lists
        .into_iter()
        .flatten()
        .filter(|(_, object)| ours(object))
        .collect();
    Ok(Fetched {
        live: Live(live),
        referenced: Referenced {
            secrets,
            capabilities,
        },
    })
}

async fn list(
    client: &Client,
    namespace: &str,
    kind: ChildKind,
    selector: &ListParams,
) -> kube::Result<Vec<(ChildKey, Value)>> {
    let resource = kind.api_resource();
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let objects = match api.list(selector).await {
        // The definition of an optional kind was removed since we looked.
        Err(kube::Error::Api(status)) if status.is_not_found() && kind.is_optional() => {
            return Ok(Vec::new());
        }
        other => other?,
    };
    Ok(objects
        .into_iter()
        .map(|mut object| {
            // Several kilobytes an object, and only the hand-over of replicas asks for them.
            if kind != ChildKind::Deployment {
                object.metadata.managed_fields = None;
            }
            // A list says apiVersion and kind once, not in its items.
            object.types = Some(TypeMeta {
                api_version: resource.api_version.clone(),
                kind: resource.kind.clone(),
            });
            let name = object.name_any();
            (
                (kind, name),
                serde_json::to_value(object).expect("an object serialises to JSON"),
            )
        })
        .collect())
}

async fn secrets(
    client: &Client,
    namespace: &str,
    names: Vec<String>,
) -> kube::Result<LiveSecrets> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let found = names.iter().map(|name| api.get_opt(name));
    let found = try_join_all(found).await?;
    Ok(found
        .into_iter()
        .flatten()
        .map(|secret| {
            let name = secret.name_any();
            let data = secret.data.unwrap_or_default().into_iter();
            let text =
                data.filter_map(|(key, value)| Some((key, String::from_utf8(value.0).ok()?)));
            (name, text.collect())
        })
        .collect())
}

impl Live {
    /// Decoded data of the live Secrets.
    #[must_use]
    pub fn secrets(&self) -> LiveSecrets {
        self.0
            .iter()
            .filter(|((kind, _), _)| *kind == ChildKind::Secret)
            .map(|((_, name), object)| {
                let data = object["data"].as_object().into_iter().flatten();
                let text = data.filter_map(|(key, value)| {
                    let bytes = STANDARD.decode(value.as_str()?).ok()?;
                    Some((key.clone(), String::from_utf8(bytes).ok()?))
                });
                (name.clone(), text.collect())
            })
            .collect()
    }
}

//! Reads everything that one reconcile looks at: the live children, and Secrets that the spec
//! names. Label-selected lists, nothing cached: a Secret stays in memory no longer than this call.
//!
//! Secrets that hold what cannot be made again are also read by name: one that lost its label is
//! still the one.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{Event, Pod, Secret};
use kube::api::ListParams;
use kube::core::{DynamicObject, TypeMeta};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

use super::child::{ChildKey, ChildKind};
use super::desired::MANAGED_BY;
use super::material::{LiveSecrets, secret_names};
use super::ownership::{self, Identity};
use super::trouble::{self, Troubles};
use super::validate::{Capabilities, Referenced, referenced_secrets};
use crate::api::QuickBitePlatform;

/// The live children of a platform, whole objects as JSON.
#[derive(Default)]
pub struct Live(pub BTreeMap<ChildKey, Value>);

/// What was read.
pub struct Fetched {
    /// The live children.
    pub live: Live,
    /// Secrets of names that we need which are somebody else's: name, and whose.
    pub foreign_secrets: BTreeMap<String, String>,
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
    let identity = Identity::of(platform);
    let selector = labelled(&identity.name);
    let served = ChildKind::ALL
        .iter()
        .filter(|kind| kind.is_served(capabilities));
    let lists = served.map(|kind| list(client, &namespace, *kind, &selector));
    let secrets = secrets(client, &namespace, referenced_secrets(&platform.spec));
    let (lists, secrets) = futures::try_join!(try_join_all(lists), secrets)?;
    // An object with our labels and another owner is somebody else's, whatever it is called.
    let mut live: BTreeMap<_, _> = lists
        .into_iter()
        .flatten()
        .filter(|(_, object)| ownership::check(object, &identity).is_ok())
        .collect();
    let mut foreign_secrets = BTreeMap::new();
    for (key, object) in unlabelled_secrets(client, &namespace, &identity.name, &live).await? {
        match ownership::check(&object, &identity) {
            Ok(()) => drop(live.insert(key, object)),
            Err(whose) => drop(foreign_secrets.insert(key.1, whose)),
        }
    }
    Ok(Fetched {
        live: Live(live),
        foreign_secrets,
        referenced: Referenced {
            secrets,
            capabilities,
        },
    })
}

/// Selects what carries the labels of `platform`.
fn labelled(platform: &str) -> ListParams {
    ListParams::default().labels(&format!(
        "app.kubernetes.io/instance={platform},app.kubernetes.io/managed-by={MANAGED_BY}"
    ))
}

/// Why pods of `platform` do not start.
///
/// # Errors
/// Whatever the API server answered.
pub async fn troubles(client: &Client, platform: &QuickBitePlatform) -> kube::Result<Troubles> {
    let namespace = platform.namespace().unwrap_or_default();
    let name = platform.name_any();
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let labelled = labelled(&name);
    // Of controllers, only Deployments say in their status that they may not make pods.
    let events: Api<Event> = Api::namespaced(client.clone(), &namespace);
    let refusals = ListParams::default().fields("reason=FailedCreate");
    let (pods, refusals) = futures::try_join!(pods.list(&labelled), events.list(&refusals))?;
    Ok(trouble::troubles(&name, &pods.items, &refusals.items))
}

/// The Secrets of our names that the list by label did not find.
async fn unlabelled_secrets(
    client: &Client,
    namespace: &str,
    platform: &str,
    live: &BTreeMap<ChildKey, Value>,
) -> kube::Result<Vec<(ChildKey, Value)>> {
    let kind = ChildKind::Secret;
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), namespace, &kind.api_resource());
    let missing: Vec<String> = secret_names(platform)
        .into_iter()
        .filter(|name| !live.contains_key(&(kind, name.clone())))
        .collect();
    let found = try_join_all(missing.iter().map(|name| api.get_opt(name))).await?;
    Ok(found
        .into_iter()
        .flatten()
        .map(|object| {
            let key = (kind, object.name_any());
            (
                key,
                serde_json::to_value(object).expect("an object serialises to JSON"),
            )
        })
        .collect())
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

//! Names, labels and ownership that all children share.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use crate::component::Component;
use crate::controller::validate::ValidatedPlatform;

/// Value of `app.kubernetes.io/managed-by`, and the field manager of every write.
pub const MANAGED_BY: &str = "quickbite-operator";

/// Tells the pods of a Deployment (`server`) from those of a migration Job, which carry the same
/// component: a Service must never send requests to a Job.
pub(super) const ROLE: &str = "quickbite.dev/role";

pub(super) type Labels = BTreeMap<String, String>;

/// Metadata of a child called `name` that belongs to `component`.
pub(super) fn metadata(
    platform: &ValidatedPlatform,
    component: Component,
    name: String,
) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(platform.namespace.clone()),
        labels: Some(labels(platform, component)),
        owner_references: Some(vec![platform.owner.clone()]),
        ..ObjectMeta::default()
    }
}

/// All labels of a child.
pub(super) fn labels(platform: &ValidatedPlatform, component: Component) -> Labels {
    let mut labels = selector(platform, component);
    labels.extend([
        (
            "app.kubernetes.io/part-of".to_owned(),
            "quickbite".to_owned(),
        ),
        (
            "app.kubernetes.io/managed-by".to_owned(),
            MANAGED_BY.to_owned(),
        ),
    ]);
    // A label has at most 63 characters, an image tag 128; and a store is not of that version.
    if !matches!(component, Component::Store(_)) && label_value(&platform.spec.version) {
        labels.insert(
            "app.kubernetes.io/version".to_owned(),
            platform.spec.version.clone(),
        );
    }
    labels
}

/// The labels that never change: what selectors match.
pub(super) fn selector(platform: &ValidatedPlatform, component: Component) -> Labels {
    let mut labels = instance(platform);
    labels.insert(
        "app.kubernetes.io/component".to_owned(),
        component.name().to_owned(),
    );
    labels
}

/// The labels of every pod of the platform.
pub(super) fn instance(platform: &ValidatedPlatform) -> Labels {
    Labels::from([
        ("app.kubernetes.io/name".to_owned(), "quickbite".to_owned()),
        (
            "app.kubernetes.io/instance".to_owned(),
            platform.name.clone(),
        ),
    ])
}

/// `selector`, for pods that serve requests.
pub(super) fn server_selector(platform: &ValidatedPlatform, component: Component) -> Labels {
    with_role(selector(platform, component), "server")
}

pub(super) fn with_role(mut labels: Labels, role: &str) -> Labels {
    labels.insert(ROLE.to_owned(), role.to_owned());
    labels
}

pub(super) fn matching(labels: Labels) -> LabelSelector {
    LabelSelector {
        match_labels: Some(labels),
        match_expressions: None,
    }
}

fn label_value(text: &str) -> bool {
    text.len() <= 63
        && text.ends_with(|last: char| last.is_ascii_alphanumeric())
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
}

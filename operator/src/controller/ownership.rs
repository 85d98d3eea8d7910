//! Whose a live object is. The operator writes and removes what is its own, and nothing else.

use kube::ResourceExt;
use serde_json::Value;

use super::desired::MANAGED_BY;
use crate::api::QuickBitePlatform;

/// The platform on whose behalf the operator works.
#[derive(Clone, Debug)]
pub struct Identity {
    /// metadata.name.
    pub name: String,
    /// metadata.uid.
    pub uid: String,
}

impl Identity {
    /// Who `platform` is.
    #[must_use]
    pub fn of(platform: &QuickBitePlatform) -> Self {
        Self {
            name: platform.name_any(),
            uid: platform.uid().unwrap_or_default(),
        }
    }
}

/// Checks that `object` belongs to `platform`: the platform owns it, or it carries our labels and
/// nobody owns it.
///
/// # Errors
/// Whose it is instead, in words.
pub fn check(object: &Value, platform: &Identity) -> Result<(), String> {
    let metadata = &object["metadata"];
    let owners = metadata["ownerReferences"].as_array();
    let owners: Vec<&Value> = owners.into_iter().flatten().collect();
    let is_us = |owner: &&&Value| owner["uid"] == *platform.uid;
    let controller = owners.iter().find(|owner| owner["controller"] == true);
    if let Some(other) = controller.filter(|owner| !is_us(owner)) {
        return Err(format!("it belongs to {}", describe(other)));
    }
    if owners.iter().any(|owner| is_us(&owner)) {
        return Ok(());
    }
    if let Some(other) = owners.first() {
        return Err(format!("it belongs to {}", describe(other)));
    }
    let labels = &metadata["labels"];
    if labels["app.kubernetes.io/managed-by"] == MANAGED_BY
        && labels["app.kubernetes.io/instance"] == *platform.name
    {
        return Ok(());
    }
    Err("somebody else made it".to_owned())
}

fn describe(owner: &Value) -> String {
    let text = |key: &str| owner[key].as_str().unwrap_or("?").to_owned();
    format!("{} {}", text("kind"), text("name"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(metadata: &Value) -> Result<(), String> {
        let platform = Identity {
            name: "qb".to_owned(),
            uid: "1".to_owned(),
        };
        check(&json!({"metadata": metadata}), &platform)
    }

    fn labels() -> Value {
        json!({"app.kubernetes.io/managed-by": MANAGED_BY, "app.kubernetes.io/instance": "qb"})
    }

    #[test]
    fn what_the_platform_owns_is_ours_without_any_label() {
        assert_eq!(judged(&json!({"ownerReferences": [{"uid": "1"}]})), Ok(()));
    }

    #[test]
    fn what_carries_our_labels_and_has_no_owner_is_ours() {
        assert_eq!(judged(&json!({"labels": labels()})), Ok(()));
    }

    #[test]
    fn what_has_neither_is_somebody_elses() {
        let theirs = judged(&json!({"labels": {"app.kubernetes.io/instance": "qb"}}));
        assert_eq!(theirs, Err("somebody else made it".to_owned()));
    }

    #[test]
    fn another_owner_counts_more_than_our_labels() {
        let owner = json!([{"uid": "2", "kind": "QuickBitePlatform", "name": "other"}]);
        let theirs = judged(&json!({"labels": labels(), "ownerReferences": owner}));
        assert_eq!(
            theirs,
            Err("it belongs to QuickBitePlatform other".to_owned())
        );
    }

    #[test]
    fn another_controller_counts_more_than_our_reference() {
        let owners = json!([{"uid": "1"},
            {"uid": "2", "controller": true, "kind": "Certificate", "name": "tls"}]);
        let theirs = judged(&json!({"ownerReferences": owners}));
        assert_eq!(theirs, Err("it belongs to Certificate tls".to_owned()));
    }
}

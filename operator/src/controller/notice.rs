//! Events on the platform object: one for each step that matters, none for passes that change
//! nothing. What to say is decided by comparing the old status with the new one.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder};

use super::apply::Applied;
use super::child::ChildKey;
use crate::api::PlatformStatus;

/// One thing to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whether it is a warning.
    pub warning: bool,
    /// One word, such as StoresReady.
    pub reason: &'static str,
    /// A sentence.
    pub note: String,
    /// The object that it is about, besides the platform.
    pub about: Option<ChildKey>,
}

/// What changed between two statuses, and what an apply and a prune did.
#[must_use]
pub fn notices(
    old: &PlatformStatus,
    new: &PlatformStatus,
    applied: &Applied,
    pruned: &[ChildKey],
) -> Vec<Notice> {
    let mut notices = Vec::new();
    if !applied.changed.is_empty() {
        let count = applied.changed.len();
        notices.push(normal(
            "Applied",
            format!(
                "applied {count} objects, the first {}",
                name(&applied.changed[0])
            ),
        ));
    }
    notices.extend(each(
        &applied.restored,
        "Restored",
        "put back as it should be",
    ));
    notices.extend(each(
        pruned,
        "Pruned",
        "removed, as the spec no longer has it",
    ));
    for condition in &new.conditions {
        let before = old
            .conditions
            .iter()
            .find(|old| old.type_ == condition.type_);
        let same = before
            .is_some_and(|old| old.status == condition.status && old.reason == condition.reason);
        if !same {
            notices.extend(transition(
                &condition.type_,
                &condition.status,
                &condition.reason,
                &condition.message,
            ));
        }
    }
    notices
}

/// One notice an object, or one for all when there are many: `describe` has to stay readable.
fn each(keys: &[ChildKey], reason: &'static str, what: &str) -> Vec<Notice> {
    const MANY: usize = 5;
    if keys.len() > MANY {
        let note = format!(
            "{} objects {what}, the first {}",
            keys.len(),
            name(&keys[0])
        );
        return vec![normal(reason, note)];
    }
    keys.iter()
        .map(|key| about(key, reason, format!("{} {what}", name(key))))
        .collect()
}

fn transition(type_: &str, status: &str, reason: &str, message: &str) -> Option<Notice> {
    match (type_, status) {
        ("StoresReady", "True") => Some(normal("StoresReady", "all stores are ready".to_owned())),
        ("MigrationsComplete", "True") => Some(normal(
            "MigrationsComplete",
            "all migrations are done".to_owned(),
        )),
        ("MigrationsComplete", "False") if reason == "MigrationFailed" => Some(warning(
            "MigrationFailed",
            format!("the rollout stops here: {message}"),
        )),
        ("Ready", "True") => Some(normal("Ready", message.to_owned())),
        ("Ready", "False") if reason == "InvalidSpec" || reason == "ReferenceMissing" => {
            Some(warning("Invalid", message.to_owned()))
        }
        ("Ready", "False") if reason == "WriteRefused" => {
            Some(warning("WriteRefused", message.to_owned()))
        }
        // The two others are told above, in their own words.
        ("Degraded", "True") if !matches!(reason, "MigrationFailed" | "WriteRefused") => {
            Some(warning("Degraded", message.to_owned()))
        }
        ("Progressing", "True") if !message.is_empty() => {
            Some(normal("Progressing", message.to_owned()))
        }
        _ => None,
    }
}

fn name((kind, name): &ChildKey) -> String {
    format!("{} {name}", kind.kind())
}

fn normal(reason: &'static str, note: String) -> Notice {
    Notice {
        warning: false,
        reason,
        note,
        about: None,
    }
}

fn warning(reason: &'static str, note: String) -> Notice {
    Notice {
        warning: true,
        ..normal(reason, note)
    }
}

fn about(key: &ChildKey, reason: &'static str, note: String) -> Notice {
    Notice {
        about: Some(key.clone()),
        ..normal(reason, note)
    }
}

/// Publishes `notices` about `platform`. An event that cannot be published is logged and lost: the
/// status says the same.
pub async fn publish(recorder: &Recorder, platform: &ObjectReference, notices: Vec<Notice>) {
    for notice in notices {
        let secondary = notice.about.as_ref().map(|(kind, name)| ObjectReference {
            api_version: Some(kind.api_resource().api_version),
            kind: Some(kind.api_resource().kind),
            name: Some(name.clone()),
            namespace: platform.namespace.clone(),
            ..ObjectReference::default()
        });
        let mut note = notice.note;
        note.truncate(note.floor_char_boundary(1000));
        let event = Event {
            type_: if notice.warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: notice.reason.to_owned(),
            // The recorder merges events that differ in their note alone, and keeps the first
            // note; the action tells such notes apart.
            action: format!(
                "{}-{}",
                notice.reason,
                super::child::short_hash(note.as_bytes())
            ),
            note: Some(note),
            secondary,
        };
        if let Err(error) = recorder.publish(&event, platform).await {
            tracing::warn!(%error, reason = notice.reason, "event was not published");
        }
    }
}

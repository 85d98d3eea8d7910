//! What the operator reports. Nothing here changes unless the platform did: times move only with
//! the status of their condition.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator has seen and done.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PlatformStatus {
    /// metadata.generation of the spec that was last acted on; while paused, an older one if the
    /// spec asks for something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Progressing, Degraded, StoresReady, MigrationsComplete; Paused while spec.paused, with
    /// what it holds back; OrderPathHealthy once orders are really probed.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Every Deployment, StatefulSet and migration Job.
    #[serde(default)]
    pub components: Vec<ComponentStatus>,
    /// Gateway pods, ready/desired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// URL of the public API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Version that all services run; during an upgrade still the old one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Every object that the operator made for this platform.
    #[serde(default)]
    pub inventory: Vec<InventoryEntry>,
    /// Hash of the objects that were last applied completely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_applied_revision: Option<String>,
    /// Value of the annotation quickbite.dev/reconcile that was last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile: Option<String>,
}

/// One workload of the platform.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    /// Name of the object.
    pub name: String,
    /// Kind of the object: Deployment, StatefulSet or Job.
    pub kind: String,
    /// Pods that are ready; for a Job, 1 when it is done.
    pub ready: i32,
    /// Pods that are wanted.
    pub desired: i32,
    /// Image of its container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Version of the platform that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What it is waiting for, empty when it is fine.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// One object that the operator made.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
#[serde(rename_all = "camelCase")]
pub struct InventoryEntry {
    /// Kind of the object.
    pub kind: String,
    /// Name of the object.
    pub name: String,
}

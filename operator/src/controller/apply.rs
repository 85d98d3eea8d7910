//! Makes the live objects say what `desired` says, step by step, by server-side apply.
//!
//! A step begins to change only when the one before is healthy; until then the gate is closed. A
//! closed gate holds back new revisions only: what somebody deleted or changed by hand is put back
//! at once, whatever else is broken.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use kube::api::{Patch, PatchParams};
use kube::core::DynamicObject;
use kube::{Api, Client};
use serde_json::{Value, json};

use super::child::{Child, ChildKey, ChildKind, Step};
use super::desired::MANAGED_BY;
use super::diff::{Difference, difference};
use super::fetch::Live;
use super::health::{Health, health};
use super::writer::{WriteError, Writer};
use crate::api::InventoryEntry;

/// What an apply did and what it waits for.
#[derive(Debug, Default)]
pub struct Applied {
    /// Objects made or brought to a new revision.
    pub changed: Vec<ChildKey>,
    /// Objects that somebody had changed or deleted, put back.
    pub restored: Vec<ChildKey>,
    /// Objects whose new revision waits for an earlier step.
    pub deferred: Vec<ChildKey>,
    /// How each step is doing.
    pub steps: BTreeMap<Step, StepState>,
}

/// How a step is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepState {
    /// Objects on their way: name and what they wait for.
    pub waiting: Vec<(ChildKey, String)>,
    /// Objects that failed: name and why.
    pub failed: Vec<(ChildKey, String)>,
    /// Objects that serve with fewer pods than wanted.
    pub short: Vec<(ChildKey, String)>,
    /// Whether an earlier step holds a change of this one back.
    pub held: bool,
}

impl StepState {
    /// Whether the next step may begin.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.waiting.is_empty() && self.failed.is_empty() && !self.held
    }
}

impl Applied {
    /// Whether every step is settled: the whole spec is in force.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.steps.values().all(StepState::is_settled)
    }

    /// Whether `step` and everything before it is settled.
    #[must_use]
    pub fn is_settled_until(&self, step: Step) -> bool {
        self.steps
            .range(..=step)
            .all(|(_, state)| state.is_settled())
    }
}

/// Writes that are under way at the same time, within one step.
const PARALLEL_WRITES: usize = 8;

/// Applies `children` in order. `live` is kept up to date with what the API server answered.
///
/// # Errors
/// The first write that failed; the next reconcile goes on from there.
pub async fn apply(
    writer: &Writer,
    children: &[Child],
    live: &mut Live,
    inventory: &[InventoryEntry],
) -> Result<Applied, WriteError> {
    let known: BTreeSet<_> = inventory.iter().collect();
    let mut applied = Applied::default();
    let mut gate_open = true;
    for step in Step::ALL {
        let of_step: Vec<_> = children.iter().filter(|child| child.step == step).collect();
        let mut state = StepState::default();
        let due = decide(
            step,
            &of_step,
            live,
            &known,
            gate_open,
            &mut applied,
            &mut state,
        );
        let found = &*live;
        // Boxed: the compiler cannot prove a stream of borrowing futures to be Send otherwise.
        let writes: Vec<BoxFuture<'_, _>> = due
            .into_iter()
            .map(|child| write(writer, child, found).boxed())
            .collect();
        let answers: Vec<_> = stream::iter(writes)
            .buffered(PARALLEL_WRITES)
            .try_collect()
            .await?;
        live.0.extend(answers);
        for child in &of_step {
            judge(child, live, &mut state);
        }
        gate_open &= state.is_settled();
        applied.steps.insert(step, state);
    }
    Ok(applied)
}

/// Which objects of a step are to be written now, and what that makes of each.
fn decide<'a>(
    step: Step,
    of_step: &[&'a Child],
    live: &Live,
    known: &BTreeSet<&InventoryEntry>,
    gate_open: bool,
    applied: &mut Applied,
    state: &mut StepState,
) -> Vec<&'a Child> {
    let mut due = Vec::new();
    let mut rolling = of_step
        .iter()
        .find(|child| is_rolling(child, live))
        .map(|child| child.component);
    for group in of_step.chunk_by(|one, other| one.component == other.component) {
        let component = group[0].component;
        let runs = group.iter().any(|child| {
            child.kind() == ChildKind::Deployment && live.0.contains_key(&child.key())
        });
        // Running services take a new revision one after the other; a new one starts at once.
        let waits =
            step == Step::Services && runs && rolling.is_some_and(|other| other != component);
        for child in group {
            let key = child.key();
            let found = live.0.get(&key);
            let difference = found.map(|found| difference(&child.object.to_value(), found));
            let lost = found.is_none() && known.contains(&entry(&key));
            match difference {
                Some(Difference::None) => continue,
                Some(Difference::Drift) => applied.restored.push(key),
                None if lost => applied.restored.push(key),
                Some(Difference::Revision) | None if gate_open && !waits => {
                    if child.kind() == ChildKind::Deployment && found.is_some() {
                        rolling = Some(component);
                    }
                    applied.changed.push(key);
                }
                Some(Difference::Revision) | None => {
                    applied.deferred.push(key);
                    state.held = true;
                    continue;
                }
            }
            due.push(*child);
        }
    }
    due
}

/// Whether `child` is a Deployment on its way. One that failed is not: it holds nobody up.
fn is_rolling(child: &Child, live: &Live) -> bool {
    child.kind() == ChildKind::Deployment
        && live.0.get(&child.key()).is_some_and(|found| {
            matches!(health(ChildKind::Deployment, found), Health::Progressing(_))
        })
}

async fn write(
    writer: &Writer,
    child: &Child,
    live: &Live,
) -> Result<(ChildKey, Value), WriteError> {
    let desired = child.object.to_value();
    let key = child.key();
    if let Some(found) = live.0.get(&key) {
        hand_over_replicas(writer, child, &desired, found).await?;
    }
    let answer = writer.apply(child.kind(), child.name(), &desired).await?;
    Ok((key, answer))
}

/// When an autoscaler takes over, the operator stops naming `replicas`; server-side apply would
/// then remove the field and the Deployment would fall to one pod. So the current number is first
/// given to a manager of its own, which the autoscaler's first write replaces.
async fn hand_over_replicas(
    writer: &Writer,
    child: &Child,
    desired: &Value,
    live: &Value,
) -> Result<(), WriteError> {
    if child.kind() != ChildKind::Deployment || !desired["spec"]["replicas"].is_null() {
        return Ok(());
    }
    let managers = live["metadata"]["managedFields"].as_array();
    let ours = managers.into_iter().flatten().any(|entry| {
        entry["manager"] == MANAGED_BY && !entry["fieldsV1"]["f:spec"]["f:replicas"].is_null()
    });
    if ours {
        let replicas = &live["spec"]["replicas"];
        writer.hand_over(child.name(), replicas).await?;
    }
    Ok(())
}

pub(super) fn judge(child: &Child, live: &Live, state: &mut StepState) {
    let key = child.key();
    let Some(found) = live.0.get(&key) else {
        state.waiting.push((key, "not made yet".to_owned()));
        return;
    };
    match health(child.kind(), found) {
        Health::Healthy => {}
        Health::Short(why) => state.short.push((key, why)),
        Health::Progressing(why) => state.waiting.push((key, why)),
        Health::Failed(why) => state.failed.push((key, why)),
    }
}

/// The inventory's entry of a child.
#[must_use]
pub fn entry((kind, name): &ChildKey) -> InventoryEntry {
    InventoryEntry {
        kind: kind.api_resource().kind,
        name: name.clone(),
    }
}

/// Sends one server-side apply.
pub(super) async fn server_side_apply(
    client: &Client,
    namespace: &str,
    kind: ChildKind,
    name: &str,
    manager: &str,
    object: &Value,
) -> kube::Result<Value> {
    let resource = kind.api_resource();
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let parameters = PatchParams::apply(manager).force();
    let answer = api.patch(name, &parameters, &Patch::Apply(object)).await?;
    Ok(serde_json::to_value(answer).expect("an object serialises to JSON"))
}

/// The smallest Deployment that names only its replicas.
pub(super) fn replicas_only(name: &str, replicas: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name}, "spec": {"replicas": replicas},
    })
}

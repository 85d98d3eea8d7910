//! Makes the live objects say what `desired` says, step by step, by server-side apply.
//!
//! A step begins to change only when the one before is healthy; until then the gate is closed. A
//! closed gate holds back new revisions only: what somebody deleted or changed by hand is put back
//! at once, whatever else is broken.
//!
//! A write that the API server refuses closes the gate behind it and is told in the status. Nothing
//! at all is written after a refused Secret: what follows would carry its value before it is kept.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use serde_json::Value;

use super::child::{Child, ChildKey, ChildKind, Step};
use super::desired::MANAGED_BY;
use super::diff::{Difference, difference, foreign};
use super::fetch::Live;
use super::health::{Health, health};
use super::trouble::Troubles;
use super::writer::{WriteError, Writer};
use crate::api::InventoryEntry;

/// What an apply did and what it waits for.
#[derive(Debug, Default)]
pub struct Applied {
    /// Objects made or brought to a new revision.
    pub changed: Vec<ChildKey>,
    /// Objects that somebody had changed or deleted, put back.
    pub restored: Vec<ChildKey>,
    /// Objects that somebody changes again and again, and what it is: they are left for a while.
    pub contested: Vec<(ChildKey, String)>,
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
    /// Objects whose write was refused: name and the API server's words.
    pub refused: Vec<(ChildKey, String)>,
    /// Objects that serve with fewer pods than wanted.
    pub short: Vec<(ChildKey, String)>,
    /// Whether an earlier step holds a change of this one back.
    pub held: bool,
}

impl StepState {
    /// Whether the next step may begin.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.waiting.is_empty() && self.failed.is_empty() && self.refused.is_empty() && !self.held
    }
}

impl Applied {
    /// Whether every step is settled: the whole spec is in force.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.steps.values().all(StepState::is_settled)
    }

    /// The writes that were refused, in order.
    pub fn refused(&self) -> impl Iterator<Item = &(ChildKey, String)> {
        self.steps.values().flat_map(|state| &state.refused)
    }

    /// Adds to what each object waits for why its pods do not start.
    pub fn explain(&mut self, troubles: &Troubles) {
        let lists = self
            .steps
            .values_mut()
            .flat_map(|state| [&mut state.waiting, &mut state.failed, &mut state.short]);
        for (key, why) in lists.flatten() {
            if let Some(trouble) = troubles.get(key) {
                *why = format!("{why}; {trouble}");
            }
        }
    }

    /// Why `key` is not well, if it is not.
    #[must_use]
    pub fn why(&self, key: &ChildKey) -> Option<&str> {
        let lists = self
            .steps
            .values()
            .flat_map(|state| [&state.refused, &state.failed, &state.waiting, &state.short]);
        let mut all = lists.flatten();
        all.find(|(of, _)| of == key).map(|(_, why)| why.as_str())
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
/// The first write that got no answer; the next reconcile goes on from there.
pub async fn apply(
    writer: &Writer,
    children: &[Child],
    live: &mut Live,
    inventory: &[InventoryEntry],
    contested: &BTreeSet<ChildKey>,
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
            (&known, contested),
            gate_open,
            &mut applied,
            &mut state,
        );
        let (secrets, others): (Vec<_>, Vec<_>) = due
            .into_iter()
            .partition(|child| child.kind() == ChildKind::Secret);
        write_all(writer, secrets, live, &mut state).await?;
        let is_secret_kept = state.refused.is_empty();
        if is_secret_kept {
            write_all(writer, others, live, &mut state).await?;
        }
        for child in &of_step {
            judge(child, live, &mut state);
        }
        gate_open &= state.is_settled();
        applied.steps.insert(step, state);
        if !is_secret_kept {
            break;
        }
    }
    let refused: BTreeSet<_> = applied.refused().map(|(key, _)| key.clone()).collect();
    applied.changed.retain(|key| !refused.contains(key));
    applied.restored.retain(|key| !refused.contains(key));
    Ok(applied)
}

/// Writes `due`, some at a time, and notes what was refused.
async fn write_all(
    writer: &Writer,
    due: Vec<&Child>,
    live: &mut Live,
    state: &mut StepState,
) -> Result<(), WriteError> {
    let found = &*live;
    // Boxed: the compiler cannot prove a stream of borrowing futures to be Send otherwise.
    let writes: Vec<BoxFuture<'_, _>> = due
        .into_iter()
        .map(|child| async move { (child.key(), write(writer, child, found).await) }.boxed())
        .collect();
    let answers: Vec<_> = stream::iter(writes)
        .buffered(PARALLEL_WRITES)
        .collect()
        .await;
    for (key, answer) in answers {
        match answer {
            Ok(Some(object)) => drop(live.0.insert(key, object)),
            Ok(None) => drop(live.0.remove(&key)),
            Err(error) => match error.refusal() {
                Some(words) => state.refused.push((key, words)),
                None => return Err(error),
            },
        }
    }
    Ok(())
}

/// What an apply would change, and why: for paused platforms.
#[must_use]
pub fn differences(children: &[Child], live: &Live) -> Vec<(ChildKey, String)> {
    let found = children.iter().filter_map(|child| {
        let key = child.key();
        let why = match live.0.get(&key) {
            None => "is missing",
            Some(found) => match difference(child.kind(), &child.object.to_value(), found) {
                Difference::None => return None,
                Difference::Revision => "is of an older spec",
                Difference::Drift => "was changed by hand",
            },
        };
        Some((key, why.to_owned()))
    });
    found.collect()
}

/// Which objects of a step are to be written now, and what that makes of each.
fn decide<'a>(
    step: Step,
    of_step: &[&'a Child],
    live: &Live,
    (known, contested): (&BTreeSet<&InventoryEntry>, &BTreeSet<ChildKey>),
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
            if found.is_some_and(is_going) {
                continue;
            }
            let difference =
                found.map(|found| difference(child.kind(), &child.object.to_value(), found));
            let lost = found.is_none() && known.contains(&entry(&key));
            match difference {
                Some(Difference::None) => continue,
                Some(Difference::Drift) if contested.contains(&key) => {
                    let what = found.map(|found| drift(child, found)).unwrap_or_default();
                    applied.contested.push((key, what));
                    continue;
                }
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

/// What somebody changed in `found`, for people.
fn drift(child: &Child, found: &Value) -> String {
    let added = foreign(child.kind(), &child.object.to_value(), found);
    let what = match added.first() {
        Some(field) => format!("{field} is added"),
        None => "fields are changed".to_owned(),
    };
    format!("cannot keep it as it should be: {what} again and again by somebody else")
}

/// Whether somebody deleted the object and it is not gone yet: a write would go with it.
fn is_going(found: &Value) -> bool {
    found["metadata"]["deletionTimestamp"].is_string()
}

/// Whether `child` is a Deployment on its way. One that failed is not: it holds nobody up.
fn is_rolling(child: &Child, live: &Live) -> bool {
    child.kind() == ChildKind::Deployment
        && live.0.get(&child.key()).is_some_and(|found| {
            matches!(health(ChildKind::Deployment, found), Health::Progressing(_))
        })
}

async fn write(writer: &Writer, child: &Child, live: &Live) -> Result<Option<Value>, WriteError> {
    let desired = child.object.to_value();
    let found = live.0.get(&child.key());
    if let Some(found) = found {
        hand_over_replicas(writer, child, &desired, found).await?;
    }
    writer
        .apply(child.kind(), child.name(), &desired, found)
        .await
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
    if state.refused.iter().any(|(refused, _)| *refused == key) {
        return;
    }
    let Some(found) = live.0.get(&key) else {
        state.waiting.push((key, "not made yet".to_owned()));
        return;
    };
    match health(child.kind(), found) {
        _ if is_going(found) => state.waiting.push((key, "is being removed".to_owned())),
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

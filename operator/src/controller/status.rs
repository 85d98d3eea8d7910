//! What the platform's status says, from what an apply found. Pure: the same findings give the same
//! status, and a condition's time moves only when its status does.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::apply::{Applied, StepState, entry};
use super::child::{Child, ChildKey, ChildKind, Step, short_hash};
use super::desired::MANAGED_BY;
use super::fetch::Live;
use super::health::pods;
use super::validate::ValidatedPlatform;
use crate::api::{ComponentStatus, PlatformStatus};
use crate::component::{Component, Service};

/// What a reconcile found.
pub struct Findings<'a> {
    /// The validated platform.
    pub platform: &'a ValidatedPlatform,
    /// metadata.generation of its spec.
    pub generation: Option<i64>,
    /// Its objects as they should be.
    pub children: &'a [Child],
    /// Its objects as they are.
    pub live: &'a Live,
    /// What the apply did and waits for.
    pub applied: &'a Applied,
    /// What a paused platform holds back: objects that an apply would write, and why.
    pub held_back: &'a [(ChildKey, String)],
    /// For how long it has been worse than ready.
    pub unwell_for: Duration,
}

/// How long a platform must be unwell to count as degraded: a pod that moves to another node is no
/// incident.
pub const DEGRADED_AFTER: Duration = Duration::from_secs(45);

/// The new status, with times taken over from `old`.
#[must_use]
pub fn status(findings: &Findings<'_>, old: &PlatformStatus, now: Timestamp) -> PlatformStatus {
    let Findings {
        platform,
        generation,
        children,
        live,
        applied,
        held_back,
        unwell_for,
    } = findings;
    let revision = revision(children);
    // Only of a revision that was once in force altogether can a part have gone missing.
    let was_in_force = old.last_applied_revision.as_ref() == Some(&revision);
    let is_degraded = was_in_force && *unwell_for >= DEGRADED_AFTER;
    let settled = applied.is_settled() && held_back.is_empty();
    // What is held back was not acted on, and the status must not say that it was.
    let generation = &if held_back.is_empty() {
        *generation
    } else {
        old.observed_generation
    };
    let judgement = judge(applied, old, *generation, is_degraded);
    let mut conditions = Conditions {
        old,
        now,
        generation: *generation,
        list: Vec::new(),
    };
    conditions.set(
        "Ready",
        judgement.ready,
        judgement.reason,
        &judgement.message,
    );
    if platform.spec.paused {
        conditions.set("Progressing", false, "Paused", &paused(held_back));
        conditions.set("Paused", true, "Paused", &paused(held_back));
    } else {
        let (progressing, reason, message) = progressing(applied);
        conditions.set("Progressing", progressing, reason, &message);
    }
    let (degraded, reason, message) = judgement.degraded;
    conditions.set("Degraded", degraded, reason, &message);
    let (ready, reason, message) =
        step_condition(applied, Step::Stores, "StoresReady", "StoresStarting");
    conditions.set("StoresReady", ready, reason, &message);
    let (done, reason, message) = step_condition(
        applied,
        Step::Migrations,
        "MigrationsComplete",
        "MigrationsRunning",
    );
    conditions.set("MigrationsComplete", done, reason, &message);
    PlatformStatus {
        observed_generation: *generation,
        conditions: conditions.list,
        components: components(children, live, applied),
        gateway: gateway(children, live),
        endpoint: endpoint(platform),
        version: if settled {
            Some(platform.spec.version.clone())
        } else {
            old.version.clone()
        },
        inventory: inventory(children, live),
        last_applied_revision: if settled {
            Some(revision)
        } else {
            old.last_applied_revision.clone()
        },
        last_handled_reconcile: old.last_handled_reconcile.clone(),
    }
}

/// The status of a platform that cannot be built: what was known stays, the reason is new.
#[must_use]
pub fn blocked(
    old: &PlatformStatus,
    generation: Option<i64>,
    reason: &str,
    message: &str,
    now: Timestamp,
) -> PlatformStatus {
    let mut conditions = Conditions {
        old,
        now,
        generation,
        list: Vec::new(),
    };
    conditions.set("Ready", false, reason, message);
    conditions.set("Progressing", false, reason, message);
    conditions.set("Degraded", true, reason, message);
    let fresh: Vec<String> = conditions
        .list
        .iter()
        .map(|fresh| fresh.type_.clone())
        .collect();
    let kept = old
        .conditions
        .iter()
        .filter(|kept| !fresh.contains(&kept.type_) && kept.type_ != "Paused")
        .cloned();
    let conditions = conditions.list.iter().cloned().chain(kept).collect();
    PlatformStatus {
        observed_generation: generation,
        conditions,
        ..old.clone()
    }
}

struct Judgement {
    ready: bool,
    reason: &'static str,
    message: String,
    degraded: (bool, &'static str, String),
}

fn judge(
    applied: &Applied,
    old: &PlatformStatus,
    generation: Option<i64>,
    is_degraded: bool,
) -> Judgement {
    let failed = troubles(applied);
    let waiting = describe(applied, |state| &state.waiting);
    let short = describe(applied, |state| &state.short);
    let was_ready = old.observed_generation == generation && is_true(old, "Ready");
    let (ready, reason, message) = if !failed.is_empty() {
        (false, failure_reason(applied), failed.clone())
    } else if !applied.is_settled() {
        (false, waiting_reason(applied), waiting.clone())
    } else if !short.is_empty() && !was_ready {
        (false, "ServicesStarting", short.clone())
    } else if !short.is_empty() {
        (
            true,
            "Ready",
            format!("serving with fewer pods than wanted: {short}"),
        )
    } else {
        (true, "Ready", "all components are ready".to_owned())
    };
    let unwell = [waiting, short].into_iter().find(|text| !text.is_empty());
    let degraded = match unwell {
        _ if !failed.is_empty() => (true, failure_reason(applied), failed),
        Some(why) if is_degraded => (true, "ComponentsUnready", why),
        _ if !applied.contested.is_empty() => (true, "CannotKeep", join(applied.contested.iter())),
        _ => (false, "AsExpected", String::new()),
    };
    Judgement {
        ready,
        reason,
        message,
        degraded,
    }
}

fn paused(held_back: &[(ChildKey, String)]) -> String {
    if held_back.is_empty() {
        "spec.paused: nothing is written; nothing differs".to_owned()
    } else {
        format!(
            "spec.paused: nothing is written; {}",
            join(held_back.iter())
        )
    }
}

fn failure_reason(applied: &Applied) -> &'static str {
    let failed = |step| {
        applied
            .steps
            .get(&step)
            .is_some_and(|state: &StepState| !state.failed.is_empty())
    };
    if applied.refused().next().is_some() {
        "WriteRefused"
    } else if failed(Step::Migrations) {
        "MigrationFailed"
    } else {
        "RolloutFailed"
    }
}

fn waiting_reason(applied: &Applied) -> &'static str {
    let first = applied.steps.iter().find(|(_, state)| !state.is_settled());
    match first.map(|(step, _)| step) {
        Some(Step::Stores) => "StoresStarting",
        Some(Step::Migrations) => "MigrationsRunning",
        Some(Step::Services) => "ServicesStarting",
        Some(Step::Gateway) => "GatewayStarting",
        _ => "Applying",
    }
}

fn progressing(applied: &Applied) -> (bool, &'static str, String) {
    let failed = troubles(applied);
    if applied.is_settled() {
        (false, "Settled", String::new())
    } else if !failed.is_empty() {
        (false, failure_reason(applied), failed)
    } else {
        (
            true,
            waiting_reason(applied),
            describe(applied, |state| &state.waiting),
        )
    }
}

fn step_condition(
    applied: &Applied,
    step: Step,
    done: &'static str,
    running: &'static str,
) -> (bool, &'static str, String) {
    let Some(state) = applied.steps.get(&step) else {
        return (false, running, String::new());
    };
    let text = |list: &[(ChildKey, String)]| join(list.iter());
    if !state.refused.is_empty() {
        return (false, "WriteRefused", text(&state.refused));
    }
    if !state.failed.is_empty() {
        let reason = if step == Step::Migrations {
            "MigrationFailed"
        } else {
            "StoreFailed"
        };
        (false, reason, text(&state.failed))
    } else if !applied.is_settled_until(step) {
        (false, running, text(&state.waiting))
    } else {
        (true, done, String::new())
    }
}

/// What will not mend itself: refused writes first, as they are the reason for the rest.
fn troubles(applied: &Applied) -> String {
    let failed = applied.steps.values().flat_map(|state| &state.failed);
    join(applied.refused().chain(failed))
}

fn describe(applied: &Applied, pick: fn(&StepState) -> &Vec<(ChildKey, String)>) -> String {
    // What waits only because an earlier step does is not news.
    let news = |(_, why): &&(ChildKey, String)| why != "not made yet";
    join(applied.steps.values().flat_map(pick).filter(news))
}

fn join<'a>(list: impl Iterator<Item = &'a (ChildKey, String)>) -> String {
    const SHOWN: usize = 4;
    let mut parts: Vec<String> = list
        .map(|((kind, name), why)| format!("{} {name}: {why}", kind.kind()))
        .collect();
    let more = parts.len().saturating_sub(SHOWN);
    parts.truncate(SHOWN);
    if more > 0 {
        parts.push(format!("and {more} more"));
    }
    parts.join("; ")
}

struct Conditions<'a> {
    old: &'a PlatformStatus,
    now: Timestamp,
    generation: Option<i64>,
    list: Vec<Condition>,
}

impl Conditions<'_> {
    fn set(&mut self, type_: &str, is: bool, reason: &str, message: &str) {
        let status = if is { "True" } else { "False" };
        let before = self.old.conditions.iter().find(|old| old.type_ == type_);
        let since = match before {
            Some(before) if before.status == status => before.last_transition_time.clone(),
            // Whole seconds, as the API server keeps them: else it would always differ.
            _ => Time(Timestamp::from_second(self.now.as_second()).unwrap_or(self.now)),
        };
        self.list.push(Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            observed_generation: self.generation,
            last_transition_time: since,
        });
    }
}

/// Whether the condition `type_` is True.
#[must_use]
pub fn is_true(status: &PlatformStatus, type_: &str) -> bool {
    status
        .conditions
        .iter()
        .any(|condition| condition.type_ == type_ && condition.status == "True")
}

fn components(children: &[Child], live: &Live, applied: &Applied) -> Vec<ComponentStatus> {
    let mut components: Vec<_> = children
        .iter()
        .filter(|child| {
            matches!(
                child.kind(),
                ChildKind::Deployment | ChildKind::StatefulSet | ChildKind::Job
            )
        })
        .map(|child| component(child, live, applied))
        .collect();
    components.sort_by(|one, other| (&one.kind, &one.name).cmp(&(&other.kind, &other.name)));
    components
}

fn component(child: &Child, live: &Live, applied: &Applied) -> ComponentStatus {
    let desired = child.object.to_value();
    let found = live.0.get(&child.key());
    let shown = found.unwrap_or(&desired);
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let counts = pods(child.kind(), shown);
    let is_refused = applied.refused().any(|(key, _)| *key == child.key());
    let message = match applied.why(&child.key()) {
        Some(words) if is_refused => format!("its write was refused: {words}"),
        Some(why) => why.to_owned(),
        None if found.is_none() => "not made yet".to_owned(),
        None => String::new(),
    };
    ComponentStatus {
        name: child.name().to_owned(),
        kind: child.kind().kind().to_owned(),
        ready: counts.ready,
        desired: counts.desired,
        image: text(&shown["spec"]["template"]["spec"]["containers"][0]["image"]),
        version: text(&shown["metadata"]["labels"]["app.kubernetes.io/version"]),
        message,
    }
}

fn gateway(children: &[Child], live: &Live) -> Option<String> {
    let of_gateway = |child: &&Child| {
        child.kind() == ChildKind::Deployment
            && child.component == Component::Service(Service::Gateway)
    };
    let child = children.iter().find(of_gateway)?;
    let counts = match live.0.get(&child.key()) {
        Some(found) => pods(ChildKind::Deployment, found),
        None => pods(ChildKind::Deployment, &child.object.to_value()),
    };
    Some(format!("{}/{}", counts.ready, counts.desired))
}

fn endpoint(platform: &ValidatedPlatform) -> Option<String> {
    let entry = platform.spec.ingress.as_ref()?;
    let scheme = if entry.tls.is_some() { "https" } else { "http" };
    Some(format!("{scheme}://{}", entry.host))
}

/// Everything of ours that exists, wanted or not yet pruned.
fn inventory(children: &[Child], live: &Live) -> Vec<crate::api::InventoryEntry> {
    let is_ours = |object: &serde_json::Value| {
        object["metadata"]["labels"]["app.kubernetes.io/managed-by"] == MANAGED_BY
    };
    let wanted = children
        .iter()
        .map(Child::key)
        .filter(|key| live.0.contains_key(key));
    let others = live
        .0
        .iter()
        .filter(|(_, object)| is_ours(object))
        .map(|(key, _)| key.clone());
    let mut inventory: Vec<_> = wanted.chain(others).map(|key| entry(&key)).collect();
    inventory.sort();
    inventory.dedup();
    inventory
}

fn revision(children: &[Child]) -> String {
    let parts: Vec<String> = children
        .iter()
        .map(|child| {
            format!(
                "{} {} {}",
                child.kind().kind(),
                child.name(),
                child.revision
            )
        })
        .collect();
    short_hash(parts.join("\n").as_bytes())
}

//! The pipeline on one screen: fetch → validate → desired → apply → prune → status.
//!
//! `reconcile` only calls the steps. It never waits for pods: it looks, does what is possible now,
//! and comes back when a watch or the clock says so.

pub mod apply;
pub mod child;
pub mod context;
pub mod desired;
pub mod diff;
pub mod entropy;
pub mod external;
pub mod fetch;
pub mod health;
pub mod keys;
pub mod material;
pub mod notice;
pub mod ownership;
pub mod prune;
pub mod run;
pub mod status;
pub mod trouble;
pub mod validate;
pub mod writer;

use std::collections::BTreeMap;
use std::time::Duration;

use kube::api::{Patch, PatchParams, PropagationPolicy};
use kube::runtime::controller::Action;
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use crate::api::{PlatformStatus, QuickBitePlatform};
use apply::Applied;
use child::{ChildKey, ChildKind, Step};
use context::Context;
use desired::MANAGED_BY;
use fetch::{Fetched, Live};
use status::Findings;
use validate::{Invalid, ValidatedPlatform, validate};
use writer::{WriteError, Writer};

/// Why a reconcile did not come to its end. It is tried again with growing delays.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// Reading the children or the Secrets failed.
    #[error("the platform could not be read")]
    Fetch(#[source] kube::Error),
    /// A child could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The status could not be written.
    #[error("the status could not be written")]
    Status(#[source] kube::Error),
}

/// Annotation that forces a reconcile, and retries failed migrations, when its value changes.
const RECONCILE: &str = "quickbite.dev/reconcile";

/// Brings one platform a step closer to its spec, and says in its status how it is doing.
///
/// # Errors
/// When the API server could not be read or refused a write.
pub async fn reconcile(
    platform: &QuickBitePlatform,
    context: &Context,
) -> Result<Action, ReconcileError> {
    if platform.meta().deletion_timestamp.is_some() {
        // Children go by their owner references.
        return Ok(Action::await_change());
    }
    let Fetched {
        mut live,
        foreign_secrets,
        referenced,
    } = fetch::fetch(&context.client, platform, context.capabilities())
        .await
        .map_err(ReconcileError::Fetch)?;
    let checked = context.with_entropy(|entropy| {
        validate(
            platform,
            &live.secrets(),
            referenced,
            entropy,
            (context.clock)(),
        )
    });
    let plan = match checked {
        Ok(plan) => plan,
        Err(invalid) => return refuse(platform, context, &invalid).await,
    };
    let children = desired::desired(&plan);
    if let Some(invalid) = not_ours(&children, foreign_secrets) {
        return refuse(platform, context, &invalid).await;
    }
    let old = platform.status.clone().unwrap_or_default();
    let writer = context.writer(platform);
    let retried = retry_failed_migrations(&writer, platform, &old, &mut live).await?;
    let (mut applied, pruned, held_back) = if plan.spec.paused {
        let differences = apply::differences(&children, &live);
        (look(&children, &live), Vec::new(), differences)
    } else {
        let contested = context.contested(platform);
        let inventory = &old.inventory;
        let applied = apply::apply(&writer, &children, &mut live, inventory, &contested).await?;
        context.restored(platform, &applied.restored);
        let orphans = prune::orphans(&children, &live, applied.is_settled());
        prune::prune(&writer, &orphans, &mut live).await?;
        (applied, orphans, Vec::new())
    };
    let well = applied.is_settled() && applied.steps.values().all(|step| step.short.is_empty());
    if !well {
        // A status without the reasons is better than none.
        match fetch::troubles(&context.client, platform).await {
            Ok(troubles) => applied.explain(&troubles),
            Err(error) => tracing::warn!(%error, "pods and their events could not be read"),
        }
    }
    let findings = Findings {
        platform: &plan,
        generation: platform.meta().generation,
        children: &children,
        live: &live,
        applied: &applied,
        held_back: &held_back,
        unwell_for: context.observe(platform, well),
    };
    let mut new = status::status(&findings, &old, (context.clock)());
    if let Some(value) = retried {
        new.last_handled_reconcile = Some(value);
    }
    report(platform, context, &old, &new, &applied, &pruned).await?;
    let next = next_look(&plan, &applied, findings.unwell_for);
    Ok(Action::requeue(context.jitter(next)))
}

/// A Secret that the platform needs and that is somebody else's. Nothing is written then: what
/// goes with the Secret would be made for a value that is not kept.
fn not_ours(children: &[child::Child], foreign: BTreeMap<String, String>) -> Option<Invalid> {
    let wanted = |name: &str| {
        children
            .iter()
            .any(|child| child.kind() == ChildKind::Secret && child.name() == name)
    };
    foreign
        .into_iter()
        .find(|(name, _)| wanted(name))
        .map(|(name, whose)| Invalid::SecretNotOurs { name, whose })
}

/// A platform that cannot be built keeps what it has; only its status changes.
async fn refuse(
    platform: &QuickBitePlatform,
    context: &Context,
    invalid: &Invalid,
) -> Result<Action, ReconcileError> {
    let old = platform.status.clone().unwrap_or_default();
    let (reason, again) = match invalid {
        // A Secret may still come, and no watch of ours would tell.
        Invalid::SecretMissing { .. }
        | Invalid::KeyMissing { .. }
        | Invalid::SecretUnusable { .. } => (
            "ReferenceMissing",
            Action::requeue(context.jitter(Duration::from_secs(15))),
        ),
        Invalid::SecretDamaged { .. } => (
            "SecretDamaged",
            Action::requeue(context.jitter(Duration::from_secs(15))),
        ),
        Invalid::SecretNotOurs { .. } => (
            "NotOurs",
            Action::requeue(context.jitter(Duration::from_secs(15))),
        ),
        Invalid::Incomplete(_) | Invalid::NameTooLong(_) | Invalid::StoreAmbiguous(_) => {
            ("InvalidSpec", Action::await_change())
        }
    };
    let message = invalid.to_string();
    let new = status::blocked(
        &old,
        platform.meta().generation,
        reason,
        &message,
        (context.clock)(),
    );
    report(platform, context, &old, &new, &Applied::default(), &[]).await?;
    Ok(again)
}

/// How the objects are doing, without writing: for paused platforms. One that is missing counts only
/// if requests need it: a migration that is not asked for yet does not.
fn look(children: &[child::Child], live: &Live) -> Applied {
    let mut applied = Applied::default();
    for step in Step::ALL {
        let mut state = apply::StepState::default();
        for child in children.iter().filter(|child| child.step == step) {
            let serves = matches!(
                child.kind(),
                ChildKind::Deployment | ChildKind::StatefulSet | ChildKind::Service
            );
            if serves || live.0.contains_key(&child.key()) {
                apply::judge(child, live, &mut state);
            }
        }
        applied.steps.insert(step, state);
    }
    applied
}

/// A changed value of the reconcile annotation means "try again": failed Jobs are removed, so that
/// the apply makes them anew. Returns the value to remember; a paused platform is asked again later.
async fn retry_failed_migrations(
    writer: &Writer,
    platform: &QuickBitePlatform,
    old: &PlatformStatus,
    live: &mut Live,
) -> Result<Option<String>, WriteError> {
    let Some(asked) = platform.annotations().get(RECONCILE) else {
        return Ok(None);
    };
    if platform.spec.paused || old.last_handled_reconcile.as_ref() == Some(asked) {
        return Ok(None);
    }
    let failed: Vec<ChildKey> = live
        .0
        .iter()
        .filter(|((kind, _), object)| {
            *kind == ChildKind::Job
                && matches!(health::health(*kind, object), health::Health::Failed(_))
        })
        .map(|(key, _)| key.clone())
        .collect();
    for key in failed {
        let uid = live.0[&key]["metadata"]["uid"].as_str();
        writer
            .delete(key.0, &key.1, uid, PropagationPolicy::Background)
            .await?;
        live.0.remove(&key);
    }
    Ok(Some(asked.clone()))
}

/// Writes the status if it is another one, then tells what happened.
async fn report(
    platform: &QuickBitePlatform,
    context: &Context,
    old: &PlatformStatus,
    new: &PlatformStatus,
    applied: &Applied,
    pruned: &[ChildKey],
) -> Result<(), ReconcileError> {
    let (name, namespace) = (
        platform.name_any(),
        platform.namespace().unwrap_or_default(),
    );
    context
        .metrics
        .ready(&namespace, &name, status::is_true(new, "Ready"));
    if old != new {
        if !context.leadership.is_held() {
            return Err(WriteError::NotLeading.into());
        }
        let api: Api<QuickBitePlatform> = Api::namespaced(context.client.clone(), &namespace);
        let body = json!({
            "apiVersion": QuickBitePlatform::api_version(&()),
            "kind": QuickBitePlatform::kind(&()),
            "status": new,
        });
        let parameters = PatchParams::apply(MANAGED_BY).force();
        context.metrics.write("QuickBitePlatformStatus");
        api.patch_status(&name, &parameters, &Patch::Apply(&body))
            .await
            .map_err(ReconcileError::Status)?;
    }
    let notices = notice::notices(old, new, applied, pruned);
    notice::publish(&context.recorder, &platform.object_ref(&()), notices).await;
    Ok(())
}

/// Watches bring the operator back when something happens. The clock is for what no watch tells: a
/// Secret of the user that changes, a quota that grows, a pod that cannot start, and a watch that
/// missed something.
fn next_look(plan: &ValidatedPlatform, applied: &Applied, unwell_for: Duration) -> Duration {
    let is_short = applied.steps.values().any(|step| !step.short.is_empty());
    if applied.is_settled() && !is_short && applied.contested.is_empty() {
        let refers = !plan.referenced.secrets.is_empty();
        return Duration::from_secs(if refers { 60 } else { 600 });
    }
    // Often at first, while it is to be found out whether it passes.
    let is_new = unwell_for < Duration::from_secs(120) && applied.refused().next().is_none();
    Duration::from_secs(if is_new { 10 } else { 30 })
}

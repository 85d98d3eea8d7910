//! Removes what the platform no longer consists of. What is removed is what we made: it carries our
//! labels and this platform's owner reference.
//!
//! Removal waits until the new state is healthy, except for autoscalers and budgets: an autoscaler
//! that outlives its reason fights with `replicas`.

use std::collections::BTreeSet;

use kube::api::PropagationPolicy;

use super::child::{Child, ChildKey, ChildKind};
use super::fetch::Live;
use super::writer::{WriteError, Writer};

/// Live objects that `children` do not contain, in reverse apply order.
#[must_use]
pub fn orphans(children: &[Child], live: &Live, settled: bool) -> Vec<ChildKey> {
    let wanted: BTreeSet<ChildKey> = children.iter().map(Child::key).collect();
    let at_once = |kind: ChildKind| {
        matches!(
            kind,
            ChildKind::HorizontalPodAutoscaler | ChildKind::PodDisruptionBudget
        )
    };
    live.0
        .iter()
        .rev()
        .filter(|(key, object)| {
            // Without an owner it is not ours to delete, whatever its labels say.
            !wanted.contains(key) && object["metadata"]["ownerReferences"].is_array()
        })
        .filter(|((kind, _), _)| settled || at_once(*kind))
        .map(|(key, _)| key.clone())
        .collect()
}

/// Deletes `orphans`.
///
/// # Errors
/// The first delete that failed; the next reconcile goes on from there.
pub async fn prune(
    writer: &Writer,
    orphans: &[ChildKey],
    live: &mut Live,
) -> Result<(), WriteError> {
    for key in orphans {
        let uid = live
            .0
            .get(key)
            .and_then(|object| object["metadata"]["uid"].as_str());
        writer
            .delete(key.0, &key.1, uid, PropagationPolicy::Background)
            .await?;
        live.0.remove(key);
    }
    Ok(())
}

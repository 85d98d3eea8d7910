//! How a live object is doing, from its status alone.

use serde_json::Value;

use super::child::ChildKind;

/// How an object is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// As wanted.
    Healthy,
    /// Completely rolled out and serving, with fewer pods than wanted.
    Short(String),
    /// On its way.
    Progressing(String),
    /// It will not get there by itself.
    Failed(String),
}

/// Pods ready and wanted, as status shows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pods {
    /// Pods that are ready.
    pub ready: i32,
    /// Pods that are wanted.
    pub desired: i32,
}

/// The health of `live`, an object of `kind`. Kinds without pods are healthy once they exist.
#[must_use]
pub fn health(kind: ChildKind, live: &Value) -> Health {
    match kind {
        ChildKind::Deployment => deployment(live),
        ChildKind::StatefulSet => stateful_set(live),
        ChildKind::Job => job(live),
        _ => Health::Healthy,
    }
}

/// The pods of `live`, an object of `kind`.
#[must_use]
pub fn pods(kind: ChildKind, live: &Value) -> Pods {
    let number = |value: &Value| i32::try_from(value.as_i64().unwrap_or(0)).unwrap_or(i32::MAX);
    match kind {
        ChildKind::Job => Pods {
            ready: number(&live["status"]["succeeded"]).min(1),
            desired: 1,
        },
        ChildKind::Deployment | ChildKind::StatefulSet => Pods {
            ready: number(&live["status"]["readyReplicas"]),
            desired: live["spec"]["replicas"]
                .as_i64()
                .map_or(1, |_| number(&live["spec"]["replicas"])),
        },
        _ => Pods::default(),
    }
}

fn count(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn observed(live: &Value) -> bool {
    count(&live["status"]["observedGeneration"]) >= count(&live["metadata"]["generation"])
}

fn deployment(live: &Value) -> Health {
    let status = &live["status"];
    let desired = live["spec"]["replicas"].as_i64().unwrap_or(1);
    if !observed(live) {
        return Health::Progressing("waiting for the rollout to begin".to_owned());
    }
    let (updated, available) = (
        count(&status["updatedReplicas"]),
        count(&status["availableReplicas"]),
    );
    let rolled_out = updated >= desired && count(&status["replicas"]) <= desired;
    if rolled_out && available >= desired {
        return Health::Healthy;
    }
    let mut counts = format!("{available}/{desired} pods available, {updated} of this revision");
    if let Some(refused) = condition(status, "ReplicaFailure") {
        let why = refused["message"].as_str().unwrap_or("no reason given");
        counts = format!("{counts}; pods cannot be made: {why}");
    }
    if let Some(deadline) = condition(status, "Progressing")
        && deadline["reason"] == "ProgressDeadlineExceeded"
    {
        return Health::Failed(format!("rollout made no progress in time: {counts}"));
    }
    if rolled_out && available > 0 {
        Health::Short(counts)
    } else {
        Health::Progressing(counts)
    }
}

fn stateful_set(live: &Value) -> Health {
    let status = &live["status"];
    let desired = live["spec"]["replicas"].as_i64().unwrap_or(1);
    if !observed(live) {
        return Health::Progressing("waiting for the rollout to begin".to_owned());
    }
    let ready = count(&status["readyReplicas"]);
    let current = status["updateRevision"] == status["currentRevision"]
        || count(&status["updatedReplicas"]) >= desired;
    if ready >= desired && current {
        return Health::Healthy;
    }
    Health::Progressing(format!("{ready}/{desired} pods ready"))
}

fn job(live: &Value) -> Health {
    let status = &live["status"];
    if let Some(failed) = condition(status, "Failed") {
        let why = failed["message"].as_str().unwrap_or("it failed");
        return Health::Failed(format!("migration failed: {why}"));
    }
    if condition(status, "Complete").is_some() {
        return Health::Healthy;
    }
    let failures = count(&status["failed"]);
    Health::Progressing(if failures == 0 {
        "migration is running".to_owned()
    } else {
        format!("migration is running, {failures} attempts failed so far")
    })
}

/// The condition `kind`, when its status is what matters: True, or for Progressing, False.
fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    status["conditions"].as_array()?.iter().find(|condition| {
        condition["type"] == kind
            && (condition["status"] == "True"
                || (kind == "Progressing" && condition["status"] == "False"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deployment_whose_new_generation_was_not_seen_is_progressing() {
        let live = json!({
            "metadata": {"generation": 2}, "spec": {"replicas": 1},
            "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
        });
        assert!(matches!(
            health(ChildKind::Deployment, &live),
            Health::Progressing(_)
        ));
    }

    #[test]
    fn a_deployment_with_an_old_pod_left_is_progressing() {
        let live = json!({
            "spec": {"replicas": 1},
            "status": {"replicas": 2, "updatedReplicas": 1, "availableReplicas": 2},
        });
        assert!(matches!(
            health(ChildKind::Deployment, &live),
            Health::Progressing(_)
        ));
    }

    #[test]
    fn a_deployment_that_lost_one_of_two_pods_is_short() {
        let live = json!({
            "spec": {"replicas": 2},
            "status": {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 1},
        });
        assert!(matches!(
            health(ChildKind::Deployment, &live),
            Health::Short(_)
        ));
    }

    #[test]
    fn a_deployment_that_may_not_make_pods_says_why() {
        let live = json!({"spec": {"replicas": 1}, "status": {"conditions": [
            {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]}});
        let Health::Progressing(why) = health(ChildKind::Deployment, &live) else {
            panic!("not on its way")
        };
        assert!(
            why.ends_with("pods cannot be made: exceeded quota"),
            "{why}"
        );
    }

    #[test]
    fn a_failed_job_says_why() {
        let live = json!({"status": {"conditions": [
            {"type": "Failed", "status": "True", "message": "Job has reached the specified backoff limit"},
        ]}});
        let Health::Failed(why) = health(ChildKind::Job, &live) else {
            panic!("not failed")
        };
        assert_eq!(
            why,
            "migration failed: Job has reached the specified backoff limit"
        );
    }
}

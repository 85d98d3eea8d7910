//! Why pods do not start, in the words of whoever knows: the kubelet, the scheduler, the controller
//! that may not create them. Read only while something is not well.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};
use kube::ResourceExt;

use super::child::{ChildKey, ChildKind};
use crate::component::Store;

/// What keeps a workload's pods from being ready, by workload.
pub type Troubles = BTreeMap<ChildKey, String>;

/// The troubles of `platform`, from its pods and from the events about pods that could not be made.
#[must_use]
pub fn troubles(platform: &str, pods: &[Pod], refusals: &[Event]) -> Troubles {
    let mut pods: Vec<&Pod> = pods.iter().collect();
    pods.sort_by_key(|pod| pod.metadata.creation_timestamp.clone());
    let mut troubles = Troubles::new();
    // The youngest pod is of the revision that is asked for: what it says counts.
    for pod in pods {
        if let Some((key, said)) = workload(platform, pod).zip(of_pod(pod)) {
            troubles.insert(key, said);
        }
    }
    for event in refusals {
        if let Some((key, said)) = about(event).zip(event.message.clone()) {
            troubles.entry(key).or_insert(said);
        }
    }
    troubles
}

/// The workload that a pod is of, by the labels that the operator gave it.
fn workload(platform: &str, pod: &Pod) -> Option<ChildKey> {
    let label = |name: &str| pod.labels().get(name).cloned();
    if let Some(job) = label("batch.kubernetes.io/job-name") {
        return Some((ChildKind::Job, job));
    }
    let component = label("app.kubernetes.io/component")?;
    let is_store = Store::ALL.iter().any(|store| store.name() == component);
    let kind = if is_store {
        ChildKind::StatefulSet
    } else {
        ChildKind::Deployment
    };
    Some((kind, format!("{platform}-{component}")))
}

fn about(event: &Event) -> Option<ChildKey> {
    let kind = match event.involved_object.kind.as_deref()? {
        "StatefulSet" => ChildKind::StatefulSet,
        "Job" => ChildKind::Job,
        _ => return None,
    };
    Some((kind, event.involved_object.name.clone()?))
}

fn of_pod(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let conditions = status.conditions.iter().flatten();
    let unscheduled = conditions
        .filter(|condition| condition.type_ == "PodScheduled" && condition.status == "False")
        .map(|condition| {
            let reason = condition.reason.as_deref().unwrap_or("not scheduled");
            with_message(reason, condition.message.as_deref())
        });
    let init = status.init_container_statuses.iter().flatten();
    let containers = init.chain(status.container_statuses.iter().flatten());
    let evicted = status
        .reason
        .iter()
        .map(|reason| with_message(reason, status.message.as_deref()));
    let said = unscheduled
        .chain(containers.filter_map(of_container))
        .chain(evicted)
        .next()?;
    Some(format!("pod {}: {said}", pod.name_any()))
}

fn of_container(container: &ContainerStatus) -> Option<String> {
    let last = container.last_state.as_ref();
    let ended = last.and_then(|last| last.terminated.as_ref());
    let ended = ended.map(|ended| {
        let reason = ended.reason.as_deref().unwrap_or("an error");
        format!("ended with {reason}, exit code {}", ended.exit_code)
    });
    let waiting = container.state.as_ref()?.waiting.as_ref();
    let reason = waiting.and_then(|waiting| waiting.reason.as_deref());
    match (reason, ended) {
        (Some("CrashLoopBackOff"), Some(ended)) => Some(format!("CrashLoopBackOff: it {ended}")),
        (None | Some("ContainerCreating" | "PodInitializing"), ended) => {
            ended.filter(|_| !container.ready)
        }
        (Some(reason), _) => Some(with_message(reason, waiting?.message.as_deref())),
    }
}

fn with_message(reason: &str, message: Option<&str>) -> String {
    match message {
        Some(message) if !message.is_empty() => format!("{reason}: {message}"),
        _ => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(component: &str, status: &Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p", "labels": {"app.kubernetes.io/component": component}},
            "status": status,
        }))
        .unwrap()
    }

    fn said(status: &Value) -> Option<String> {
        let troubles = troubles("qb", &[pod("order", status)], &[]);
        let key = (ChildKind::Deployment, "qb-order".to_owned());
        troubles.get(&key).cloned()
    }

    fn container(state: &Value, last: &Value) -> Value {
        json!({"containerStatuses": [{"name": "c", "image": "", "imageID": "", "ready": false,
            "restartCount": 0, "state": state, "lastState": last}]})
    }

    #[test]
    fn an_image_that_cannot_be_pulled_is_told() {
        let waiting = json!({"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}});
        assert_eq!(
            said(&container(&waiting, &json!({}))).unwrap(),
            "pod p: ImagePullBackOff: no such tag"
        );
    }

    #[test]
    fn a_crash_says_how_it_ended() {
        let waiting = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}});
        let last = json!({"terminated": {"reason": "OOMKilled", "exitCode": 137}});
        assert_eq!(
            said(&container(&waiting, &last)).unwrap(),
            "pod p: CrashLoopBackOff: it ended with OOMKilled, exit code 137"
        );
        let running = json!({"running": {}});
        assert_eq!(
            said(&container(&running, &last)).unwrap(),
            "pod p: ended with OOMKilled, exit code 137"
        );
    }

    #[test]
    fn a_pod_without_a_node_says_what_the_scheduler_said() {
        let status = json!({"conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": "0/1 nodes are available"}]});
        assert_eq!(
            said(&status).unwrap(),
            "pod p: Unschedulable: 0/1 nodes are available"
        );
    }

    #[test]
    fn a_pod_that_is_starting_has_no_trouble() {
        let waiting = json!({"waiting": {"reason": "ContainerCreating"}});
        assert_eq!(said(&container(&waiting, &json!({}))), None);
    }

    #[test]
    fn a_store_whose_pods_may_not_be_made_says_why() {
        let event: Event = serde_json::from_value(json!({
            "metadata": {}, "reason": "FailedCreate", "message": "exceeded quota",
            "involvedObject": {"kind": "StatefulSet", "name": "qb-redis"},
        }))
        .unwrap();
        let troubles = troubles("qb", &[], &[event]);
        let key = (ChildKind::StatefulSet, "qb-redis".to_owned());
        assert_eq!(troubles[&key], "exceeded quota");
    }
}

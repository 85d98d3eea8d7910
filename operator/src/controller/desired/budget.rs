//! PodDisruptionBudgets, for services with more than one pod: with one, a budget would only keep
//! nodes from being drained.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::deployment::replicas;
use super::meta::{matching, metadata, server_selector};
use crate::component::{Component, Service};
use crate::controller::validate::ValidatedPlatform;

pub(super) fn budget(
    platform: &ValidatedPlatform,
    service: Service,
) -> Option<PodDisruptionBudget> {
    let fewest = match &service.workload(&platform.spec).autoscaling {
        Some(scaling) => scaling.min_replicas,
        None => replicas(platform, service),
    };
    if fewest < 2 {
        return None;
    }
    let component = Component::Service(service);
    Some(PodDisruptionBudget {
        metadata: metadata(platform, component, platform.object_name(component)),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(matching(server_selector(platform, component))),
            // Pods that never became ready do not hold up a drain.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    })
}

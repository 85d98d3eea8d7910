//! HorizontalPodAutoscalers, where the spec asks for them.

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec,
    MetricTarget, ResourceMetricSource,
};

use super::meta::metadata;
use crate::component::{Component, Service};
use crate::controller::validate::ValidatedPlatform;

pub(super) fn autoscaler(
    platform: &ValidatedPlatform,
    service: Service,
) -> Option<HorizontalPodAutoscaler> {
    let scaling = service.workload(&platform.spec).autoscaling.as_ref()?;
    let component = Component::Service(service);
    let name = platform.object_name(component);
    Some(HorizontalPodAutoscaler {
        metadata: metadata(platform, component, name.clone()),
        spec: Some(HorizontalPodAutoscalerSpec {
            min_replicas: Some(scaling.min_replicas),
            max_replicas: scaling.max_replicas,
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: "Deployment".to_owned(),
                name,
            },
            metrics: Some(vec![MetricSpec {
                type_: "Resource".to_owned(),
                resource: Some(ResourceMetricSource {
                    name: "cpu".to_owned(),
                    target: MetricTarget {
                        type_: "Utilization".to_owned(),
                        average_utilization: Some(scaling.target_cpu),
                        ..MetricTarget::default()
                    },
                }),
                ..MetricSpec::default()
            }]),
            ..HorizontalPodAutoscalerSpec::default()
        }),
        status: None,
    })
}

//! What the Prometheus Operator reads, where the cluster has it.

use kube::core::{DynamicObject, TypeMeta};
use serde_json::{Value, json};

use super::meta::{instance, metadata};
use crate::component::Component;
use crate::controller::child::{ChildKind, Object};
use crate::controller::validate::ValidatedPlatform;

pub(super) fn service_monitor(platform: &ValidatedPlatform) -> Option<Object> {
    let wanted = platform.spec.observability.service_monitor
        && platform.referenced.capabilities.service_monitor;
    let spec = json!({"spec": {
        "selector": {"matchLabels": instance(platform)},
        "endpoints": [{"port": "metrics", "interval": "15s"}],
    }});
    wanted.then(|| {
        Object::ServiceMonitor(Box::new(dynamic(platform, ChildKind::ServiceMonitor, spec)))
    })
}

pub(super) fn prometheus_rule(platform: &ValidatedPlatform) -> Option<Object> {
    let wanted = platform.spec.observability.prometheus_rule
        && platform.referenced.capabilities.prometheus_rule;
    let (name, namespace) = (&platform.name, &platform.namespace);
    let alert = |alert: &str, expression: String, summary: &str| {
        json!({
            "alert": alert, "expr": expression, "for": "5m",
            "labels": {"severity": "critical", "platform": name},
            "annotations": {"summary": summary},
        })
    };
    let rules = [
        alert(
            "QuickBitePlatformNotReady",
            format!(r#"quickbite_platform_ready{{namespace="{namespace}",name="{name}"}} == 0"#),
            "The platform is not ready; kubectl get qbp -o wide says why.",
        ),
        alert(
            "QuickBiteOutboxStuck",
            format!(
                r#"max(quickbite_outbox_oldest_unsent_seconds{{namespace="{namespace}"}}) > 60"#
            ),
            "Messages wait in an outbox: the broker may be down.",
        ),
    ];
    let spec = json!({"spec": {"groups": [{"name": name, "rules": rules}]}});
    wanted.then(|| {
        Object::PrometheusRule(Box::new(dynamic(platform, ChildKind::PrometheusRule, spec)))
    })
}

fn dynamic(platform: &ValidatedPlatform, kind: ChildKind, data: Value) -> DynamicObject {
    let resource = kind.api_resource();
    DynamicObject {
        types: Some(TypeMeta {
            api_version: resource.api_version,
            kind: resource.kind,
        }),
        metadata: metadata(platform, Component::Platform, platform.name.clone()),
        data,
    }
}

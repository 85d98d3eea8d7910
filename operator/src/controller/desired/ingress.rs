//! The public entry: an Ingress, or an HTTPRoute on a Gateway that somebody else runs.

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule,
    IngressServiceBackend, IngressSpec, IngressTLS, ServiceBackendPort,
};
use kube::core::{DynamicObject, TypeMeta};
use serde_json::json;

use super::meta::metadata;
use crate::component::{Component, Service};
use crate::controller::child::{ChildKind, Object};
use crate::controller::validate::ValidatedPlatform;

pub(super) fn ingress(platform: &ValidatedPlatform) -> Option<Ingress> {
    let entry = platform
        .spec
        .ingress
        .as_ref()
        .filter(|entry| entry.gateway_ref.is_none())?;
    let mut metadata = metadata(platform, Component::Platform, platform.name.clone());
    metadata.annotations = (!entry.annotations.is_empty()).then(|| entry.annotations.clone());
    let backend = IngressBackend {
        service: Some(IngressServiceBackend {
            name: platform.object_name(Component::Service(Service::Gateway)),
            port: Some(ServiceBackendPort {
                name: Some("http".to_owned()),
                number: None,
            }),
        }),
        resource: None,
    };
    let path = HTTPIngressPath {
        path: Some("/".to_owned()),
        path_type: "Prefix".to_owned(),
        backend,
    };
    Some(Ingress {
        metadata,
        spec: Some(IngressSpec {
            ingress_class_name: entry.class_name.clone(),
            rules: Some(vec![IngressRule {
                host: Some(entry.host.clone()),
                http: Some(HTTPIngressRuleValue { paths: vec![path] }),
            }]),
            tls: entry.tls.as_ref().map(|tls| {
                vec![IngressTLS {
                    hosts: Some(vec![entry.host.clone()]),
                    secret_name: Some(tls.secret_name.clone()),
                }]
            }),
            ..IngressSpec::default()
        }),
        status: None,
    })
}

pub(super) fn http_route(platform: &ValidatedPlatform) -> Option<Object> {
    let entry = platform.spec.ingress.as_ref()?;
    let gateway = entry.gateway_ref.as_ref()?;
    if !platform.referenced.capabilities.http_route {
        return None;
    }
    let resource = ChildKind::HttpRoute.api_resource();
    let mut parent = json!({"name": gateway.name});
    if let Some(namespace) = &gateway.namespace {
        parent["namespace"] = json!(namespace);
    }
    if let Some(section) = &gateway.section_name {
        parent["sectionName"] = json!(section);
    }
    let backend = json!({
        "name": platform.object_name(Component::Service(Service::Gateway)),
        "port": Service::Gateway.port(),
    });
    Some(Object::HttpRoute(Box::new(DynamicObject {
        types: Some(TypeMeta {
            api_version: resource.api_version,
            kind: resource.kind,
        }),
        metadata: metadata(platform, Component::Platform, platform.name.clone()),
        data: json!({"spec": {
            "parentRefs": [parent],
            "hostnames": [entry.host],
            "rules": [{"backendRefs": [backend]}],
        }}),
    })))
}

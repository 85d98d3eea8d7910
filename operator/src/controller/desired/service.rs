//! Services: a stable address per component.

use k8s_openapi::api::core::v1::{Service as KubeService, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::meta::{metadata, selector, server_selector};
use crate::component::{Component, Service, Store};
use crate::controller::validate::ValidatedPlatform;

/// Address of a service, with its metrics port, which no ingress reaches.
pub(super) fn of_service(platform: &ValidatedPlatform, service: Service) -> KubeService {
    let component = Component::Service(service);
    KubeService {
        metadata: metadata(platform, component, platform.object_name(component)),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(server_selector(platform, component)),
            ports: Some(vec![port("http", service.port()), port("metrics", 9090)]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// Names of a store's pods. A MongoDB member must find itself before it is ready, hence the
/// addresses that are not ready.
pub(super) fn headless(platform: &ValidatedPlatform, store: Store) -> KubeService {
    let component = Component::Store(store);
    let mut ports = vec![port(store.name(), store.port())];
    if store == Store::Rabbitmq {
        ports.push(port("metrics", 15692));
    }
    KubeService {
        metadata: metadata(platform, component, platform.object_name(component)),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: (store == Store::Mongodb).then_some(true),
            selector: Some(selector(platform, component)),
            ports: Some(ports),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

fn port(name: &str, number: i32) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: number,
        target_port: Some(IntOrString::String(name.to_owned())),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    }
}

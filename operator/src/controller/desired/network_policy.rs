//! NetworkPolicies: nothing is allowed but ingress controller → gateway → services → their own
//! store and the broker, DNS, and metrics.
//!
//! One policy denies everything for all pods of the platform; each component then has one policy
//! that says what it needs. Migration Jobs carry their service's component and need what it needs.

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::meta::{Labels, instance, matching, metadata, selector};
use crate::component::{Component, Service, Store};
use crate::controller::validate::ValidatedPlatform;

const METRICS: i32 = 9090;
const RABBITMQ_METRICS: i32 = 15692;

/// Denies everything for every pod of the platform.
pub(super) fn default_deny(platform: &ValidatedPlatform) -> Option<NetworkPolicy> {
    let name = format!("{}-default-deny", platform.name);
    policy(
        platform,
        Component::Platform,
        name,
        instance(platform),
        Vec::new(),
        Vec::new(),
    )
}

/// A managed store: reached by the services that use it, reaches nothing but DNS and itself.
pub(super) fn of_store(platform: &ValidatedPlatform, store: Store) -> Option<NetworkPolicy> {
    let component = Component::Store(store);
    let mut clients: Vec<_> = platform
        .services()
        .filter(|service| service.uses(store))
        .map(|service| pods(selector(platform, Component::Service(service))))
        .collect();
    let mut egress = vec![dns()];
    if store == Store::Mongodb {
        // The member of a replica set talks to itself under its own name.
        clients.push(pods(selector(platform, component)));
        egress.push(to(vec![pods(selector(platform, component))], store.port()));
    }
    let mut ingress = Vec::new();
    // An empty list of peers would mean everybody.
    if !clients.is_empty() {
        ingress.push(from(clients, store.port()));
    }
    if store == Store::Rabbitmq {
        ingress.push(from(monitoring(platform), RABBITMQ_METRICS));
    }
    let name = platform.object_name(component);
    policy(
        platform,
        component,
        name,
        selector(platform, component),
        ingress,
        egress,
    )
}

/// A service: reached by the gateway, reaches its own stores.
pub(super) fn of_service(platform: &ValidatedPlatform, service: Service) -> Option<NetworkPolicy> {
    let component = Component::Service(service);
    let callers = match service {
        Service::Gateway => ingress_controllers(platform),
        _ => vec![pods(selector(
            platform,
            Component::Service(Service::Gateway),
        ))],
    };
    let ingress = vec![
        from(callers, service.port()),
        from(monitoring(platform), METRICS),
    ];
    let mut egress = vec![dns()];
    if service == Service::Gateway {
        for upstream in platform
            .services()
            .filter(|service| *service != Service::Gateway)
        {
            let peer = pods(selector(platform, Component::Service(upstream)));
            egress.push(to(vec![peer], upstream.port()));
        }
    }
    egress.extend(
        service
            .stores()
            .iter()
            .map(|store| to_store(platform, *store)),
    );
    egress.extend(to_collector(platform));
    if service == Service::Notification
        && platform
            .spec
            .services
            .notification
            .smtp_secret_ref
            .is_some()
    {
        // Mail servers are outside and their port is in a Secret: the three that mail uses.
        egress.extend([25, 465, 587].map(|port| to(Vec::new(), port)));
    }
    let name = platform.object_name(component);
    policy(
        platform,
        component,
        name,
        selector(platform, component),
        ingress,
        egress,
    )
}

fn policy(
    platform: &ValidatedPlatform,
    component: Component,
    name: String,
    pods: Labels,
    ingress: Vec<NetworkPolicyIngressRule>,
    egress: Vec<NetworkPolicyEgressRule>,
) -> Option<NetworkPolicy> {
    platform.spec.network_policy.enabled.then(|| NetworkPolicy {
        metadata: metadata(platform, component, name),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(matching(pods)),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: (!ingress.is_empty()).then_some(ingress),
            egress: (!egress.is_empty()).then_some(egress),
        }),
    })
}

fn to_store(platform: &ValidatedPlatform, store: Store) -> NetworkPolicyEgressRule {
    match platform.external.get(&store) {
        // Where an external store is may change with its DNS name; its port does not.
        Some(there) => to(Vec::new(), i32::from(there.port)),
        None => to(
            vec![pods(selector(platform, Component::Store(store)))],
            store.port(),
        ),
    }
}

fn to_collector(platform: &ValidatedPlatform) -> Option<NetworkPolicyEgressRule> {
    let tracing = platform.spec.observability.tracing.as_ref()?;
    let port = url::Url::parse(&tracing.otlp_endpoint)
        .ok()?
        .port_or_known_default()?;
    Some(to(Vec::new(), i32::from(port)))
}

fn ingress_controllers(platform: &ValidatedPlatform) -> Vec<NetworkPolicyPeer> {
    let Some(peer) = &platform.spec.network_policy.ingress_controller else {
        return vec![any_namespace()];
    };
    let namespace = peer.namespace.iter().map(|name| named_namespace(name));
    let ranges = peer.cidrs.iter().map(|cidr| NetworkPolicyPeer {
        ip_block: Some(IPBlock {
            cidr: cidr.clone(),
            except: None,
        }),
        ..NetworkPolicyPeer::default()
    });
    namespace.chain(ranges).collect()
}

fn monitoring(platform: &ValidatedPlatform) -> Vec<NetworkPolicyPeer> {
    vec![match &platform.spec.network_policy.monitoring_namespace {
        Some(name) => named_namespace(name),
        None => any_namespace(),
    }]
}

fn pods(labels: Labels) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        pod_selector: Some(matching(labels)),
        ..NetworkPolicyPeer::default()
    }
}

fn any_namespace() -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector::default()),
        ..NetworkPolicyPeer::default()
    }
}

fn named_namespace(name: &str) -> NetworkPolicyPeer {
    let labels = Labels::from([("kubernetes.io/metadata.name".to_owned(), name.to_owned())]);
    NetworkPolicyPeer {
        namespace_selector: Some(matching(labels)),
        ..NetworkPolicyPeer::default()
    }
}

fn dns() -> NetworkPolicyEgressRule {
    let mut peer = named_namespace("kube-system");
    let labels = Labels::from([("k8s-app".to_owned(), "kube-dns".to_owned())]);
    peer.pod_selector = Some(matching(labels));
    NetworkPolicyEgressRule {
        to: Some(vec![peer]),
        ports: Some(vec![port("UDP", 53), port("TCP", 53)]),
    }
}

fn from(peers: Vec<NetworkPolicyPeer>, number: i32) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule {
        from: Some(peers),
        ports: Some(vec![port("TCP", number)]),
    }
}

/// To `peers`, or to anywhere when there are none.
fn to(peers: Vec<NetworkPolicyPeer>, number: i32) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        to: (!peers.is_empty()).then_some(peers),
        ports: Some(vec![port("TCP", number)]),
    }
}

fn port(protocol: &str, number: i32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(number)),
        end_port: None,
    }
}

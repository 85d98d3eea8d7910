//! What a platform consists of: a pure function from the validated platform to its objects.
//!
//! No clock, no randomness, no I/O; the same platform gives the same objects in the same order, so
//! that snapshots show every effect of a change.

mod autoscaler;
mod budget;
mod config_map;
mod deployment;
mod env;
mod ingress;
mod meta;
mod migration;
mod mongodb;
mod monitoring;
mod network_policy;
mod pod;
mod postgres;
mod rabbitmq;
mod redis;
mod secret;
mod service;
mod service_account;
mod stateful_set;
mod urls;

use super::child::{Child, Object};
use super::validate::ValidatedPlatform;
use crate::component::{Component, Service};

pub use meta::MANAGED_BY;

/// Every object of the platform, sorted by step, component, kind and name.
#[must_use]
pub fn desired(platform: &ValidatedPlatform) -> Vec<Child> {
    let mut children = Children::default();
    children.platform(platform);
    for (store, managed) in platform.managed_stores() {
        children.store(platform, store, managed);
    }
    for service in platform.services() {
        children.service(platform, service);
    }
    let mut children = children.0;
    children.sort_by_cached_key(|child| {
        (
            child.step,
            child.component,
            child.kind(),
            child.name().to_owned(),
        )
    });
    children
}

#[derive(Default)]
struct Children(Vec<Child>);

impl Children {
    fn add(&mut self, component: Component, object: impl Into<Object>) {
        self.0.push(Child::new(component, object.into()));
    }

    fn extend<O: Into<Object>>(
        &mut self,
        component: Component,
        objects: impl IntoIterator<Item = O>,
    ) {
        objects
            .into_iter()
            .for_each(|object| self.add(component, object));
    }

    fn platform(&mut self, platform: &ValidatedPlatform) {
        let component = Component::Platform;
        self.extend(component, secret::of_platform(platform));
        self.add(component, config_map::jwks(platform));
        self.extend(component, network_policy::default_deny(platform));
        self.extend(component, ingress::ingress(platform));
        self.extend(component, ingress::http_route(platform));
        self.extend(component, monitoring::service_monitor(platform));
        self.extend(component, monitoring::prometheus_rule(platform));
    }

    fn store(
        &mut self,
        platform: &ValidatedPlatform,
        store: crate::component::Store,
        managed: &crate::api::Managed,
    ) {
        let component = Component::Store(store);
        self.add(
            component,
            service_account::service_account(platform, component),
        );
        self.extend(component, secret::of_server(platform, store));
        self.extend(component, secret::logins(platform, store));
        self.extend(component, config_map::of_store(platform, store));
        self.extend(component, network_policy::of_store(platform, store));
        self.add(component, service::headless(platform, store));
        self.add(
            component,
            stateful_set::stateful_set(platform, store, managed),
        );
    }

    fn service(&mut self, platform: &ValidatedPlatform, service: Service) {
        let component = Component::Service(service);
        self.add(
            component,
            service_account::service_account(platform, component),
        );
        self.extend(component, secret::of_service(platform, service));
        self.add(component, config_map::of_service(platform, service));
        if service == Service::Gateway {
            self.add(component, config_map::gateway_policy(platform));
        }
        self.extend(component, network_policy::of_service(platform, service));
        self.add(component, service::of_service(platform, service));
        self.extend(component, migration::job(platform, service));
        self.add(component, deployment::deployment(platform, service));
        self.extend(component, autoscaler::autoscaler(platform, service));
        self.extend(component, budget::budget(platform, service));
    }
}

//! StatefulSets: managed stores, one pod with one volume each.
//!
//! They run the official images and the local stand-ins unchanged, as uid 999 and with a read-only
//! root; what differs per store is in `postgres`, `mongodb`, `redis` and `rabbitmq`.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{
    StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec,
};
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, PersistentVolumeClaim, PersistentVolumeClaimSpec, PodSpec,
    PodTemplateSpec, Probe, TCPSocketAction, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::deployment::CONFIG_HASH;
use super::meta::{labels, matching, metadata, selector};
use super::pod::{self, Defaults};
use super::{config_map, mongodb, postgres, rabbitmq, redis, secret};
use crate::api::{DeletionPolicy, Managed};
use crate::component::{Component, Store};
use crate::controller::child::short_hash;
use crate::controller::validate::ValidatedPlatform;

/// The uid of postgres, redis, rabbitmq and mongodb in all images that we run.
const STORE_USER: i64 = 999;

/// Name of the volume with a store's data.
pub(super) const DATA: &str = "data";

pub(super) fn stateful_set(
    platform: &ValidatedPlatform,
    store: Store,
    managed: &Managed,
) -> StatefulSet {
    let component = Component::Store(store);
    let name = platform.object_name(component);
    let when_deleted = match managed.deletion_policy {
        DeletionPolicy::Retain => "Retain",
        DeletionPolicy::Delete => "Delete",
    };
    StatefulSet {
        metadata: metadata(platform, component, name.clone()),
        spec: Some(StatefulSetSpec {
            replicas: Some(1),
            service_name: Some(name),
            selector: matching(selector(platform, component)),
            persistent_volume_claim_retention_policy: Some(
                StatefulSetPersistentVolumeClaimRetentionPolicy {
                    when_deleted: Some(when_deleted.to_owned()),
                    when_scaled: Some("Retain".to_owned()),
                },
            ),
            template: template(platform, store, managed),
            volume_claim_templates: Some(vec![claim(platform, store, managed)]),
            ..StatefulSetSpec::default()
        }),
        status: None,
    }
}

fn claim(platform: &ValidatedPlatform, store: Store, managed: &Managed) -> PersistentVolumeClaim {
    let size = BTreeMap::from([("storage".to_owned(), Quantity(managed.storage.clone()))]);
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(DATA.to_owned()),
            labels: Some(selector(platform, Component::Store(store))),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: managed.storage_class_name.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some(size),
                limits: None,
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}

fn template(platform: &ValidatedPlatform, store: Store, managed: &Managed) -> PodTemplateSpec {
    let component = Component::Store(store);
    let mut volumes = vec![pod::scratch("tmp", "64Mi", false)];
    volumes.extend(match store {
        Store::Postgres => postgres::volumes(),
        Store::Mongodb => mongodb::volumes(platform),
        Store::Redis => redis::volumes(platform),
        Store::Rabbitmq => rabbitmq::volumes(platform),
    });
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels(platform, component)),
            annotations: Some(BTreeMap::from([(
                CONFIG_HASH.to_owned(),
                config_hash(platform, store),
            )])),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            service_account_name: Some(platform.object_name(component)),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            security_context: Some(pod::pod_security(STORE_USER)),
            termination_grace_period_seconds: Some(60),
            containers: vec![container(platform, store, managed)],
            volumes: Some(volumes),
            ..PodSpec::default()
        }),
    }
}

fn container(platform: &ValidatedPlatform, store: Store, managed: &Managed) -> Container {
    let base = match store {
        Store::Postgres => postgres::container(platform),
        Store::Mongodb => mongodb::container(platform),
        Store::Redis => redis::container(platform),
        Store::Rabbitmq => rabbitmq::container(platform),
    };
    let mut mounts = vec![pod::mount("tmp", "/tmp")];
    mounts.extend(base.volume_mounts.unwrap_or_default());
    let mut ports = vec![port(store.name(), store.port())];
    if store == Store::Rabbitmq {
        ports.push(port("metrics", 15692));
    }
    Container {
        name: store.name().to_owned(),
        image: Some(
            managed
                .image
                .clone()
                .unwrap_or_else(|| default_image(store).to_owned()),
        ),
        image_pull_policy: Some(platform.spec.image.pull_policy.as_str().to_owned()),
        ports: Some(ports),
        // Slow disks and recovery after a crash: five minutes before a start counts as failed.
        startup_probe: Some(tcp(store, 2, 150)),
        readiness_probe: base.readiness_probe.or_else(|| Some(tcp(store, 5, 2))),
        liveness_probe: Some(tcp(store, 20, 6)),
        resources: Some(pod::resources(
            managed.resources.as_ref(),
            &defaults(store, platform.is_production()),
        )),
        security_context: Some(pod::container_security()),
        volume_mounts: Some(mounts),
        ..base
    }
}

/// The official image of a store.
pub(super) const fn default_image(store: Store) -> &'static str {
    match store {
        Store::Postgres => "postgres:17",
        Store::Mongodb => "mongo:8",
        Store::Redis => "redis:8",
        Store::Rabbitmq => "rabbitmq:4",
    }
}

fn defaults(store: Store, production: bool) -> Defaults {
    let (memory, memory_limit) = match (store, production) {
        (Store::Postgres, false) => ("96Mi", "512Mi"),
        (Store::Mongodb, false) => ("192Mi", "768Mi"),
        (Store::Redis, false) => ("16Mi", "128Mi"),
        (Store::Rabbitmq, false) => ("160Mi", "512Mi"),
        (Store::Postgres | Store::Mongodb, true) => ("1Gi", "2Gi"),
        (Store::Redis, true) => ("256Mi", "512Mi"),
        (Store::Rabbitmq, true) => ("512Mi", "1Gi"),
    };
    match production {
        false => Defaults {
            cpu: "50m",
            memory,
            cpu_limit: "2",
            memory_limit,
        },
        true => Defaults {
            cpu: "500m",
            memory,
            cpu_limit: "4",
            memory_limit,
        },
    }
}

fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

fn tcp(store: Store, period: i32, failures: i32) -> Probe {
    Probe {
        tcp_socket: Some(TCPSocketAction {
            port: IntOrString::String(store.name().to_owned()),
            host: None,
        }),
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        timeout_seconds: Some(2),
        ..Probe::default()
    }
}

/// Hash of the files and credentials that the server reads at start.
fn config_hash(platform: &ValidatedPlatform, store: Store) -> String {
    let mut parts = Vec::new();
    if let Some(files) = config_map::of_store(platform, store) {
        parts.push(serde_json::to_string(&files.data).expect("a map serialises to JSON"));
    }
    for secret in secret::of_server(platform, store) {
        parts.push(serde_json::to_string(&secret.data).expect("a map serialises to JSON"));
    }
    short_hash(parts.join("\n").as_bytes())
}

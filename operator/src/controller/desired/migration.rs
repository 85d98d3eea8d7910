//! Migration Jobs: they make a service's database and login, then bring its schema up to date.
//!
//! A Job cannot change, so its name carries the hash of everything in it: a new image, new
//! arguments or new credentials make a new Job, and the same ones never run twice.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::deployment::{CONFIG_HASH, NONROOT, image, login_uri};
use super::meta::{labels, metadata, with_role};
use super::urls::{self, User};
use super::{env, pod};
use crate::component::{Component, Service, Store};
use crate::controller::child::short_hash;
use crate::controller::validate::ValidatedPlatform;

pub(super) fn job(platform: &ValidatedPlatform, service: Service) -> Option<Job> {
    let database = service.database()?;
    let component = Component::Service(service);
    let spec = spec(platform, service, database);
    let content = serde_json::to_vec(&spec).expect("a Job's spec serialises to JSON");
    let hash = short_hash(&content);
    let name = format!("{}-migrate-{}", platform.object_name(component), &hash[..8]);
    let mut metadata = metadata(platform, component, name);
    metadata.labels = metadata.labels.map(|labels| with_role(labels, "migration"));
    Some(Job {
        metadata,
        spec: Some(spec),
        status: None,
    })
}

fn spec(platform: &ValidatedPlatform, service: Service, database: Store) -> JobSpec {
    let component = Component::Service(service);
    let credentials = [
        login_uri(platform, database, service),
        urls::login(platform, database, User::Admin).uri,
    ];
    let annotations = BTreeMap::from([(
        CONFIG_HASH.to_owned(),
        short_hash(credentials.join("\n").as_bytes()),
    )]);
    JobSpec {
        backoff_limit: Some(4),
        active_deadline_seconds: Some(900),
        template: PodTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: Some(with_role(labels(platform, component), "migration")),
                annotations: Some(annotations),
                ..ObjectMeta::default()
            }),
            spec: Some(PodSpec {
                restart_policy: Some("Never".to_owned()),
                service_account_name: Some(platform.object_name(component)),
                automount_service_account_token: Some(false),
                enable_service_links: Some(false),
                security_context: Some(pod::pod_security(NONROOT)),
                containers: vec![container(platform, service, database)],
                volumes: Some(vec![pod::scratch("tmp", "64Mi", false)]),
                ..PodSpec::default()
            }),
        },
        ..JobSpec::default()
    }
}

fn container(platform: &ValidatedPlatform, service: Service, database: Store) -> Container {
    let defaults = pod::Defaults {
        cpu: "20m",
        memory: "32Mi",
        cpu_limit: "1",
        memory_limit: "128Mi",
    };
    Container {
        name: "migrate".to_owned(),
        image: Some(image(platform, service)),
        image_pull_policy: Some(platform.spec.image.pull_policy.as_str().to_owned()),
        args: Some(vec!["migrate".to_owned()]),
        env: Some(env::migration_variables(platform, service, database)),
        // The last lines of the log become the pod's message, and the platform's status.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        resources: Some(pod::resources(None, &defaults)),
        security_context: Some(pod::container_security()),
        volume_mounts: Some(vec![pod::mount("tmp", "/tmp")]),
        ..Container::default()
    }
}

//! Deployments: the gateway and the six services.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{
    ConfigMapEnvSource, Container, ContainerPort, EnvFromSource, HTTPGetAction, Lifecycle,
    LifecycleHandler, PodSpec, PodTemplateSpec, Probe, SleepAction, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::config_map::{jwks_name, policy_name};
use super::env::{self, DRAIN_DELAY_SECONDS, JWKS_DIR, POLICY_DIR, SIGNING_DIR};
use super::meta::{labels, matching, metadata, server_selector, with_role};
use super::pod::{self, Defaults};
use crate::component::{Component, Service, Store};
use crate::controller::child::short_hash;
use crate::controller::material::{access_keys_name, internal_keys_name};
use crate::controller::validate::ValidatedPlatform;

/// Pods carry the hash of what they read at start: a change rolls exactly those that use it.
pub(super) const CONFIG_HASH: &str = "quickbite.dev/config-hash";

/// The user of the distroless images.
pub(super) const NONROOT: i64 = 65_532;

/// Time that the kubelet waits before SIGTERM, so that endpoints are gone first.
const PRE_STOP_SECONDS: i64 = 2;
/// A service finishes within this after its drain delay.
const FINISH_SECONDS: i64 = 25;
/// What runs beside its requests ends within this after them; what is left is for the last traces.
const BACKGROUND_SECONDS: i64 = 5;

pub(super) fn deployment(platform: &ValidatedPlatform, service: Service) -> Deployment {
    let component = Component::Service(service);
    let selector = server_selector(platform, component);
    let workload = service.workload(&platform.spec);
    let replicas = match workload.autoscaling {
        // The autoscaler decides; a value here would fight with it.
        Some(_) => None,
        None => Some(replicas(platform, service)),
    };
    Deployment {
        metadata: metadata(platform, component, platform.object_name(component)),
        spec: Some(DeploymentSpec {
            replicas,
            selector: matching(selector),
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(1)),
                    max_unavailable: Some(IntOrString::Int(0)),
                }),
            }),
            revision_history_limit: Some(3),
            progress_deadline_seconds: Some(180),
            template: template(platform, service),
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

/// Pods without an autoscaler.
pub(super) fn replicas(platform: &ValidatedPlatform, service: Service) -> i32 {
    let default = if platform.is_production() { 2 } else { 1 };
    service.workload(&platform.spec).replicas.unwrap_or(default)
}

/// The image of a service.
pub(super) fn image(platform: &ValidatedPlatform, service: Service) -> String {
    let spec = &platform.spec;
    let default = || {
        format!(
            "{}/{}:{}",
            spec.image.registry,
            service.name(),
            spec.version
        )
    };
    service.workload(spec).image.clone().unwrap_or_else(default)
}

fn template(platform: &ValidatedPlatform, service: Service) -> PodTemplateSpec {
    let component = Component::Service(service);
    let selector = server_selector(platform, component);
    let annotations = BTreeMap::from([(CONFIG_HASH.to_owned(), config_hash(platform, service))]);
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(with_role(labels(platform, component), "server")),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            service_account_name: Some(platform.object_name(component)),
            automount_service_account_token: Some(false),
            // Dozens of variables about every Service of the namespace help nobody.
            enable_service_links: Some(false),
            security_context: Some(pod::pod_security(NONROOT)),
            termination_grace_period_seconds: Some(
                PRE_STOP_SECONDS + DRAIN_DELAY_SECONDS + FINISH_SECONDS + BACKGROUND_SECONDS + 5,
            ),
            topology_spread_constraints: Some(pod::spread(&selector, platform.is_production())),
            affinity: Some(pod::anti_affinity(&selector)),
            containers: vec![container(platform, service)],
            volumes: Some(volumes(platform, service)),
            ..PodSpec::default()
        }),
    }
}

fn container(platform: &ValidatedPlatform, service: Service) -> Container {
    let config = ConfigMapEnvSource {
        name: platform.object_name(Component::Service(service)),
        optional: None,
    };
    Container {
        name: service.name().to_owned(),
        image: Some(image(platform, service)),
        image_pull_policy: Some(platform.spec.image.pull_policy.as_str().to_owned()),
        args: Some(vec!["serve".to_owned()]),
        env_from: Some(vec![EnvFromSource {
            config_map_ref: Some(config),
            ..EnvFromSource::default()
        }]),
        env: Some(env::variables(platform, service)),
        ports: Some(vec![port("http", service.port()), port("metrics", 9090)]),
        startup_probe: Some(probe("/livez", 1, 60)),
        readiness_probe: Some(probe("/readyz", 2, 2)),
        liveness_probe: Some(probe("/livez", 10, 3)),
        lifecycle: Some(Lifecycle {
            pre_stop: Some(LifecycleHandler {
                sleep: Some(SleepAction {
                    seconds: PRE_STOP_SECONDS,
                }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        resources: Some(pod::resources(
            service.workload(&platform.spec).resources.as_ref(),
            &defaults(service, platform.is_production()),
        )),
        security_context: Some(pod::container_security()),
        volume_mounts: Some(mounts(service)),
        ..Container::default()
    }
}

/// Idle services stay under 24 MiB; the user service hashes passwords with 19 MiB each.
fn defaults(service: Service, production: bool) -> Defaults {
    let memory_limit = match service {
        Service::User => "256Mi",
        _ => "128Mi",
    };
    match production {
        false => Defaults {
            cpu: "20m",
            memory: "32Mi",
            cpu_limit: "1",
            memory_limit,
        },
        true => Defaults {
            cpu: "100m",
            memory: "64Mi",
            cpu_limit: "2",
            memory_limit: "256Mi",
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

fn probe(path: &str, period: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("http".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        timeout_seconds: Some(2),
        ..Probe::default()
    }
}

fn volumes(platform: &ValidatedPlatform, service: Service) -> Vec<Volume> {
    let mut volumes = vec![
        pod::scratch("tmp", "64Mi", false),
        pod::config_volume("jwks", jwks_name(platform)),
    ];
    match service {
        Service::Gateway => {
            volumes.push(pod::secret_volume(
                "signing",
                internal_keys_name(&platform.name),
            ));
            volumes.push(pod::config_volume("policy", policy_name(platform)));
        }
        Service::User => {
            volumes.push(pod::secret_volume(
                "signing",
                access_keys_name(&platform.name),
            ));
        }
        _ => {}
    }
    volumes
}

fn mounts(service: Service) -> Vec<VolumeMount> {
    let mut mounts = vec![pod::mount("tmp", "/tmp"), pod::read_only("jwks", JWKS_DIR)];
    if matches!(service, Service::Gateway | Service::User) {
        mounts.push(pod::read_only("signing", SIGNING_DIR));
    }
    if service == Service::Gateway {
        // The directory, not the file by subPath: only directories follow a changed ConfigMap.
        mounts.push(pod::read_only("policy", POLICY_DIR));
    }
    mounts
}

/// Hash of everything that a service reads only at start. The gateway's policy is not in it.
fn config_hash(platform: &ValidatedPlatform, service: Service) -> String {
    let material = &platform.material;
    let mut parts: Vec<String> = env::settings(platform, service)
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    parts.extend(
        service
            .stores()
            .iter()
            .map(|store| login_uri(platform, *store, service)),
    );
    parts.push(match service {
        Service::Gateway => material.internal_keys.to_json() + &material.access_keys.jwks(),
        Service::User => material.access_keys.to_json() + &material.internal_keys.jwks(),
        _ => material.internal_keys.jwks(),
    });
    if service == Service::User
        && let Some(admin) = &platform.spec.auth.bootstrap_admin
    {
        parts.extend([admin.email.clone(), material.bootstrap_password.clone()]);
    }
    for variable in env::variables(platform, service) {
        let reference = variable.value_from.and_then(|source| source.secret_key_ref);
        let value = reference.and_then(|reference| {
            platform
                .referenced
                .secrets
                .get(&reference.name)?
                .get(&reference.key)
                .cloned()
        });
        parts.extend(value);
    }
    short_hash(parts.join("\n").as_bytes())
}

pub(super) fn login_uri(platform: &ValidatedPlatform, store: Store, service: Service) -> String {
    super::urls::login(platform, store, super::urls::User::Service(service)).uri
}

//! What all pods have in common: PodSecurity `restricted`, resources, spreading, volumes.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, ConfigMapVolumeSource, EmptyDirVolumeSource, PodAffinityTerm,
    PodAntiAffinity, PodSecurityContext, ResourceRequirements, SeccompProfile, SecretVolumeSource,
    SecurityContext, TopologySpreadConstraint, Volume, VolumeMount, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::meta::{Labels, matching};
use crate::api::{Amounts, Resources};

/// Requests and limits where the spec gives none.
pub(super) struct Defaults {
    pub(super) cpu: &'static str,
    pub(super) memory: &'static str,
    pub(super) cpu_limit: &'static str,
    pub(super) memory_limit: &'static str,
}

/// The spec's amounts, the rest from `defaults`.
pub(super) fn resources(wanted: Option<&Resources>, defaults: &Defaults) -> ResourceRequirements {
    let amounts = |wanted: Option<&Amounts>, cpu: &str, memory: &str| {
        let given = |pick: fn(&Amounts) -> &Option<String>, default: &str| {
            Quantity(
                wanted
                    .and_then(|amounts| pick(amounts).clone())
                    .unwrap_or(default.to_owned()),
            )
        };
        BTreeMap::from([
            ("cpu".to_owned(), given(|amounts| &amounts.cpu, cpu)),
            (
                "memory".to_owned(),
                given(|amounts| &amounts.memory, memory),
            ),
        ])
    };
    let requests = wanted.and_then(|wanted| wanted.requests.as_ref());
    let limits = wanted.and_then(|wanted| wanted.limits.as_ref());
    ResourceRequirements {
        requests: Some(amounts(requests, defaults.cpu, defaults.memory)),
        limits: Some(amounts(limits, defaults.cpu_limit, defaults.memory_limit)),
        claims: None,
    }
}

/// Pod-level half of `restricted`, running as `user`.
pub(super) fn pod_security(user: i64) -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(user),
        run_as_group: Some(user),
        fs_group: Some(user),
        // Otherwise every start of a pod changes the modes of all files: slow, and Erlang refuses
        // a cookie that its group may read.
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..PodSecurityContext::default()
    }
}

/// Container-level half of `restricted`, with a read-only root.
pub(super) fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            add: None,
            drop: Some(vec!["ALL".to_owned()]),
        }),
        read_only_root_filesystem: Some(true),
        ..SecurityContext::default()
    }
}

/// Prefers nodes, and in production zones, that have no such pod yet.
pub(super) fn spread(labels: &Labels, production: bool) -> Vec<TopologySpreadConstraint> {
    let keys: &[&str] = if production {
        &["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    } else {
        &["kubernetes.io/hostname"]
    };
    keys.iter()
        .map(|key| TopologySpreadConstraint {
            max_skew: 1,
            topology_key: (*key).to_owned(),
            when_unsatisfiable: "ScheduleAnyway".to_owned(),
            label_selector: Some(matching(labels.clone())),
            ..TopologySpreadConstraint::default()
        })
        .collect()
}

/// Prefers a node of its own for each pod.
pub(super) fn anti_affinity(labels: &Labels) -> Affinity {
    let term = PodAffinityTerm {
        topology_key: "kubernetes.io/hostname".to_owned(),
        label_selector: Some(matching(labels.clone())),
        ..PodAffinityTerm::default()
    };
    Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![
                WeightedPodAffinityTerm {
                    weight: 100,
                    pod_affinity_term: term,
                },
            ]),
            ..PodAntiAffinity::default()
        }),
        ..Affinity::default()
    }
}

pub(super) fn scratch(name: &str, size: &str, in_memory: bool) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: Some(Quantity(size.to_owned())),
            medium: in_memory.then(|| "Memory".to_owned()),
        }),
        ..Volume::default()
    }
}

pub(super) fn config_volume(name: &str, config_map: String) -> Volume {
    Volume {
        name: name.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: config_map,
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}

pub(super) fn secret_volume(name: &str, secret: String) -> Volume {
    Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret),
            // Read by the group that fsGroup names, by nobody else.
            default_mode: Some(0o440),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

pub(super) fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    }
}

pub(super) fn read_only(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        read_only: Some(true),
        ..mount(name, path)
    }
}

pub(super) fn read_only_file(name: &str, path: &str, file: &str) -> VolumeMount {
    VolumeMount {
        sub_path: Some(file.to_owned()),
        ..read_only(name, path)
    }
}

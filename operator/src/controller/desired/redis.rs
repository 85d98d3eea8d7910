//! Redis: append-only file, a memory limit, and one ACL user per service, each with its own key
//! prefixes. The default user is off: without a password nobody gets in.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Secret, Volume};
use sha2::{Digest, Sha256};

use super::pod;
use super::secret::opaque;
use super::stateful_set::DATA;
use crate::component::{Component, Service, Store};
use crate::controller::material::{ADMIN, server_secret_name};
use crate::controller::validate::ValidatedPlatform;

const CONFIG_DIR: &str = "/etc/quickbite/redis";
const ACL_DIR: &str = "/etc/quickbite/redis-acl";

/// Keys and channels of a service, as ACL rules.
const fn rules(service: Service) -> Option<&'static str> {
    Some(match service {
        Service::Gateway => "~gw:* %R~auth:* &auth:*",
        Service::User => "~auth:* &auth:*",
        Service::Restaurant => "~restaurant:* ~restaurants:* &restaurant:* &restaurants:*",
        Service::Order => "&positions:*",
        Service::Driver => "~driver:* ~drivers:* ~positions:* &driver:* &drivers:* &positions:*",
        Service::Notification | Service::Payment => return None,
    })
}

/// redis.conf.
pub(super) fn files(platform: &ValidatedPlatform) -> BTreeMap<String, String> {
    let memory = if platform.is_production() {
        "384mb"
    } else {
        "96mb"
    };
    let config = [
        "bind * -::*",
        "port 6379",
        "dir /data",
        "appendonly yes",
        "appendfsync everysec",
        &format!("maxmemory {memory}"),
        // Keys without a TTL (revoked tokens, positions) must never be evicted.
        "maxmemory-policy volatile-lru",
        &format!("aclfile {ACL_DIR}/users.acl"),
        "",
    ];
    BTreeMap::from([("redis.conf".to_owned(), config.join("\n"))])
}

/// users.acl, with hashed passwords.
pub(super) fn server_secret(platform: &ValidatedPlatform) -> Secret {
    let hash = |user: &'static str| {
        let password = platform.material.password(Store::Redis, user);
        Sha256::digest(password.as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let mut lines = vec![
        "user default off".to_owned(),
        format!("user {ADMIN} on #{} ~* &* +@all", hash(ADMIN)),
    ];
    for service in Service::ALL {
        if let Some(rules) = rules(service) {
            let (name, hash) = (service.name(), hash(service.name()));
            // `info` is what clients ask for when they connect; it counts as dangerous.
            lines.push(format!(
                "user {name} on #{hash} {rules} +@all -@admin -@dangerous +info"
            ));
        }
    }
    let name = server_secret_name(&platform.name, Store::Redis);
    let acl = lines.join("\n") + "\n";
    opaque(
        platform,
        Component::Store(Store::Redis),
        name,
        [("users.acl", acl)],
    )
}

pub(super) fn volumes(platform: &ValidatedPlatform) -> Vec<Volume> {
    vec![
        pod::config_volume(
            "config",
            platform.object_name(Component::Store(Store::Redis)),
        ),
        pod::secret_volume("acl", server_secret_name(&platform.name, Store::Redis)),
    ]
}

pub(super) fn container(_: &ValidatedPlatform) -> Container {
    Container {
        args: Some(vec![
            "redis-server".to_owned(),
            format!("{CONFIG_DIR}/redis.conf"),
        ]),
        volume_mounts: Some(vec![
            pod::mount(DATA, "/data"),
            pod::read_only("config", CONFIG_DIR),
            pod::read_only("acl", ACL_DIR),
        ]),
        ..Container::default()
    }
}

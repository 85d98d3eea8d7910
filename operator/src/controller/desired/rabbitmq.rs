//! RabbitMQ: users, permissions and the virtual host come from a definitions file that the broker
//! imports at start, so that nothing has to call its management API.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::{Container, Secret, Volume};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::pod;
use super::secret::opaque;
use super::stateful_set::DATA;
use crate::component::{Component, Service, Store};
use crate::controller::material::{ADMIN, server_secret_name};
use crate::controller::validate::ValidatedPlatform;

/// The platform's virtual host.
pub(super) const VHOST: &str = "quickbite";

const CONFIG: &str = "90-quickbite.conf";
const PLUGINS: &str = "enabled_plugins";
const DEFINITIONS_DIR: &str = "/etc/quickbite/definitions";

/// Configuration and plugins.
pub(super) fn files(platform: &ValidatedPlatform) -> BTreeMap<String, String> {
    let watermark = if platform.is_production() {
        "0.6"
    } else {
        "0.5"
    };
    let config = [
        &format!(
            "definitions.import_backend = local_filesystem\ndefinitions.local.path = {DEFINITIONS_DIR}/definitions.json"
        ),
        "definitions.skip_if_unchanged = true",
        "default_queue_type = quorum",
        "loopback_users = none",
        &format!("vm_memory_high_watermark.relative = {watermark}"),
        "disk_free_limit.absolute = 256MB",
        "log.console = true",
        "log.console.level = info",
        "log.file = false",
        "",
    ];
    BTreeMap::from([
        (CONFIG.to_owned(), config.join("\n")),
        (PLUGINS.to_owned(), "[rabbitmq_prometheus].\n".to_owned()),
    ])
}

/// What `service` may read: the exchanges that it binds to, its own queues, its replies.
fn readable(service: &str) -> String {
    format!(r"^(quickbite\..*|{service}\..*|reply\.{service})$")
}

/// Users with hashed passwords, the virtual host and permissions.
pub(super) fn server_secret(platform: &ValidatedPlatform) -> Secret {
    let user = |name: &'static str, tags: &[&str]| {
        let password = platform.material.password(Store::Rabbitmq, name);
        json!({
            "name": name,
            "password_hash": password_hash(name, password),
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": tags,
        })
    };
    let permission = |name: &str, read: String| json!({"user": name, "vhost": VHOST, "configure": ".*", "write": ".*", "read": read});
    let services: Vec<Service> = Service::ALL
        .into_iter()
        .filter(|service| service.uses(Store::Rabbitmq))
        .collect();
    let users: Vec<Value> = std::iter::once(user(ADMIN, &["administrator"]))
        .chain(services.iter().map(|service| user(service.name(), &[])))
        .collect();
    let permissions: Vec<Value> = std::iter::once(permission(ADMIN, ".*".to_owned()))
        .chain(
            services
                .iter()
                .map(|service| permission(service.name(), readable(service.name()))),
        )
        .collect();
    let definitions = json!({
        "users": users,
        "vhosts": [{"name": VHOST, "default_queue_type": "quorum"}],
        "permissions": permissions,
    });
    let name = server_secret_name(&platform.name, Store::Rabbitmq);
    let text = format!("{definitions:#}\n");
    opaque(
        platform,
        Component::Store(Store::Rabbitmq),
        name,
        [("definitions.json", text)],
    )
}

/// RabbitMQ's own form: base64 of a salt of four bytes and SHA-256(salt + password). The salt
/// follows from user and password, so that the same platform gives the same file.
fn password_hash(user: &str, password: &str) -> String {
    let salt = &Sha256::digest(format!("{user}:{password}").as_bytes())[..4];
    let hash = Sha256::digest([salt, password.as_bytes()].concat());
    STANDARD.encode([salt, &hash[..]].concat())
}

pub(super) fn volumes(platform: &ValidatedPlatform) -> Vec<Volume> {
    vec![
        pod::config_volume(
            "config",
            platform.object_name(Component::Store(Store::Rabbitmq)),
        ),
        pod::secret_volume(
            "definitions",
            server_secret_name(&platform.name, Store::Rabbitmq),
        ),
        pod::scratch("log", "64Mi", false),
    ]
}

pub(super) fn container(_: &ValidatedPlatform) -> Container {
    Container {
        // Single files: the image's own files in these directories stay.
        volume_mounts: Some(vec![
            pod::mount(DATA, "/var/lib/rabbitmq"),
            pod::mount("log", "/var/log/rabbitmq"),
            pod::read_only_file("config", &format!("/etc/rabbitmq/conf.d/{CONFIG}"), CONFIG),
            pod::read_only_file("config", &format!("/etc/rabbitmq/{PLUGINS}"), PLUGINS),
            pod::read_only("definitions", DEFINITIONS_DIR),
        ]),
        ..Container::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_hash_is_salt_then_digest() {
        let bytes = STANDARD.decode(password_hash("order", "secret")).unwrap();
        let (salt, hash) = bytes.split_at(4);
        assert_eq!(hash, &Sha256::digest([salt, b"secret"].concat())[..]);
    }

    #[test]
    fn a_service_reads_its_own_queues_only() {
        assert_eq!(
            readable("order"),
            r"^(quickbite\..*|order\..*|reply\.order)$"
        );
    }
}

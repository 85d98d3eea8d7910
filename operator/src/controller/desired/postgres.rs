//! PostgreSQL: the official image's environment. Databases and roles of services are made by their
//! migration Jobs.

use k8s_openapi::api::core::v1::{Container, Volume};

use super::env::{from_secret, plain};
use super::pod;
use super::stateful_set::DATA;
use crate::component::Store;
use crate::controller::material::{ADMIN, credential_name};
use crate::controller::validate::ValidatedPlatform;

pub(super) fn volumes() -> Vec<Volume> {
    vec![pod::scratch("run", "16Mi", true)]
}

pub(super) fn container(platform: &ValidatedPlatform) -> Container {
    let login = credential_name(&platform.name, Store::Postgres, ADMIN);
    let (buffers, connections) =
        if platform.is_production() { ("512MB", "300") } else { ("64MB", "200") };
    let setting = |name: &str, value: &str| ["-c".to_owned(), format!("{name}={value}")];
    let settings = [
        setting("shared_buffers", buffers),
        setting("max_connections", connections),
        setting("password_encryption", "scram-sha-256"),
    ];
    Container {
        args: Some(["postgres".to_owned()].into_iter().chain(settings.into_iter().flatten()).collect()),
        env: Some(vec![
            from_secret("POSTGRES_USER", &login, "username"),
            from_secret("POSTGRES_PASSWORD", &login, "password"),
            plain("POSTGRES_DB", "postgres".to_owned()),
            // Below the mount: a volume's root may hold lost+found, and initdb wants it empty.
            plain("PGDATA", "/var/lib/postgresql/data/pgdata".to_owned()),
        ]),
        volume_mounts: Some(vec![
            pod::mount(DATA, "/var/lib/postgresql/data"),
            pod::mount("run", "/var/run/postgresql"),
        ]),
        ..Container::default()
    }
}

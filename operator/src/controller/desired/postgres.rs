//! PostgreSQL: the official image's environment. Databases and roles of services are made by their
//! migration Jobs.

use k8s_openapi::api::core::v1::{Container, ExecAction, Lifecycle, LifecycleHandler, Volume};

use super::env::{from_secret, plain};
use super::pod;
use super::stateful_set::DATA;
use crate::component::Store;
use crate::controller::material::{ADMIN, credential_name};
use crate::controller::validate::ValidatedPlatform;

/// Ends with 0 when the administrator has the password of the Secret. A new volume got it from the
/// image; one that knows another (its platform was deleted and made again) gets it here, over the
/// socket, where the image trusts local users.
const SET_PASSWORD: &str = r#"
tries=0
until echo "ALTER ROLE CURRENT_USER PASSWORD :'password'" | psql --quiet --no-psqlrc -v ON_ERROR_STOP=1 \
  --host /var/run/postgresql --username "$POSTGRES_USER" --dbname postgres --set password="$POSTGRES_PASSWORD"
do
  tries=$((tries + 1))
  [ "$tries" -le 120 ] || { echo "the server did not come up"; exit 1; }
  sleep 0.5
done
"#;

pub(super) fn volumes() -> Vec<Volume> {
    vec![pod::scratch("run", "16Mi", true)]
}

pub(super) fn container(platform: &ValidatedPlatform) -> Container {
    let login = credential_name(&platform.name, Store::Postgres, ADMIN);
    let (buffers, connections) = if platform.is_production() {
        ("512MB", "300")
    } else {
        ("64MB", "200")
    };
    let setting = |name: &str, value: &str| ["-c".to_owned(), format!("{name}={value}")];
    let settings = [
        setting("listen_addresses", "*"),
        setting("shared_buffers", buffers),
        setting("max_connections", connections),
        setting("password_encryption", "scram-sha-256"),
    ];
    Container {
        args: Some(
            ["postgres".to_owned()]
                .into_iter()
                .chain(settings.into_iter().flatten())
                .collect(),
        ),
        env: Some(vec![
            from_secret("POSTGRES_USER", &login, "username"),
            from_secret("POSTGRES_PASSWORD", &login, "password"),
            plain("POSTGRES_DB", "postgres".to_owned()),
            // Below the mount: a volume's root may hold lost+found, and initdb wants it empty.
            plain("PGDATA", "/var/lib/postgresql/data/pgdata".to_owned()),
        ]),
        lifecycle: Some(Lifecycle {
            post_start: Some(LifecycleHandler {
                exec: Some(ExecAction {
                    command: Some(
                        ["sh", "-ec", SET_PASSWORD.trim()]
                            .map(str::to_owned)
                            .to_vec(),
                    ),
                }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        volume_mounts: Some(vec![
            pod::mount(DATA, "/var/lib/postgresql/data"),
            pod::mount("run", "/var/run/postgresql"),
        ]),
        ..Container::default()
    }
}

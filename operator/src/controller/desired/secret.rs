//! Secrets: one per credential, one per store's server files, one per key set.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::meta::metadata;
use super::urls::{self, User};
use super::{mongodb, rabbitmq, redis};
use crate::component::{Component, Service, Store};
use crate::controller::material::{
    KEYS_FILE, access_keys_name, bootstrap_name, internal_keys_name,
};
use crate::controller::validate::ValidatedPlatform;

/// A Secret with text values.
pub(super) fn opaque<'a>(
    platform: &ValidatedPlatform,
    component: Component,
    name: String,
    data: impl IntoIterator<Item = (&'a str, String)>,
) -> Secret {
    let data = data
        .into_iter()
        .map(|(key, value)| (key.to_owned(), ByteString(value.into_bytes())));
    Secret {
        metadata: metadata(platform, component, name),
        // `data`, not `stringData`: the latter is write-only and could not be compared.
        data: Some(data.collect()),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}

/// Key sets and the first administrator.
pub(super) fn of_platform(platform: &ValidatedPlatform) -> Vec<Secret> {
    let component = Component::Platform;
    let material = &platform.material;
    let keys = |name: String, json: String| opaque(platform, component, name, [(KEYS_FILE, json)]);
    let mut secrets = vec![
        keys(
            access_keys_name(&platform.name),
            material.access_keys.to_json(),
        ),
        keys(
            internal_keys_name(&platform.name),
            material.internal_keys.to_json(),
        ),
    ];
    // An external PostgreSQL or MongoDB is administered with the user's own Secret; the copy below
    // holds the URI in the one form that migrations expect.
    for store in [Store::Postgres, Store::Mongodb] {
        if platform.external.contains_key(&store) {
            secrets.push(urls::secret(platform, component, store, User::Admin));
        }
    }
    if let Some(admin) = &platform.spec.auth.bootstrap_admin {
        secrets.push(opaque(
            platform,
            component,
            bootstrap_name(&platform.name),
            [
                ("email", admin.email.clone()),
                ("password", material.bootstrap_password.clone()),
            ],
        ));
    }
    secrets
}

/// What a managed store's pod reads: the administrator's login and the server's files.
pub(super) fn of_server(platform: &ValidatedPlatform, store: Store) -> Vec<Secret> {
    let component = Component::Store(store);
    let mut secrets = vec![urls::secret(platform, component, store, User::Admin)];
    secrets.extend(match store {
        Store::Postgres => None,
        Store::Mongodb => Some(mongodb::server_secret(platform)),
        Store::Redis => Some(redis::server_secret(platform)),
        Store::Rabbitmq => Some(rabbitmq::server_secret(platform)),
    });
    secrets
}

/// The services' logins at a managed store. Those of services that are turned off stay: were they to
/// go, the server's files would change, and turning one service off would restart the stores under
/// all others.
pub(super) fn logins(platform: &ValidatedPlatform, store: Store) -> Vec<Secret> {
    let services = Service::ALL.into_iter().filter(|s| s.uses(store));
    services
        .map(|service| {
            let component = Component::Store(store);
            urls::secret(platform, component, store, User::Service(service))
        })
        .collect()
}

/// The logins of a service at stores that others run.
pub(super) fn of_service(platform: &ValidatedPlatform, service: Service) -> Vec<Secret> {
    let component = Component::Service(service);
    let user = User::Service(service);
    let stores = service.stores().iter();
    stores
        .filter(|store| platform.external.contains_key(store))
        .map(|store| urls::secret(platform, component, *store, user))
        .collect()
}

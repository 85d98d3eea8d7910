//! Where each store is, and as whom each service logs in.

use k8s_openapi::api::core::v1::Secret;

use crate::component::{Component, Service, Store};
use crate::controller::external::percent_encode;
use crate::controller::material::ADMIN;
use crate::controller::validate::ValidatedPlatform;

/// Who connects.
#[derive(Clone, Copy)]
pub(super) enum User {
    Admin,
    Service(Service),
}

impl User {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Admin => ADMIN,
            Self::Service(service) => service.name(),
        }
    }
}

/// A login at a store.
pub(super) struct Login {
    pub(super) username: String,
    pub(super) password: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) uri: String,
}

/// The login of `user` at `store`.
pub(super) fn login(platform: &ValidatedPlatform, store: Store, user: User) -> Login {
    let password = platform.material.password(store, user.name()).to_owned();
    let mut login = match platform.external.get(&store) {
        Some(there) => {
            let own_user = matches!(store, Store::Postgres | Store::Mongodb)
                && matches!(user, User::Service(_));
            let (username, password) = if own_user {
                (username(store, user), password)
            } else {
                (there.username.clone(), there.password.clone())
            };
            Login {
                username,
                password,
                host: there.host.clone(),
                port: there.port,
                uri: String::new(),
            }
        }
        None => Login {
            username: username(store, user),
            password,
            host: managed_host(platform, store),
            port: store.port().try_into().unwrap_or(0),
            uri: String::new(),
        },
    };
    login.uri = uri(platform, store, user, &login);
    login
}

/// Name of a login. Databases of a service are called like its login.
fn username(store: Store, user: User) -> String {
    match (store, user) {
        (Store::Postgres, User::Admin) => "postgres".to_owned(),
        (Store::Mongodb, User::Admin) => "root".to_owned(),
        (Store::Postgres | Store::Mongodb, User::Service(service)) => {
            format!("{}_service", service.name())
        }
        (Store::Redis | Store::Rabbitmq, user) => user.name().to_owned(),
    }
}

/// A replica set's member is known by the name of its pod, the others by their Service.
fn managed_host(platform: &ValidatedPlatform, store: Store) -> String {
    let service = platform.object_name(Component::Store(store));
    match store {
        Store::Mongodb => mongodb_member(platform),
        _ => format!("{service}.{}.svc", platform.namespace),
    }
}

/// DNS name of the only member of the managed replica set.
fn mongodb_member(platform: &ValidatedPlatform) -> String {
    let name = platform.object_name(Component::Store(Store::Mongodb));
    format!("{name}-0.{name}.{}.svc", platform.namespace)
}

fn uri(platform: &ValidatedPlatform, store: Store, user: User, login: &Login) -> String {
    let external = platform.external.get(&store);
    let scheme = external.and_then(|there| there.scheme.as_deref());
    let parameters = external.and_then(|there| there.parameters.as_deref());
    let as_given = external.and_then(|there| there.uri.clone());
    let authority = format!(
        "{}:{}@{}:{}",
        percent_encode(&login.username),
        percent_encode(&login.password),
        login.host,
        login.port
    );
    let query = parameters
        .map(|text| format!("?{text}"))
        .unwrap_or_default();
    match (store, user) {
        (_, User::Admin) if as_given.is_some() => as_given.unwrap_or_default(),
        (Store::Postgres, User::Admin) => format!("postgres://{authority}/postgres{query}"),
        (Store::Postgres, User::Service(_)) => {
            format!("postgres://{authority}/{}{query}", login.username)
        }
        (Store::Mongodb, _) => mongodb_uri(
            scheme,
            user,
            login,
            &authority,
            external.is_none(),
            parameters,
        ),
        (Store::Redis, _) => {
            as_given.unwrap_or_else(|| format!("{}://{authority}", scheme.unwrap_or("redis")))
        }
        (Store::Rabbitmq, _) => {
            let vhost = external.map_or("quickbite", |there| there.vhost.as_str());
            let scheme = scheme.unwrap_or("amqp");
            format!("{scheme}://{authority}/{}{query}", percent_encode(vhost))
        }
    }
}

fn mongodb_uri(
    scheme: Option<&str>,
    user: User,
    login: &Login,
    authority: &str,
    managed: bool,
    parameters: Option<&str>,
) -> String {
    let scheme = scheme.unwrap_or("mongodb");
    // An SRV name has no port.
    let authority = match scheme {
        "mongodb+srv" => authority.trim_end_matches(&format!(":{}", login.port)),
        _ => authority,
    };
    // A service's user lives in the service's own database.
    let database = match user {
        User::Admin => "admin",
        User::Service(_) => login.username.as_str(),
    };
    let mut query = vec![format!("authSource={database}")];
    if managed {
        query.push("replicaSet=rs0".to_owned());
    }
    let kept = parameters.into_iter().flat_map(|text| text.split('&'));
    query.extend(
        kept.filter(|pair| !pair.starts_with("authSource="))
            .map(str::to_owned),
    );
    format!("{scheme}://{authority}/{database}?{}", query.join("&"))
}

/// The Secret that holds the login of `user` at `store`.
pub(super) fn secret(
    platform: &ValidatedPlatform,
    component: Component,
    store: Store,
    user: User,
) -> Secret {
    let login = login(platform, store, user);
    let name = crate::controller::material::credential_name(&platform.name, store, user.name());
    super::secret::opaque(
        platform,
        component,
        name,
        [
            ("username", login.username),
            ("password", login.password),
            ("host", login.host),
            ("port", login.port.to_string()),
            ("uri", login.uri),
        ],
    )
}

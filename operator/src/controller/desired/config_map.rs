//! ConfigMaps: settings of services and stores, the gateway's live policy, public keys.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use super::meta::metadata;
use super::{env, rabbitmq, redis};
use crate::component::{Component, Service, Store};
use crate::controller::validate::ValidatedPlatform;

/// File of the access tokens' public keys.
pub(super) const ACCESS_JWKS: &str = "access.jwks.json";
/// File of the internal tokens' public keys.
pub(super) const INTERNAL_JWKS: &str = "internal.jwks.json";
/// File of the gateway's limits and breaker settings.
pub(super) const POLICY_FILE: &str = "policy.json";

/// Name of the public keys' ConfigMap.
pub(super) fn jwks_name(platform: &ValidatedPlatform) -> String {
    format!("{}-jwks", platform.name)
}

/// Name of the gateway policy's ConfigMap.
pub(super) fn policy_name(platform: &ValidatedPlatform) -> String {
    format!("{}-gateway-policy", platform.name)
}

fn config_map(
    platform: &ValidatedPlatform,
    component: Component,
    name: String,
    data: BTreeMap<String, String>,
) -> ConfigMap {
    ConfigMap {
        metadata: metadata(platform, component, name),
        data: Some(data),
        ..ConfigMap::default()
    }
}

/// The environment of a service, without secrets.
pub(super) fn of_service(platform: &ValidatedPlatform, service: Service) -> ConfigMap {
    let component = Component::Service(service);
    config_map(
        platform,
        component,
        platform.object_name(component),
        env::settings(platform, service),
    )
}

/// Configuration files of a managed store, for those that have any.
pub(super) fn of_store(platform: &ValidatedPlatform, store: Store) -> Option<ConfigMap> {
    let files = match store {
        Store::Postgres | Store::Mongodb => return None,
        Store::Redis => redis::files(platform),
        Store::Rabbitmq => rabbitmq::files(platform),
    };
    let component = Component::Store(store);
    Some(config_map(
        platform,
        component,
        platform.object_name(component),
        files,
    ))
}

/// Public halves of both key sets.
pub(super) fn jwks(platform: &ValidatedPlatform) -> ConfigMap {
    let data = BTreeMap::from([
        (ACCESS_JWKS.to_owned(), platform.material.access_keys.jwks()),
        (
            INTERNAL_JWKS.to_owned(),
            platform.material.internal_keys.jwks(),
        ),
    ]);
    config_map(platform, Component::Platform, jwks_name(platform), data)
}

/// Limits and breaker settings. The gateway re-reads this file, so its hash is not part of the
/// pods' template and a change restarts nothing.
pub(super) fn gateway_policy(platform: &ValidatedPlatform) -> ConfigMap {
    let gateway = &platform.spec.gateway;
    let policy = json!({
        "rateLimits": gateway.rate_limits,
        "circuitBreaker": gateway.circuit_breaker,
        "trustedProxies": gateway.trusted_proxies,
    });
    let data = BTreeMap::from([(POLICY_FILE.to_owned(), format!("{policy:#}\n"))]);
    config_map(
        platform,
        Component::Service(Service::Gateway),
        policy_name(platform),
        data,
    )
}

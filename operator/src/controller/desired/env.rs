//! The environment of a service: plain settings (a ConfigMap) and references to Secrets.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, SecretKeySelector};

use super::config_map::{ACCESS_JWKS, INTERNAL_JWKS, POLICY_FILE};
use crate::component::{Component, Service, Store};
use crate::controller::material::{KEYS_FILE, bootstrap_name, credential_name};
use crate::controller::validate::ValidatedPlatform;

/// Seconds between SIGTERM and the end of accepting requests.
pub(super) const DRAIN_DELAY_SECONDS: i64 = 3;

/// Where public keys are mounted.
pub(super) const JWKS_DIR: &str = "/etc/quickbite/jwks";
/// Where signing keys are mounted.
pub(super) const SIGNING_DIR: &str = "/etc/quickbite/signing";
/// Where the gateway's policy is mounted.
pub(super) const POLICY_DIR: &str = "/etc/quickbite/policy";

/// Settings without secrets.
pub(super) fn settings(platform: &ValidatedPlatform, service: Service) -> BTreeMap<String, String> {
    let mut settings = Settings::default();
    settings.put("HTTP_ADDR", format!("0.0.0.0:{}", service.port()));
    settings.put("METRICS_ADDR", "0.0.0.0:9090");
    settings.put("DRAIN_DELAY_SECONDS", DRAIN_DELAY_SECONDS);
    settings.put("RUST_LOG", "info");
    settings.put("LOG_FORMAT", "json");
    if let Some(tracing) = &platform.spec.observability.tracing {
        settings.put("OTEL_EXPORTER_OTLP_ENDPOINT", &tracing.otlp_endpoint);
        settings.put(
            "OTEL_TRACES_SAMPLER_ARG",
            f64::from(tracing.sample_ratio) / 100.0,
        );
    }
    settings.of(platform, service);
    settings.0
}

#[derive(Default)]
struct Settings(BTreeMap<String, String>);

impl Settings {
    fn put(&mut self, name: &str, value: impl ToString) {
        self.0.insert(name.to_owned(), value.to_string());
    }

    fn of(&mut self, platform: &ValidatedPlatform, service: Service) {
        let services = &platform.spec.services;
        if service != Service::Gateway {
            self.put("INTERNAL_JWKS_FILE", format!("{JWKS_DIR}/{INTERNAL_JWKS}"));
        }
        match service {
            Service::Gateway => self.gateway(platform),
            Service::User => self.user(platform),
            Service::Restaurant => {
                let cache = &services.restaurant.cache;
                self.put("CACHE_LIST_TTL_SECONDS", cache.list_ttl_seconds);
                self.put("CACHE_ITEM_TTL_SECONDS", cache.item_ttl_seconds);
                self.put("CACHE_SEARCH_TTL_SECONDS", cache.search_ttl_seconds);
            }
            Service::Order => {
                let order = &services.order;
                self.put(
                    "ACCEPTANCE_TIMEOUT_SECONDS",
                    order.acceptance_timeout.seconds(),
                );
                self.put("DELIVERY_FEE", &order.delivery_fee);
            }
            Service::Driver => {
                self.put("OFFER_TTL_SECONDS", services.driver.offer_ttl.seconds());
                self.put("SEARCH_RADIUS_KM", services.driver.search_radius_km);
            }
            Service::Notification | Service::Payment => {}
        }
    }

    fn gateway(&mut self, platform: &ValidatedPlatform) {
        self.issuer();
        self.put(
            "INTERNAL_SIGNING_KEYS_FILE",
            format!("{SIGNING_DIR}/{KEYS_FILE}"),
        );
        self.put("TOKEN_JWKS_FILE", format!("{JWKS_DIR}/{ACCESS_JWKS}"));
        self.put("GATEWAY_POLICY_FILE", format!("{POLICY_DIR}/{POLICY_FILE}"));
        for upstream in platform
            .services()
            .filter(|service| *service != Service::Gateway)
        {
            let host = platform.object_name(Component::Service(upstream));
            let name = format!("UPSTREAM_{}", upstream.name().to_uppercase());
            self.put(&name, format!("http://{host}:{}", upstream.port()));
        }
    }

    fn user(&mut self, platform: &ValidatedPlatform) {
        let auth = &platform.spec.auth;
        self.issuer();
        self.put(
            "TOKEN_SIGNING_KEYS_FILE",
            format!("{SIGNING_DIR}/{KEYS_FILE}"),
        );
        self.put("ACCESS_TOKEN_TTL_SECONDS", auth.access_token_ttl.seconds());
        self.put(
            "REFRESH_TOKEN_TTL_SECONDS",
            auth.refresh_token_ttl.seconds(),
        );
    }

    fn issuer(&mut self) {
        self.put("TOKEN_ISSUER", "quickbite");
        self.put("TOKEN_AUDIENCE", "quickbite");
    }
}

/// Variables of a running service that come from Secrets, then those of the user.
pub(super) fn variables(platform: &ValidatedPlatform, service: Service) -> Vec<EnvVar> {
    let mut variables = logins(platform, service);
    if service == Service::User && platform.spec.auth.bootstrap_admin.is_some() {
        let secret = bootstrap_name(&platform.name);
        variables.push(from_secret("BOOTSTRAP_ADMIN_EMAIL", &secret, "email"));
        variables.push(from_secret("BOOTSTRAP_ADMIN_PASSWORD", &secret, "password"));
    }
    if service == Service::Notification
        && let Some(smtp) = &platform.spec.services.notification.smtp_secret_ref
    {
        variables.push(from_secret("SMTP_URL", &smtp.name, &smtp.key));
    }
    variables.extend(service.workload(&platform.spec).env.iter().map(|variable| {
        match &variable.value_from {
            Some(source) => {
                let reference = &source.secret_key_ref;
                from_secret(&variable.name, &reference.name, &reference.key)
            }
            // `$(NAME)` would be expanded by the kubelet; `$$` writes a dollar.
            None => plain(
                &variable.name,
                variable
                    .value
                    .as_deref()
                    .unwrap_or_default()
                    .replace("$(", "$$("),
            ),
        }
    }));
    variables
}

/// Variables of a migration: its own login, and the administrator's that makes it.
pub(super) fn migration_variables(
    platform: &ValidatedPlatform,
    service: Service,
    database: Store,
) -> Vec<EnvVar> {
    let (own, administrator) = match database {
        Store::Mongodb => ("MONGODB_URI", "MONGODB_ADMIN_URI"),
        _ => ("DATABASE_URL", "DATABASE_ADMIN_URL"),
    };
    let login = credential_name(&platform.name, database, service.name());
    let admin = credential_name(&platform.name, database, crate::controller::material::ADMIN);
    vec![
        plain("RUST_LOG", "info".to_owned()),
        plain("LOG_FORMAT", "json".to_owned()),
        from_secret(own, &login, "uri"),
        from_secret(administrator, &admin, "uri"),
    ]
}

fn logins(platform: &ValidatedPlatform, service: Service) -> Vec<EnvVar> {
    service
        .stores()
        .iter()
        .map(|store| {
            let name = match store {
                Store::Postgres => "DATABASE_URL",
                Store::Mongodb => "MONGODB_URI",
                Store::Redis => "REDIS_URL",
                Store::Rabbitmq => "AMQP_URL",
            };
            from_secret(
                name,
                &credential_name(&platform.name, *store, service.name()),
                "uri",
            )
        })
        .collect()
}

pub(super) fn plain(name: &str, value: String) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value),
        ..EnvVar::default()
    }
}

pub(super) fn from_secret(name: &str, secret: &str, key: &str) -> EnvVar {
    let reference = SecretKeySelector {
        name: secret.to_owned(),
        key: key.to_owned(),
        optional: None,
    };
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(reference),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }
}

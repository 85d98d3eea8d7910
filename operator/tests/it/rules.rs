//! The rules of the schema, evaluated without a cluster. `real` asks the API server the same.

use serde_json::{Value, json};

use crate::fixture::{Fixture, platform};

/// A change of a valid platform that breaks a rule, the field that the refusal names and a part of
/// its message.
pub(crate) fn broken() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let both = json!({"managed": {}, "external": {"secretRef": {"name": "pg"}}});
    vec![
        (
            "stores/postgres",
            both,
            "spec.stores.postgres",
            "exactly one of managed and external",
        ),
        (
            "stores/redis",
            json!({}),
            "spec.stores.redis",
            "exactly one of managed and external",
        ),
        (
            "services/order/autoscaling",
            json!({"minReplicas": 5, "maxReplicas": 2}),
            "spec.services.order.autoscaling",
            "minReplicas is at most maxReplicas",
        ),
        (
            "services/order",
            json!({"replicas": 2, "autoscaling": {"maxReplicas": 4}}),
            "spec.services.order",
            "exclude each other",
        ),
        (
            "gateway",
            json!({"replicas": 2, "autoscaling": {"maxReplicas": 4}}),
            "spec.gateway",
            "exclude each other",
        ),
        (
            "ingress/host",
            json!("http://Quick_Bite/"),
            "spec.ingress.host",
            "host is a DNS name",
        ),
        (
            "ingress/gatewayRef",
            json!({"name": "gw"}),
            "spec.ingress",
            "exclude each other",
        ),
        (
            "image/registry",
            json!("https://ghcr.io/x:1"),
            "spec.image.registry",
            "without a scheme",
        ),
        (
            "version",
            json!("0.1.0; rm -rf"),
            "spec.version",
            "version is an image tag",
        ),
        (
            "stores/mongodb",
            json!({"managed": {"storage": "much"}}),
            "spec.stores.mongodb.managed.storage",
            "storage is a positive quantity",
        ),
        (
            "services/user/env",
            json!([{"name": "A B", "value": "x"}]),
            "spec.services.user.env[0].name",
            "letters, digits and '_'",
        ),
        (
            "services/user/env",
            json!([{"name": "DATABASE_URL", "value": "x"}]),
            "spec.services.user.env[0].name",
            "set by the operator",
        ),
        (
            "services/user/env",
            json!([{"name": "A"}]),
            "spec.services.user.env[0]",
            "exactly one of value and valueFrom",
        ),
        (
            "gateway/trustedProxies",
            json!(["10.0.0.0/8", "everyone"]),
            "spec.gateway.trustedProxies",
            "address ranges",
        ),
        (
            "networkPolicy/ingressController",
            json!({}),
            "spec.networkPolicy.ingressController",
            "at least one of namespace and cidrs",
        ),
        (
            "observability/tracing",
            json!({"otlpEndpoint": "file:///etc/passwd"}),
            "spec.observability.tracing.otlpEndpoint",
            "http or https URL",
        ),
        (
            "auth/bootstrapAdmin/email",
            json!("nobody"),
            "spec.auth.bootstrapAdmin.email",
            "email is an address",
        ),
    ]
}

/// The same for plain schema bounds, which only the API server checks.
pub(crate) fn out_of_bounds() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    vec![
        (
            "gateway/replicas",
            json!(101),
            "spec.gateway.replicas",
            "less than or equal to 100",
        ),
        (
            "services/order/replicas",
            json!(0),
            "spec.services.order.replicas",
            "greater than or equal to 1",
        ),
        (
            "profile",
            json!("Staging"),
            "spec.profile",
            "supported values",
        ),
        (
            "auth/accessTokenTtl",
            json!("forever"),
            "spec.auth.accessTokenTtl",
            "should match",
        ),
        (
            "services/order/deliveryFee",
            json!("2.999"),
            "spec.services.order.deliveryFee",
            "should match",
        ),
        (
            "services/order/env",
            json!([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]),
            "spec.services.order.env",
            "uplicate",
        ),
        (
            "gateway/rateLimits/general",
            json!({"limit": 0, "windowSeconds": 1}),
            "spec.gateway.rateLimits.general.limit",
            "greater than or equal to 1",
        ),
    ]
}

fn refusal(fixture: Fixture) -> Option<String> {
    fixture
        .build()
        .validate_cel()
        .err()
        .map(|errors| errors.to_string())
}

#[test]
fn a_valid_platform_breaks_no_rule() {
    assert_eq!(refusal(platform()), None);
    assert_eq!(refusal(platform().production()), None);
}

#[test]
fn a_broken_rule_is_named_with_its_field() {
    for (path, value, field, message) in broken() {
        let said = refusal(platform().set(path, value.clone()))
            .unwrap_or_else(|| panic!("{path} = {value} was accepted"));
        assert!(
            said.contains(field),
            "{path}: {said:?} does not name {field}"
        );
        assert!(
            said.contains(message),
            "{path}: {said:?} does not say {message:?}"
        );
    }
}

#[test]
fn storage_may_grow_and_not_shrink() {
    let with = |size: &str| {
        platform()
            .set("stores/postgres", json!({"managed": {"storage": size}}))
            .build()
    };
    assert!(with("2Gi").validate_cel_update(&with("1Gi")).is_ok());
    let refused = with("1Gi")
        .validate_cel_update(&with("2Gi"))
        .unwrap_err()
        .to_string();
    assert!(refused.contains("storage cannot shrink"), "{refused}");
}

#[test]
fn a_name_that_children_could_not_carry_is_refused() {
    let mut json = platform().json();
    json["metadata"]["name"] = Value::from("a".repeat(29));
    let platform: quickbite_operator::api::QuickBitePlatform =
        serde_json::from_value(json).unwrap();
    let refused = platform.validate_cel().unwrap_err().to_string();
    assert!(refused.contains("metadata.name is at most 28"), "{refused}");
}

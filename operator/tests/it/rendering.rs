//! What a platform consists of: whole objects as snapshots, and single rules by themselves.

use k8s_openapi::api::apps::v1::Deployment;
use quickbite_operator::api::Autoscaling;
use quickbite_operator::render;
use serde_json::{Value, json};

use crate::fixture::{Fixture, platform};

fn objects(fixture: &Fixture) -> Vec<Value> {
    let children = render::children(&fixture.yaml()).expect("the platform can be built");
    children
        .iter()
        .map(|child| child.object.to_value())
        .collect()
}

fn object(fixture: &Fixture, kind: &str, name: &str) -> Value {
    objects(fixture)
        .into_iter()
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn yaml(fixture: &Fixture, kind: &str, name: &str) -> String {
    serde_yaml::to_string(&object(fixture, kind, name)).unwrap()
}

fn names(fixture: &Fixture, kind: &str) -> Vec<String> {
    let of_kind = |object: &&Value| object["kind"] == kind;
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
    objects(fixture).iter().filter(of_kind).map(name).collect()
}

fn config_hash(fixture: &Fixture, service: &str) -> String {
    let deployment = object(fixture, "Deployment", &format!("qb-{service}"));
    let annotations = &deployment["spec"]["template"]["metadata"]["annotations"];
    annotations["quickbite.dev/config-hash"]
        .as_str()
        .unwrap()
        .to_owned()
}

const SERVICES: [&str; 7] = [
    "gateway",
    "user",
    "restaurant",
    "order",
    "driver",
    "notification",
    "payment",
];

#[test]
fn a_platform_consists_of_these_objects() {
    let list: Vec<String> = objects(&platform())
        .iter()
        .map(|object| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            format!(
                "{} {}",
                text(&object["kind"]),
                text(&object["metadata"]["name"])
            )
        })
        .map(|line| match line.split_once("-migrate-") {
            Some((name, _)) => format!("{name}-migrate-<hash>"),
            None => line,
        })
        .collect();
    insta::assert_snapshot!(list.join("\n"));
}

#[test]
fn the_order_service_is_deployed_like_this() {
    insta::assert_snapshot!(yaml(&platform(), "Deployment", "qb-order"));
}

#[test]
fn the_gateway_is_deployed_like_this() {
    insta::assert_snapshot!(yaml(&platform(), "Deployment", "qb-gateway"));
}

#[test]
fn a_service_in_production_is_deployed_like_this() {
    insta::assert_snapshot!(yaml(&platform().production(), "Deployment", "qb-user"));
}

#[test]
fn each_store_is_run_like_this() {
    for store in ["postgres", "mongodb", "redis", "rabbitmq"] {
        insta::assert_snapshot!(
            store,
            yaml(&platform(), "StatefulSet", &format!("qb-{store}"))
        );
    }
}

#[test]
fn settings_of_each_service_are_these() {
    for service in SERVICES {
        let map = object(&platform(), "ConfigMap", &format!("qb-{service}"));
        insta::assert_snapshot!(
            format!("settings_{service}"),
            serde_yaml::to_string(&map["data"]).unwrap()
        );
    }
}

#[test]
fn network_policies_are_these() {
    let policies: Vec<String> = names(&platform(), "NetworkPolicy")
        .iter()
        .map(|name| yaml(&platform(), "NetworkPolicy", name))
        .collect();
    insta::assert_snapshot!(policies.join("---\n"));
}

#[test]
fn a_migration_runs_like_this() {
    let name = names(&platform(), "Job")
        .into_iter()
        .find(|name| name.contains("order"))
        .unwrap();
    insta::assert_snapshot!(yaml(&platform(), "Job", &name));
}

#[test]
fn the_same_platform_gives_the_same_objects() {
    assert_eq!(objects(&platform()), objects(&platform()));
}

#[test]
fn every_pod_fits_pod_security_restricted() {
    let pods = objects(&platform().production());
    let pods = pods
        .iter()
        .filter(|object| !object["spec"]["template"].is_null());
    for object in pods {
        let name = &object["metadata"]["name"];
        let pod = &object["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name}");
        assert_eq!(
            pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault",
            "{name}"
        );
        assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
        for container in pod["containers"].as_array().unwrap() {
            let security = &container["securityContext"];
            assert_eq!(security["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(security["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(security["capabilities"]["drop"], json!(["ALL"]), "{name}");
        }
    }
}

#[test]
fn a_changed_setting_rolls_only_the_service_that_uses_it() {
    let changed = platform().set("services/restaurant/cache/listTtlSeconds", json!(77));
    let rolled: Vec<_> = SERVICES
        .into_iter()
        .filter(|service| config_hash(&platform(), service) != config_hash(&changed, service))
        .collect();
    assert_eq!(rolled, ["restaurant"]);
}

#[test]
fn changed_rate_limits_roll_nothing() {
    let limit = json!({"limit": 1, "windowSeconds": 1});
    let changed = platform().set("gateway/rateLimits/general", limit);
    let before = object(&platform(), "Deployment", "qb-gateway");
    assert_eq!(before, object(&changed, "Deployment", "qb-gateway"));
    let policy = object(&changed, "ConfigMap", "qb-gateway-policy");
    assert!(
        policy["data"]["policy.json"]
            .as_str()
            .unwrap()
            .contains("\"limit\": 1,")
    );
}

#[test]
fn an_autoscaled_service_has_no_replicas_of_its_own() {
    let scaling = Autoscaling {
        min_replicas: 2,
        max_replicas: 5,
        target_cpu: 70,
    };
    let fixture = platform().autoscaled("order", &scaling);
    let deployment = object(&fixture, "Deployment", "qb-order");
    let deployment: Deployment = serde_json::from_value(deployment).unwrap();
    assert_eq!(deployment.spec.unwrap().replicas, None);
    assert_eq!(names(&fixture, "HorizontalPodAutoscaler"), ["qb-order"]);
    assert_eq!(names(&fixture, "PodDisruptionBudget"), ["qb-order"]);
}

#[test]
fn a_service_that_is_off_has_no_objects_and_no_upstream_but_keeps_its_logins_at_the_stores() {
    let fixture = platform().without("driver");
    let left: Vec<_> = objects(&fixture)
        .iter()
        .filter(|object| object["kind"] != "Secret")
        .filter_map(|object| object["metadata"]["name"].as_str().map(str::to_owned))
        .filter(|name| name.contains("driver"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
    for store in ["postgres", "redis", "rabbitmq"] {
        let login = object(&fixture, "Secret", &format!("qb-{store}-driver"));
        let component = &login["metadata"]["labels"]["app.kubernetes.io/component"];
        assert_eq!(component, store);
        let template = |fixture: &Fixture| {
            object(fixture, "StatefulSet", &format!("qb-{store}"))["spec"]["template"].clone()
        };
        assert_eq!(
            template(&fixture),
            template(&platform()),
            "{store} must not restart"
        );
    }
    let settings = object(&fixture, "ConfigMap", "qb-gateway");
    assert!(settings["data"]["UPSTREAM_DRIVER"].is_null());
}

#[test]
fn a_migration_of_another_version_is_another_job() {
    let of = |fixture: &Fixture| names(fixture, "Job");
    assert_eq!(of(&platform()), of(&platform()));
    assert!(
        of(&platform())
            .iter()
            .all(|name| !of(&platform().version("0.2.0")).contains(name))
    );
}

#[test]
fn a_hostile_environment_value_stays_a_value() {
    let hostile = json!([{"name": "NOTE", "value": "$(DATABASE_URL)\n- name: x"}]);
    let fixture = platform().set("services/order/env", hostile);
    let deployment = object(&fixture, "Deployment", "qb-order");
    let env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
        .as_array()
        .unwrap();
    let note = env
        .iter()
        .find(|variable| variable["name"] == "NOTE")
        .unwrap();
    assert_eq!(note["value"], "$$(DATABASE_URL)\n- name: x");
}

#[test]
fn external_stores_have_no_stateful_set_and_their_own_addresses() {
    let external = json!({"external": {"secretRef": {"name": "pg"}}});
    let fixture = platform().set("stores/postgres", external);
    let secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: pg}\nstringData: {host: db.example, port: '6432', username: boss, password: 'p@ss'}\n";
    let children = render::children(&format!("{}{secret}", fixture.yaml())).unwrap();
    let values: Vec<_> = children
        .iter()
        .map(|child| child.object.to_value())
        .collect();
    assert!(!values.iter().any(
        |object| object["kind"] == "StatefulSet" && object["metadata"]["name"] == "qb-postgres"
    ));
    let uri = |name: &str| {
        use k8s_openapi::ByteString;
        let secret = values
            .iter()
            .find(|object| object["metadata"]["name"] == name)
            .unwrap();
        let bytes: ByteString = serde_json::from_value(secret["data"]["uri"].clone()).unwrap();
        String::from_utf8(bytes.0).unwrap()
    };
    assert_eq!(
        uri("qb-postgres-admin"),
        "postgres://boss:p%40ss@db.example:6432/postgres"
    );
    assert!(uri("qb-postgres-order").ends_with("@db.example:6432/order_service"));
}

#[test]
fn the_overlays_build_and_differ() {
    let read = |overlay: &str| {
        let path = format!(
            "{}/../kustomize/overlays/{overlay}/platform.yaml",
            env!("CARGO_MANIFEST_DIR")
        );
        let text = std::fs::read_to_string(path).unwrap();
        render::render(&text).unwrap_or_else(|error| panic!("{overlay}: {error}"));
        render::children(&text).unwrap_or_else(|error| panic!("{overlay}: {error}"))
    };
    let revisions = ["development", "staging", "production"].map(|overlay| {
        let children = read(overlay);
        children
            .iter()
            .map(|child| child.revision.clone())
            .collect::<Vec<_>>()
    });
    assert!(revisions[0] != revisions[1] && revisions[1] != revisions[2]);
}

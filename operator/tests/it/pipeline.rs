//! The pipeline against a fake API server: order, gates, zero writes, restoring, pruning, status.

use std::sync::Arc;

use quickbite_operator::api::{PlatformStatus, QuickBitePlatform};
use quickbite_operator::controller::context::Context;
use quickbite_operator::controller::reconcile;
use quickbite_operator::leader::Leadership;
use serde_json::json;

use crate::fake::FakeApi;
use crate::fixture::{Fixture, platform};

struct Platform {
    api: FakeApi,
    context: Arc<Context>,
    fixture: Fixture,
}

impl Platform {
    fn new(fixture: Fixture) -> Self {
        let api = FakeApi::default();
        let context = Context::new(api.client(), Leadership::always(), None);
        let this = Self {
            api,
            context,
            fixture,
        };
        this.api.put("quickbiteplatforms", this.fixture.json());
        this
    }

    /// One reconcile of the platform as the API server has it.
    async fn pass(&self) -> PlatformStatus {
        let stored = self.api.get("quickbiteplatforms", "qb").unwrap();
        let platform: QuickBitePlatform = serde_json::from_value(stored).unwrap();
        reconcile(&platform, &self.context).await.unwrap();
        self.status()
    }

    fn status(&self) -> PlatformStatus {
        let stored = self.api.get("quickbiteplatforms", "qb").unwrap();
        serde_json::from_value(stored["status"].clone()).unwrap_or_default()
    }

    /// Reconciles while all workloads become healthy at once, until the platform is ready.
    async fn ready(fixture: Fixture) -> Self {
        let this = Self::new(fixture);
        this.settle().await;
        assert_eq!(
            this.condition("Ready"),
            ("True".to_owned(), "Ready".to_owned())
        );
        this
    }

    async fn settle(&self) {
        for _ in 0..12 {
            self.pass().await;
            for resource in ["statefulsets", "jobs", "deployments"] {
                self.api.settle(resource);
            }
        }
        self.pass().await;
        self.api.take_writes();
        self.api.take_events();
    }

    fn change(&mut self, change: impl FnOnce(Fixture) -> Fixture) {
        self.fixture = change(self.fixture.clone());
        let spec = self.fixture.json()["spec"].clone();
        self.api.edit("quickbiteplatforms", "qb", |stored| {
            stored["spec"] = spec;
            let generation = stored["metadata"]["generation"].as_i64().unwrap();
            stored["metadata"]["generation"] = json!(generation + 1);
        });
    }

    fn condition(&self, type_: &str) -> (String, String) {
        let status = self.status();
        let found = status
            .conditions
            .iter()
            .find(|condition| condition.type_ == type_);
        let found = found.unwrap_or_else(|| panic!("no condition {type_}"));
        (found.status.clone(), found.reason.clone())
    }
}

fn children(writes: &[String]) -> Vec<&str> {
    writes
        .iter()
        .map(String::as_str)
        .filter(|write| !write.contains("quickbiteplatforms"))
        .collect()
}

#[tokio::test]
async fn a_second_reconcile_of_an_unchanged_platform_makes_no_write() {
    let platform = Platform::ready(platform()).await;
    platform.pass().await;
    assert_eq!(platform.api.take_writes(), Vec::<String>::new());
    assert_eq!(platform.api.take_events(), []);
}

#[tokio::test]
async fn a_second_reconcile_of_an_unready_platform_makes_no_write_either() {
    let platform = Platform::new(platform());
    platform.pass().await;
    platform.pass().await;
    platform.api.take_writes();
    platform.pass().await;
    assert_eq!(platform.api.take_writes(), Vec::<String>::new());
}

#[tokio::test]
async fn each_step_waits_for_the_one_before() {
    let platform = Platform::new(platform());
    platform.pass().await;
    assert_eq!(platform.api.names("statefulsets").len(), 4);
    assert_eq!(platform.api.names("jobs").len(), 0);
    assert_eq!(platform.condition("StoresReady").0, "False");
    platform.api.settle("statefulsets");
    platform.pass().await;
    assert_eq!(platform.api.names("jobs").len(), 6);
    assert_eq!(platform.api.names("deployments").len(), 0);
    assert_eq!(platform.condition("MigrationsComplete").0, "False");
    platform.api.settle("jobs");
    platform.pass().await;
    assert_eq!(platform.api.names("deployments").len(), 6);
    platform.api.settle("deployments");
    platform.pass().await;
    assert_eq!(platform.api.names("deployments").len(), 7);
    assert_eq!(platform.api.names("ingresses").len(), 0);
    platform.api.settle("deployments");
    platform.pass().await;
    assert_eq!(platform.api.names("ingresses").len(), 1);
    let status = platform.pass().await;
    assert_eq!(platform.condition("Ready").0, "True");
    assert_eq!(status.endpoint.as_deref(), Some("http://quickbite.local"));
    assert_eq!(status.gateway.as_deref(), Some("1/1"));
    assert_eq!(status.version.as_deref(), Some("0.1.0"));
}

#[tokio::test]
async fn a_failed_migration_stops_the_rollout_and_says_so() {
    let mut platform = Platform::ready(platform()).await;
    platform.change(|fixture| fixture.version("0.2.0"));
    platform.pass().await;
    let new = platform.api.names("jobs");
    let failed = json!({"failed": 5, "conditions": [
        {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"},
    ]});
    for job in &new {
        platform.api.edit("jobs", job, |job| {
            if job["status"].is_null() {
                job["status"] = failed.clone();
            }
        });
    }
    let status = platform.pass().await;
    assert_eq!(
        platform.condition("MigrationsComplete"),
        ("False".to_owned(), "MigrationFailed".to_owned())
    );
    assert_eq!(platform.condition("Degraded").0, "True");
    assert_eq!(status.version.as_deref(), Some("0.1.0"));
    let order = platform.api.get("deployments", "qb-order").unwrap();
    let image = &order["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(image, "quickbite.dev/order:0.1.0");
    let events = platform.api.take_events();
    assert!(
        events.iter().any(|(reason, _)| reason == "MigrationFailed"),
        "{events:?}"
    );
}

#[tokio::test]
async fn an_upgrade_rolls_one_service_at_a_time() {
    let mut platform = Platform::ready(platform()).await;
    platform.change(|fixture| fixture.version("0.2.0"));
    platform.pass().await;
    platform.api.settle("jobs");
    for rolled in 1..=6 {
        platform.pass().await;
        let new = platform
            .api
            .names("deployments")
            .iter()
            .filter(|name| {
                let deployment = platform.api.get("deployments", name).unwrap();
                deployment["spec"]["template"]["spec"]["containers"][0]["image"]
                    .as_str()
                    .unwrap()
                    .ends_with(":0.2.0")
            })
            .count();
        assert_eq!(new, rolled);
        platform.api.settle("deployments");
    }
    platform.settle().await;
    assert_eq!(platform.status().version.as_deref(), Some("0.2.0"));
    assert_eq!(
        platform.api.names("jobs").len(),
        6,
        "old migrations are pruned"
    );
}

#[tokio::test]
async fn what_somebody_changed_or_deleted_is_put_back() {
    let platform = Platform::ready(platform()).await;
    platform.api.edit("services", "qb-order", |service| {
        service["spec"]["ports"][0]["port"] = json!(1);
    });
    platform.api.remove("configmaps", "qb-driver");
    platform.pass().await;
    let writes = platform.api.take_writes();
    assert_eq!(
        children(&writes),
        ["PATCH services/qb-order", "PATCH configmaps/qb-driver"]
    );
    let events = platform.api.take_events();
    assert_eq!(
        events
            .iter()
            .filter(|(reason, _)| reason == "Restored")
            .count(),
        2
    );
}

#[tokio::test]
async fn hand_edits_are_put_back_while_a_store_is_down() {
    let platform = Platform::ready(platform()).await;
    platform.api.edit("statefulsets", "qb-redis", |store| {
        store["status"]["readyReplicas"] = json!(0)
    });
    platform.api.remove("deployments", "qb-gateway");
    platform.pass().await;
    assert_eq!(
        children(&platform.api.take_writes()),
        ["PATCH deployments/qb-gateway"]
    );
}

#[tokio::test]
async fn removing_a_service_prunes_its_objects_and_nothing_else() {
    let mut platform = Platform::ready(platform()).await;
    platform.change(|fixture| fixture.without("notification"));
    platform.pass().await;
    let written = platform.api.take_writes();
    assert!(
        !written.iter().any(|write| write.contains("statefulsets")),
        "the stores stay as they are: {written:?}"
    );
    // The gateway rolls first: its settings name the services.
    platform.settle().await;
    for resource in [
        "deployments",
        "services",
        "configmaps",
        "serviceaccounts",
        "networkpolicies",
        "jobs",
    ] {
        let left = platform.api.names(resource);
        assert!(
            !left.iter().any(|name| name.contains("notification")),
            "{resource}: {left:?}"
        );
    }
    assert_eq!(platform.api.names("deployments").len(), 6);
    let mut secrets = platform.api.names("secrets");
    secrets.retain(|name| name.contains("notification"));
    secrets.sort();
    assert_eq!(
        secrets,
        ["qb-postgres-notification", "qb-rabbitmq-notification"],
        "only its logins stay, for the stores' user files"
    );
    let stores = platform.api.take_writes();
    assert!(
        !stores.iter().any(|write| write.contains("statefulsets")),
        "the stores stay as they are to the end: {stores:?}"
    );
}

#[tokio::test]
async fn a_service_that_comes_back_finds_its_old_login() {
    let mut platform = Platform::ready(platform()).await;
    let login = |platform: &Platform| {
        platform
            .api
            .get("secrets", "qb-rabbitmq-notification")
            .unwrap()["data"]
            .clone()
    };
    let before = login(&platform);
    platform.change(|fixture| fixture.without("notification"));
    platform.pass().await;
    platform.settle().await;
    platform.change(|fixture| fixture.set("services/notification/enabled", json!(true)));
    platform.pass().await;
    assert_eq!(login(&platform), before);
}

#[tokio::test]
async fn an_object_that_is_not_ours_is_left_alone() {
    let platform = Platform::ready(platform()).await;
    platform.api.put("configmaps", json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "mine", "labels": {
            "app.kubernetes.io/managed-by": "quickbite-operator", "app.kubernetes.io/instance": "qb"}},
    }));
    platform.pass().await;
    assert!(platform.api.get("configmaps", "mine").is_some());
}

#[tokio::test]
async fn secrets_are_generated_once() {
    let platform = Platform::ready(platform()).await;
    let before = platform.api.get("secrets", "qb-postgres-order").unwrap()["data"].clone();
    let again = Context::new(platform.api.client(), Leadership::always(), None);
    let platform = Platform {
        context: again,
        ..platform
    };
    platform.pass().await;
    assert_eq!(
        platform.api.get("secrets", "qb-postgres-order").unwrap()["data"],
        before
    );
    assert_eq!(platform.api.take_writes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_paused_platform_gets_a_status_and_nothing_else() {
    let platform = Platform::new(platform().paused());
    platform.pass().await;
    let writes = platform.api.take_writes();
    assert_eq!(writes, ["PATCH quickbiteplatforms/status/qb"]);
}

#[tokio::test]
async fn a_missing_secret_is_named_and_touches_nothing() {
    let external = json!({"external": {"secretRef": {"name": "pg"}}});
    let platform = Platform::new(platform().set("stores/postgres", external));
    let status = platform.pass().await;
    assert_eq!(
        platform.condition("Ready"),
        ("False".to_owned(), "ReferenceMissing".to_owned())
    );
    let ready = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Ready")
        .unwrap();
    assert_eq!(
        ready.message,
        r#"spec.stores.postgres.external.secretRef: Secret "pg" does not exist"#
    );
    assert_eq!(
        platform.api.take_writes(),
        ["PATCH quickbiteplatforms/status/qb"]
    );
}

#[tokio::test]
async fn a_refused_write_is_an_error_and_the_next_reconcile_goes_on() {
    let platform = Platform::new(platform());
    platform.api.break_writes(Some("statefulsets"));
    let stored = platform.api.get("quickbiteplatforms", "qb").unwrap();
    let object: QuickBitePlatform = serde_json::from_value(stored).unwrap();
    let error = reconcile(&object, &platform.context).await.unwrap_err();
    assert!(error.to_string().contains("StatefulSet"), "{error}");
    platform.api.break_writes(None);
    platform.pass().await;
    assert_eq!(platform.api.names("statefulsets").len(), 4);
}

#[tokio::test]
async fn times_move_only_with_the_status_of_a_condition() {
    let platform = Platform::ready(platform()).await;
    let before = platform.status().conditions;
    platform.api.edit("deployments", "qb-order", |order| {
        order["status"]["availableReplicas"] = json!(0);
        order["status"]["readyReplicas"] = json!(0);
    });
    platform.pass().await;
    let after = platform.status().conditions;
    for (before, after) in before.iter().zip(&after) {
        if before.status == after.status {
            assert_eq!(
                before.last_transition_time, after.last_transition_time,
                "{}",
                after.type_
            );
        }
    }
    assert_eq!(platform.condition("Ready").0, "False");
}

#[tokio::test]
async fn one_bad_look_is_not_degraded_and_three_are() {
    let platform = Platform::ready(platform().set("services/order/replicas", json!(2))).await;
    platform.api.edit("deployments", "qb-order", |order| {
        order["status"]["availableReplicas"] = json!(1);
        order["status"]["readyReplicas"] = json!(1);
    });
    platform.pass().await;
    assert_eq!(platform.condition("Ready").0, "True");
    assert_eq!(platform.condition("Degraded").0, "False");
    platform.pass().await;
    platform.pass().await;
    assert_eq!(
        platform.condition("Degraded"),
        ("True".to_owned(), "ComponentsUnready".to_owned())
    );
}

#[tokio::test]
async fn an_autoscaler_takes_over_the_replicas_that_are_there() {
    let mut platform = Platform::ready(platform().set("services/order/replicas", json!(3))).await;
    platform.api.edit("deployments", "qb-order", |order| {
        order["metadata"]["managedFields"] = json!([{
            "manager": "quickbite-operator", "operation": "Apply",
            "fieldsV1": {"f:spec": {"f:replicas": {}}},
        }]);
    });
    platform.change(|fixture| {
        fixture.set(
            "services/order",
            json!({"autoscaling": {"minReplicas": 2, "maxReplicas": 5}}),
        )
    });
    platform.pass().await;
    let writes = platform.api.take_writes();
    let of_order: Vec<_> = children(&writes)
        .into_iter()
        .filter(|write| write.ends_with("deployments/qb-order"))
        .collect();
    assert_eq!(of_order.len(), 2, "hand-over, then apply: {writes:?}");
    let order = platform.api.get("deployments", "qb-order").unwrap();
    assert_eq!(order["spec"]["replicas"], 3);
}

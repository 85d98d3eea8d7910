//! The pipeline against a fake API server: order, gates, zero writes, restoring, pruning, status.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;

use jiff::Timestamp;
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
    /// Seconds since 1970, as the operator's clock has them.
    clock: Arc<AtomicI64>,
    fixture: Fixture,
}

impl Platform {
    fn new(fixture: Fixture) -> Self {
        let api = FakeApi::default();
        let clock = Arc::new(AtomicI64::new(1_000_000));
        let seconds = clock.clone();
        let now = move || Timestamp::from_second(seconds.load(Relaxed)).unwrap();
        let context = Context::with_clock(api.client(), Leadership::always(), None, Box::new(now));
        let this = Self {
            api,
            context,
            clock,
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

    /// A reconcile `seconds` later.
    async fn pass_after(&self, seconds: i64) -> PlatformStatus {
        self.clock.fetch_add(seconds, Relaxed);
        self.pass().await
    }

    fn message(&self, type_: &str) -> String {
        let conditions = self.status().conditions;
        let found = conditions.into_iter().find(|one| one.type_ == type_);
        found
            .unwrap_or_else(|| panic!("no condition {type_}"))
            .message
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
async fn what_somebody_added_is_removed() {
    let platform = Platform::ready(platform()).await;
    let before = |resource: &str, name: &str| platform.api.get(resource, name).unwrap();
    let (service, order) = (
        before("services", "qb-order"),
        before("deployments", "qb-order"),
    );
    platform.api.edit("services", "qb-order", |service| {
        service["spec"]["selector"]["nobody"] = json!("has this");
    });
    platform.api.edit("deployments", "qb-order", |order| {
        let pod = &mut order["spec"]["template"]["spec"];
        pod["containers"][0]["env"]
            .as_array_mut()
            .unwrap()
            .insert(0, json!({"name": "MINE", "value": "1"}));
        pod["containers"]
            .as_array_mut()
            .unwrap()
            .push(json!({"name": "mine", "image": "x"}));
    });
    platform.pass().await;
    let after = before("services", "qb-order");
    assert_eq!(after["spec"], service["spec"]);
    let after = before("deployments", "qb-order");
    assert_eq!(after["spec"], order["spec"]);
    platform.api.take_writes();
    platform.pass().await;
    assert_eq!(children(&platform.api.take_writes()), Vec::<&str>::new());
}

#[tokio::test]
async fn what_somebody_changes_for_ever_is_named_and_not_written_for_ever() {
    let platform = Platform::ready(platform()).await;
    let change = || {
        platform.api.edit("services", "qb-order", |service| {
            service["spec"]["selector"]["injected"] = json!("1");
        });
    };
    for _ in 0..5 {
        change();
        platform.pass_after(1).await;
        let writes = platform.api.take_writes();
        assert!(children(&writes).contains(&"PATCH services/qb-order"));
    }
    change();
    platform.pass_after(1).await;
    platform.pass_after(1).await;
    assert_eq!(children(&platform.api.take_writes()), Vec::<&str>::new());
    let contested = ("True".to_owned(), "CannotKeep".to_owned());
    assert_eq!(platform.condition("Degraded"), contested);
    let message = platform.message("Degraded");
    assert!(message.contains("/spec/selector/injected"), "{message}");
    assert_eq!(platform.condition("Ready").0, "True");
    platform.pass_after(600).await;
    platform.pass_after(1).await;
    assert_eq!(platform.condition("Degraded").0, "False");
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
async fn a_paused_platform_names_what_differs_and_claims_no_generation_that_it_did_not_act_on() {
    let mut platform = Platform::ready(platform()).await;
    platform.change(Fixture::paused);
    let status = platform.pass().await;
    let paused = ("True".to_owned(), "Paused".to_owned());
    assert_eq!(platform.condition("Paused"), paused);
    assert_eq!(status.observed_generation, Some(2), "nothing differs");
    platform.api.edit("services", "qb-order", |service| {
        service["spec"]["ports"][0]["port"] = json!(1);
    });
    platform.api.remove("configmaps", "qb-driver");
    platform.change(|fixture| fixture.version("0.2.0"));
    let status = platform.pass().await;
    assert_eq!(status.observed_generation, Some(2));
    assert_eq!(status.version.as_deref(), Some("0.1.0"));
    assert_eq!(platform.condition("Ready").0, "True", "it still serves");
    assert!(platform.message("Paused").contains("is of an older spec"));
    platform.api.take_writes();
    platform.change(|fixture| fixture.version("0.1.0"));
    platform.pass().await;
    assert_eq!(
        platform.message("Paused"),
        "spec.paused: nothing is written; Service qb-order: was changed by hand; \
         ConfigMap qb-driver: is missing"
    );
    assert_eq!(children(&platform.api.take_writes()), Vec::<&str>::new());
    platform.change(|fixture| fixture.set("paused", json!(false)));
    let status = platform.pass().await;
    assert_eq!(status.observed_generation, Some(5));
    assert!(!status.conditions.iter().any(|one| one.type_ == "Paused"));
}

#[tokio::test]
async fn a_paused_platform_remembers_that_it_was_asked_to_reconcile() {
    let mut platform = Platform::ready(platform()).await;
    platform.change(Fixture::paused);
    platform.api.edit("quickbiteplatforms", "qb", |stored| {
        stored["metadata"]["annotations"] = json!({"quickbite.dev/reconcile": "now"});
    });
    assert_eq!(platform.pass().await.last_handled_reconcile, None);
    platform.change(|fixture| fixture.set("paused", json!(false)));
    let status = platform.pass().await;
    assert_eq!(status.last_handled_reconcile.as_deref(), Some("now"));
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
async fn a_refused_write_is_told_in_the_api_servers_words_until_it_is_accepted() {
    let platform = Platform::new(platform());
    let words = "exceeded quota: pods=3";
    platform.api.refuse_writes("statefulsets", 403, words);
    let status = platform.pass().await;
    let refused = ("False".to_owned(), "WriteRefused".to_owned());
    assert_eq!(platform.condition("Ready"), refused);
    assert_eq!(platform.condition("StoresReady"), refused);
    assert_eq!(platform.condition("Degraded").0, "True");
    let ready = &status.conditions[0];
    assert!(ready.message.contains(words), "{}", ready.message);
    let redis = status.components.iter().find(|one| one.name == "qb-redis");
    let message = &redis.unwrap().message;
    assert_eq!(message, &format!("its write was refused: {words}"));
    let events = platform.api.take_events();
    assert!(
        events
            .iter()
            .any(|(reason, note)| reason == "WriteRefused" && note.contains(words)),
        "{events:?}"
    );
    assert!(!events.iter().any(|(reason, _)| reason == "Degraded"));
    assert_eq!(platform.api.names("jobs").len(), 0, "the gate is closed");
    platform.api.accept_writes();
    platform.settle().await;
    assert_eq!(platform.condition("Ready").0, "True");
    assert_eq!(platform.condition("Degraded").0, "False");
}

#[tokio::test]
async fn a_platform_is_never_ready_while_a_write_is_refused() {
    let mut platform = Platform::ready(platform()).await;
    platform.api.refuse_writes("deployments", 422, "no");
    platform.change(|fixture| fixture.set("services/order/replicas", json!(2)));
    platform.pass().await;
    let refused = ("False".to_owned(), "WriteRefused".to_owned());
    assert_eq!(platform.condition("Ready"), refused);
    assert_eq!(platform.status().version.as_deref(), Some("0.1.0"));
}

#[tokio::test]
async fn a_write_without_an_answer_is_tried_again_and_not_told() {
    let platform = Platform::new(platform());
    platform.api.refuse_writes("statefulsets", 503, "busy");
    let stored = platform.api.get("quickbiteplatforms", "qb").unwrap();
    let object: QuickBitePlatform = serde_json::from_value(stored).unwrap();
    let error = reconcile(&object, &platform.context).await.unwrap_err();
    assert!(error.to_string().contains("StatefulSet"), "{error}");
    platform.api.accept_writes();
    platform.pass().await;
    assert_eq!(platform.api.names("statefulsets").len(), 4);
}

#[tokio::test]
async fn a_store_that_the_api_server_refuses_to_change_stays() {
    let mut platform = Platform::ready(platform()).await;
    let words = "spec.template.spec.containers[0].resources.requests: Invalid value";
    platform.api.refuse_writes("statefulsets", 422, words);
    for change in [
        // A field that may change, and one for which the StatefulSet would have to be made anew.
        json!({"resources": {"requests": {"memory": "8Gi"}}}),
        json!({"storage": "2Gi"}),
    ] {
        platform.change(|fixture| fixture.set("stores/redis", json!({"managed": change})));
        platform.pass().await;
        let writes = platform.api.take_writes();
        assert!(
            !writes.iter().any(|write| write.starts_with("DELETE")),
            "{writes:?}"
        );
        assert_eq!(platform.condition("Ready").1, "WriteRefused");
    }
    assert!(platform.api.get("statefulsets", "qb-redis").is_some());
}

#[tokio::test]
async fn a_field_that_cannot_change_makes_the_store_anew_once_the_api_server_would_take_it() {
    let mut platform = Platform::ready(platform()).await;
    let managed = json!({"managed": {"storage": "2Gi"}});
    platform.change(|fixture| fixture.set("stores/redis", managed));
    platform.pass().await;
    assert_eq!(
        children(&platform.api.take_writes()),
        ["TRY statefulsets", "DELETE statefulsets/qb-redis"]
    );
    assert_eq!(platform.condition("Ready").0, "False");
    platform.pass().await;
    assert_eq!(
        children(&platform.api.take_writes()),
        ["PATCH statefulsets/qb-redis"]
    );
}

#[tokio::test]
async fn an_object_that_is_being_removed_is_awaited_and_then_made_anew() {
    let platform = Platform::ready(platform()).await;
    platform.api.edit("deployments", "qb-order", |order| {
        order["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        order["spec"]["replicas"] = json!(7);
    });
    platform.pass().await;
    assert_eq!(children(&platform.api.take_writes()), Vec::<&str>::new());
    assert!(platform.message("Ready").contains("is being removed"));
    platform.api.remove("deployments", "qb-order");
    platform.pass().await;
    assert_eq!(
        children(&platform.api.take_writes()),
        ["PATCH deployments/qb-order"]
    );
}

#[tokio::test]
async fn a_secret_that_lost_its_label_keeps_its_value_and_gets_the_label_back() {
    let platform = Platform::ready(platform()).await;
    for name in [
        "qb-access-signing-keys",
        "qb-internal-signing-keys",
        "qb-postgres-order",
        "qb-mongodb-server",
        "qb-bootstrap-admin",
    ] {
        let before = platform.api.get("secrets", name).unwrap();
        platform.api.edit("secrets", name, |secret| {
            secret["metadata"]["labels"] = json!({});
        });
        platform.pass().await;
        let writes = platform.api.take_writes();
        assert_eq!(children(&writes), [format!("PATCH secrets/{name}")]);
        let after = platform.api.get("secrets", name).unwrap();
        assert_eq!(after["data"], before["data"], "{name}");
        assert_eq!(after["metadata"]["labels"], before["metadata"]["labels"]);
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_named_and_left_as_it_is() {
    let platform = Platform::ready(platform()).await;
    let garbage = json!({"keys.json": "e30="});
    platform
        .api
        .edit("secrets", "qb-access-signing-keys", |secret| {
            secret["data"] = garbage.clone();
        });
    let status = platform.pass().await;
    let damaged = ("False".to_owned(), "SecretDamaged".to_owned());
    assert_eq!(platform.condition("Ready"), damaged);
    let message = &status.conditions[0].message;
    assert!(message.contains("qb-access-signing-keys"), "{message}");
    assert_eq!(
        children(&platform.api.take_writes()),
        Vec::<&str>::new(),
        "nothing is written"
    );
    let kept = platform.api.get("secrets", "qb-access-signing-keys");
    assert_eq!(kept.unwrap()["data"], garbage);
}

#[tokio::test]
async fn an_object_of_our_name_that_somebody_else_made_is_named_and_left_as_it_is() {
    let theirs = |kind: &str, name: &str| {
        json!({"apiVersion": "v1", "kind": kind, "data": {"a": "Yg=="},
            "metadata": {"name": name, "uid": "theirs"}})
    };
    for (resource, kind, name, reason) in [
        ("configmaps", "ConfigMap", "qb-redis", "WriteRefused"),
        ("secrets", "Secret", "qb-access-signing-keys", "NotOurs"),
        ("secrets", "Secret", "qb-rabbitmq-server", "WriteRefused"),
    ] {
        let platform = Platform::new(platform());
        platform.api.put(resource, theirs(kind, name));
        let status = platform.pass().await;
        platform.pass().await;
        assert_eq!(
            platform.condition("Ready"),
            ("False".to_owned(), reason.to_owned())
        );
        let message = &status.conditions[0].message;
        assert!(message.contains(name), "{message}");
        let kept = platform.api.get(resource, name).unwrap();
        assert_eq!(kept, theirs(kind, name));
    }
}

#[tokio::test]
async fn nothing_is_written_after_a_refused_secret() {
    let platform = Platform::new(platform());
    platform.api.refuse_writes("secrets", 403, "exceeded quota");
    platform.pass().await;
    let writes = platform.api.take_writes();
    assert!(
        children(&writes)
            .iter()
            .all(|write| write.starts_with("PATCH secrets/")),
        "{writes:?}"
    );
    assert_eq!(platform.condition("Ready").1, "WriteRefused");
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
async fn a_short_lack_of_pods_is_not_degraded_and_a_long_one_is() {
    let platform = Platform::ready(platform().set("services/order/replicas", json!(2))).await;
    let ready = |pods: u8| {
        platform.api.edit("deployments", "qb-order", |order| {
            order["status"]["availableReplicas"] = json!(pods);
            order["status"]["readyReplicas"] = json!(pods);
        });
    };
    ready(1);
    // However often it looks: a drained pod is back within seconds.
    for _ in 0..10 {
        platform.pass_after(4).await;
        assert_eq!(platform.condition("Ready").0, "True");
        assert_eq!(platform.condition("Degraded").0, "False");
    }
    ready(2);
    platform.pass_after(4).await;
    ready(1);
    platform.pass_after(4).await;
    platform.pass_after(44).await;
    assert_eq!(platform.condition("Degraded").0, "False");
    platform.pass_after(1).await;
    let unready = ("True".to_owned(), "ComponentsUnready".to_owned());
    assert_eq!(platform.condition("Degraded"), unready);
}

#[tokio::test]
async fn a_store_that_stays_down_degrades_the_platform_and_says_why() {
    let platform = Platform::ready(platform()).await;
    platform.api.edit("statefulsets", "qb-redis", |store| {
        store["status"]["readyReplicas"] = json!(0)
    });
    platform.api.put("pods", json!({
        "metadata": {"name": "qb-redis-0", "labels": {
            "app.kubernetes.io/managed-by": "quickbite-operator", "app.kubernetes.io/component": "redis"}},
        "status": {"conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": "no node has room"}]},
    }));
    platform.pass().await;
    assert_eq!(platform.condition("Ready").0, "False");
    assert_eq!(platform.condition("Degraded").0, "False");
    let status = platform.pass_after(60).await;
    assert_eq!(platform.condition("Degraded").0, "True");
    let why = "pod qb-redis-0: Unschedulable: no node has room";
    for type_ in ["Ready", "Degraded", "StoresReady"] {
        let message = platform.message(type_);
        assert!(message.contains(why), "{type_}: {message}");
    }
    let redis = status.components.iter().find(|one| one.name == "qb-redis");
    assert!(redis.unwrap().message.contains(why));
    platform.api.settle("statefulsets");
    platform.pass().await;
    assert_eq!(platform.condition("Ready").0, "True");
    assert_eq!(platform.condition("Degraded").0, "False");
}

#[tokio::test]
async fn a_platform_whose_pods_may_not_be_read_has_a_status_all_the_same() {
    let platform = Platform::new(platform());
    platform.api.hide("pods");
    platform.pass().await;
    let starting = ("False".to_owned(), "StoresStarting".to_owned());
    assert_eq!(platform.condition("Ready"), starting);
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

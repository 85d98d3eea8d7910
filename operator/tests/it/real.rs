//! What only a real API server decides: refusals with field and rule, server-side apply, garbage
//! collection, and that what it adds to our objects is no difference.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::{conditions, wait::await_condition};
use kube::{Api, ResourceExt};
use quickbite_operator::api::QuickBitePlatform;
use quickbite_operator::controller::context::Context;
use quickbite_operator::controller::writer::WriteError;
use quickbite_operator::controller::{ReconcileError, reconcile};
use quickbite_operator::leader::Leadership;
use serde_json::{Value, json};

use crate::cluster::{Cluster, Writes, as_if_healthy};
use crate::fixture::{Fixture, platform};
use crate::rules;

/// A platform on the real cluster. Its images do not exist and its pods never start; the operator
/// sees them as ready all the same.
struct Real {
    cluster: Cluster,
    context: Arc<Context>,
    writes: Writes,
}

impl Real {
    async fn new(name: &str) -> Self {
        let cluster = Cluster::new(name).await;
        let writes = Writes::default();
        let client = as_if_healthy(cluster.client.clone(), writes.clone());
        let context = Context::new(client, Leadership::always(), None);
        Self {
            cluster,
            context,
            writes,
        }
    }

    fn platforms(&self) -> Api<QuickBitePlatform> {
        self.cluster.api()
    }

    async fn apply(&self, fixture: &Fixture) -> kube::Result<QuickBitePlatform> {
        let mut object = fixture.json();
        object["metadata"] = json!({"name": "qb", "namespace": self.cluster.namespace});
        let parameters = PatchParams::apply("a-user").force();
        self.platforms()
            .patch("qb", &parameters, &Patch::Apply(&object))
            .await
    }

    /// One reconcile. An operator that is installed in the cluster reconciles the platform too; what
    /// it was faster with is a conflict, which the controller takes as a reason to look again.
    async fn pass(&self) {
        for _ in 0..10 {
            let platform = self.platforms().get("qb").await.unwrap();
            match reconcile(&platform, &self.context).await {
                Ok(_) => return,
                Err(ReconcileError::Write(WriteError::Refused {
                    source: kube::Error::Api(status),
                    ..
                })) if status.is_conflict() => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        panic!("ten conflicts in a row");
    }

    /// Reconciles until Ready has `reason`, and returns its message.
    async fn until(&self, reason: &str) -> String {
        for _ in 0..20 {
            self.pass().await;
            let platform = self.platforms().get("qb").await.unwrap();
            let ready = platform.status.unwrap().conditions.swap_remove(0);
            if ready.reason == reason {
                return ready.message;
            }
        }
        panic!("Ready does not get the reason {reason}");
    }

    /// Writes to children since the last call.
    fn take_writes(&self) -> Vec<String> {
        std::mem::take(&mut self.writes.lock().unwrap())
    }

    /// Reconciles until the platform is ready.
    async fn settle(&self) {
        for _ in 0..20 {
            self.pass().await;
            let platform = self.platforms().get("qb").await.unwrap();
            let status = platform.status.clone().unwrap_or_default();
            let current = status.observed_generation == platform.metadata.generation;
            if current && quickbite_operator::controller::status::is_true(&status, "Ready") {
                // Once more: what is pruned is pruned after readiness.
                return self.pass().await;
            }
        }
        panic!(
            "the platform does not become ready: {:?}",
            self.platforms().get("qb").await.unwrap().status
        );
    }

    async fn names<K>(&self) -> BTreeSet<String>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope> + Clone + std::fmt::Debug,
        K: for<'de> serde::Deserialize<'de>,
        K::DynamicType: Default,
    {
        let list = self
            .cluster
            .api::<K>()
            .list(&ListParams::default())
            .await
            .unwrap();
        list.iter()
            .map(ResourceExt::name_any)
            .filter(|name| name.starts_with("qb"))
            .collect()
    }

    async fn hashes(&self) -> Vec<(String, String)> {
        let deployments: Api<Deployment> = self.cluster.api();
        let list = deployments.list(&ListParams::default()).await.unwrap();
        let hash = |deployment: &Deployment| {
            let template = &deployment.spec.as_ref().unwrap().template;
            let annotations = template
                .metadata
                .as_ref()
                .unwrap()
                .annotations
                .as_ref()
                .unwrap();
            annotations["quickbite.dev/config-hash"].clone()
        };
        list.iter()
            .map(|deployment| (deployment.name_any(), hash(deployment)))
            .collect()
    }
}

fn refusal(result: kube::Result<QuickBitePlatform>) -> String {
    match result {
        Err(kube::Error::Api(status)) => status.message,
        other => panic!("not refused: {other:?}"),
    }
}

/// Pods that no node has an image for.
fn small() -> Fixture {
    platform().set(
        "image",
        json!({"registry": "quickbite.invalid", "pullPolicy": "Never"}),
    )
}

#[tokio::test]
async fn the_api_server_refuses_a_broken_rule_with_field_and_rule() {
    let real = Real::new("rules").await;
    for (path, value, field, message) in rules::broken().into_iter().chain(rules::out_of_bounds()) {
        let said = refusal(real.apply(&platform().set(path, value.clone())).await);
        assert!(
            said.contains(field),
            "{path} = {value}: {said:?} does not name {field}"
        );
        assert!(
            said.contains(message),
            "{path} = {value}: {said:?} does not say {message:?}"
        );
    }
    assert_eq!(real.names::<QuickBitePlatform>().await, BTreeSet::new());
    real.cluster.remove().await;
}

#[tokio::test]
async fn the_api_server_fills_in_defaults_and_keeps_storage_from_shrinking() {
    let real = Real::new("defaults").await;
    let with = |size: &str| platform().set("stores/redis", json!({"managed": {"storage": size}}));
    let stored = real.apply(&with("2Gi")).await.unwrap();
    let spec = serde_json::to_value(&stored.spec).unwrap();
    assert_eq!(
        spec["gateway"]["rateLimits"]["auth"],
        json!({"limit": 5, "windowSeconds": 900})
    );
    assert_eq!(spec["stores"]["postgres"]["managed"]["storage"], "1Gi");
    let said = refusal(real.apply(&with("1Gi")).await);
    assert!(said.contains("spec.stores.redis.managed.storage"), "{said}");
    assert!(said.contains("storage cannot shrink"), "{said}");
    real.apply(&with("3Gi")).await.unwrap();
    real.cluster.remove().await;
}

#[tokio::test]
async fn a_platform_becomes_ready_and_a_second_reconcile_changes_nothing() {
    let real = Real::new("life").await;
    real.apply(&small()).await.unwrap();
    real.settle().await;

    // Nothing differs, whatever defaults the API server added. The platform's own status is left out:
    // it follows pods that really start and fail here; the fake API server's tests hold that it is
    // written only when it differs.
    real.pass().await;
    real.take_writes();
    real.pass().await;
    assert_eq!(real.take_writes(), Vec::<String>::new());

    // What somebody changes or deletes is put back.
    let services: Api<Service> = real.cluster.api();
    let edit = json!({"spec": {"ports": [{"name": "http", "port": 3003, "targetPort": 1}]}});
    services
        .patch("qb-order", &PatchParams::default(), &Patch::Strategic(edit))
        .await
        .unwrap();
    let deployments: Api<Deployment> = real.cluster.api();
    deployments
        .delete("qb-driver", &DeleteParams::background())
        .await
        .unwrap();
    real.pass().await;
    let ports = services
        .get("qb-order")
        .await
        .unwrap()
        .spec
        .unwrap()
        .ports
        .unwrap();
    let http = ports
        .iter()
        .find(|port| port.name.as_deref() == Some("http"))
        .unwrap();
    assert_eq!(
        serde_json::to_value(&http.target_port).unwrap(),
        json!("http")
    );
    assert!(real.names::<Deployment>().await.contains("qb-driver"));
    real.settle().await;

    // What somebody adds where everything is ours goes.
    let policies: Api<NetworkPolicy> = real.cluster.api();
    let selector = json!({"spec": {"selector": {"nobody": "has-this"}}});
    let variable = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "order", "env": [{"name": "MINE", "value": "1"}]},
        {"name": "mine", "image": "quickbite.invalid/mine"},
    ]}}}});
    let rule = json!({"spec": {"ingress": [{}]}});
    let merge = PatchParams::default();
    let (service, order) = (
        services.get("qb-order").await.unwrap().spec,
        deployments.get("qb-order").await.unwrap().spec,
    );
    let names = real.names::<NetworkPolicy>().await;
    let name = names.into_iter().find(|name| name.contains("deny"));
    let name = name.unwrap();
    let policy = policies.get(&name).await.unwrap().spec;
    services
        .patch("qb-order", &merge, &Patch::Merge(selector))
        .await
        .unwrap();
    deployments
        .patch("qb-order", &merge, &Patch::Strategic(variable))
        .await
        .unwrap();
    policies
        .patch(&name, &merge, &Patch::Merge(rule))
        .await
        .unwrap();
    real.pass().await;
    assert_eq!(services.get("qb-order").await.unwrap().spec, service);
    assert_eq!(deployments.get("qb-order").await.unwrap().spec, order);
    assert_eq!(policies.get(&name).await.unwrap().spec, policy);
    real.settle().await;
    real.take_writes();
    real.pass().await;
    assert_eq!(real.take_writes(), Vec::<String>::new());

    // What others own stays.
    let label = json!({"metadata": {"annotations": {"somebody.else/note": "mine"}}});
    services
        .patch("qb-order", &PatchParams::default(), &Patch::Merge(label))
        .await
        .unwrap();
    real.pass().await;
    assert!(
        services
            .get("qb-order")
            .await
            .unwrap()
            .annotations()
            .contains_key("somebody.else/note")
    );

    // A changed setting rolls only the pods that use it.
    let hashes = real.hashes().await;
    let changed = small().set("services/restaurant/cache/listTtlSeconds", json!(77));
    real.apply(&changed).await.unwrap();
    real.settle().await;
    let rolled: Vec<_> = real
        .hashes()
        .await
        .into_iter()
        .filter(|now| !hashes.contains(now))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(rolled, ["qb-restaurant"]);

    // A service that leaves the spec takes its objects along.
    real.apply(&changed.without("notification")).await.unwrap();
    real.settle().await;
    for names in [
        real.names::<Deployment>().await,
        real.names::<Service>().await,
    ] {
        assert!(
            !names.iter().any(|name| name.contains("notification")),
            "{names:?}"
        );
    }
    let mut secrets = real.names::<Secret>().await;
    secrets.retain(|name| name.contains("notification"));
    assert_eq!(
        Vec::from_iter(secrets),
        ["qb-postgres-notification", "qb-rabbitmq-notification"]
    );

    // The platform goes and takes everything along but the volumes.
    real.platforms()
        .delete("qb", &DeleteParams::background())
        .await
        .unwrap();
    let left = || async {
        let mut left = real.names::<Deployment>().await;
        left.extend(real.names::<StatefulSet>().await);
        left.extend(real.names::<Job>().await);
        left.extend(real.names::<Service>().await);
        left.extend(real.names::<ConfigMap>().await);
        left.extend(real.names::<Secret>().await);
        left
    };
    for _ in 0..120 {
        if left().await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(left().await, BTreeSet::new());
    let claims = real
        .cluster
        .api::<PersistentVolumeClaim>()
        .list(&ListParams::default())
        .await
        .unwrap();
    assert!(
        claims
            .items
            .iter()
            .all(|claim| claim.name_any().starts_with("data-qb-"))
    );
    assert!(!claims.items.is_empty());
    real.cluster.remove().await;
}

#[tokio::test]
async fn a_refused_change_leaves_the_store_and_heals_when_it_is_taken_back() {
    let real = Real::new("refused").await;
    real.apply(&small()).await.unwrap();
    real.settle().await;
    let stores: Api<StatefulSet> = real.cluster.api();
    let before = stores.get("qb-redis").await.unwrap().uid();
    let greedy = json!({"managed": {"resources": {
        "requests": {"memory": "8Gi"}, "limits": {"memory": "1Gi"}}}});
    real.apply(&small().set("stores/redis", greedy))
        .await
        .unwrap();
    let message = real.until("WriteRefused").await;
    let field = "spec.template.spec.containers[0].resources.requests";
    assert!(message.contains(field), "{message}");
    assert_eq!(stores.get("qb-redis").await.unwrap().uid(), before);
    real.apply(&small().set("stores/redis", json!({"managed": {}})))
        .await
        .unwrap();
    real.settle().await;

    // What cannot change is made anew, once the API server would take it.
    let larger = json!({"managed": {"storage": "2Gi"}});
    real.apply(&small().set("stores/redis", larger))
        .await
        .unwrap();
    real.pass().await;
    let old = before.clone().unwrap();
    await_condition(stores.clone(), "qb-redis", conditions::is_deleted(&old))
        .await
        .unwrap();
    real.settle().await;
    let redis = stores.get("qb-redis").await.unwrap();
    assert_ne!(redis.uid(), before);
    let claims = redis.spec.unwrap().volume_claim_templates.unwrap();
    let size = claims[0].spec.clone().unwrap().resources.unwrap();
    assert_eq!(size.requests.unwrap()["storage"].0, "2Gi");
    real.cluster.remove().await;
}

#[tokio::test]
async fn a_secret_without_its_label_is_still_the_one_and_a_strangers_object_stays() {
    let real = Real::new("owned").await;
    let maps: Api<ConfigMap> = real.cluster.api();
    let theirs: ConfigMap = serde_json::from_value(json!({
        "metadata": {"name": "qb-driver"}, "data": {"mine": "1"},
    }))
    .unwrap();
    let made = maps.create(&PostParams::default(), &theirs).await.unwrap();
    real.apply(&small()).await.unwrap();
    let message = real.until("WriteRefused").await;
    assert!(message.contains("ConfigMap qb-driver"), "{message}");
    let left = maps.get("qb-driver").await.unwrap();
    assert_eq!(left.resource_version(), made.resource_version());
    maps.delete("qb-driver", &DeleteParams::default())
        .await
        .unwrap();
    real.settle().await;

    let secrets: Api<Secret> = real.cluster.api();
    let name = "qb-access-signing-keys";
    let before = secrets.get(name).await.unwrap();
    let unlabelled = json!({"metadata": {"labels": null}});
    secrets
        .patch(name, &PatchParams::default(), &Patch::Merge(unlabelled))
        .await
        .unwrap();
    real.pass().await;
    let after = secrets.get(name).await.unwrap();
    assert_eq!(after.data, before.data);
    assert_eq!(after.metadata.labels, before.metadata.labels);
    assert_eq!(after.uid(), before.uid());
    real.cluster.remove().await;
}

#[tokio::test]
async fn an_object_with_an_unknown_shape_is_refused_by_name() {
    let real = Real::new("shape").await;
    let mut object: Value = platform().json();
    object["metadata"] = json!({"name": "qb"});
    object["spec"]["gateway"] = json!("big");
    let api: Api<kube::core::DynamicObject> = Api::namespaced_with(
        real.cluster.client.clone(),
        &real.cluster.namespace,
        &kube::core::ApiResource::erase::<QuickBitePlatform>(&()),
    );
    let object: kube::core::DynamicObject = serde_json::from_value(object).unwrap();
    let refused = api
        .create(&PostParams::default(), &object)
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("spec.gateway"), "{refused}");
    real.cluster.remove().await;
}

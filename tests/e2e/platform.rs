//! The cluster, as a platform engineer meets it: status, self-healing, narrow rollouts, pruning.
//!
//! These tests change the shared platform and put it back; the runner gives them the machine for
//! themselves (`.config/nextest.toml`).

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Pod, Secret, Service},
};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams, LogParams, Patch, PatchParams},
    core::GroupVersionKind,
};
use quickbite_tests::{
    client::Api as Platform,
    people::{Kitchen, Person, text},
    wait::until,
};
use serde_json::{Value, json};

const ROLLOUT: Duration = Duration::from_secs(180);

fn name() -> String {
    std::env::var("QUICKBITE_PLATFORM").unwrap_or_else(|_| "quickbite".to_owned())
}

fn namespace() -> String {
    std::env::var("QUICKBITE_NAMESPACE").unwrap_or_else(|_| "quickbite".to_owned())
}

async fn client() -> Result<Client> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Client::try_default()
        .await
        .context("no cluster answers: run `make up`")
}

fn platforms(client: Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("quickbite.dev", "v1alpha1", "QuickBitePlatform");
    Api::namespaced_with(client, &namespace(), &ApiResource::from_gvk(&kind))
}

/// Mail address and password of the first admin, from the Secret that the operator made.
pub(crate) async fn bootstrap_admin() -> Result<(String, String)> {
    let secrets: Api<Secret> = Api::namespaced(client().await?, &namespace());
    let secret = secrets.get(&format!("{}-bootstrap-admin", name())).await?;
    let field = |key: &str| -> Result<String> {
        let data = secret.data.as_ref().and_then(|data| data.get(key));
        Ok(String::from_utf8(
            data.with_context(|| format!("no {key}"))?.0.clone(),
        )?)
    };
    Ok((field("email")?, field("password")?))
}

async fn await_ready(client: &Client) -> Result<DynamicObject> {
    let api = platforms(client.clone());
    until(
        "the platform to be Ready in its latest generation",
        ROLLOUT,
        || async {
            let platform = api.get(&name()).await?;
            let current = json!(platform.metadata.generation);
            let ready = condition(&platform, "Ready");
            Ok((ready["observedGeneration"] == current, ready))
        },
        |(current, ready)| *current && ready["status"] == "True",
    )
    .await?;
    Ok(api.get(&name()).await?)
}

fn condition(platform: &DynamicObject, kind: &str) -> Value {
    platform.data["status"]["conditions"]
        .as_array()
        .and_then(|all| all.iter().find(|condition| condition["type"] == kind))
        .cloned()
        .unwrap_or_default()
}

async fn patch_spec(client: &Client, spec: Value) -> Result<()> {
    platforms(client.clone())
        .patch(
            &name(),
            &PatchParams::default(),
            &Patch::Merge(json!({"spec": spec})),
        )
        .await?;
    Ok(())
}

/// The generation of every Deployment: it moves when its spec does, and only then.
async fn generations(client: &Client) -> Result<BTreeMap<String, i64>> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &namespace());
    Ok(deployments
        .list(&ListParams::default())
        .await?
        .into_iter()
        .map(|deployment| {
            (
                deployment.name_any(),
                deployment.metadata.generation.unwrap_or_default(),
            )
        })
        .collect())
}

#[tokio::test]
async fn the_platform_is_ready_and_says_where_and_what_it_is() -> Result<()> {
    let client = client().await?;
    let platform = await_ready(&client).await?;
    let status = &platform.data["status"];
    ensure!(
        status["version"] == platform.data["spec"]["version"],
        "{status}"
    );
    ensure!(
        status["endpoint"]
            .as_str()
            .is_some_and(|url| url.starts_with("http")),
        "{status}"
    );
    for part in [
        "user",
        "restaurant",
        "order",
        "driver",
        "notification",
        "payment",
        "gateway",
    ] {
        let found = status["components"].as_array().is_some_and(|components| {
            components
                .iter()
                .any(|c| c["name"].as_str().is_some_and(|name| name.contains(part)))
        });
        ensure!(found, "{part} is not among the components: {status}");
    }
    Ok(())
}

#[tokio::test]
async fn a_deleted_child_comes_back() -> Result<()> {
    let client = client().await?;
    await_ready(&client).await?;
    let child = format!("{}-notification", name());

    async fn delete_and_await<K>(api: Api<K>, name: &str) -> Result<()>
    where
        K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
    {
        let before = api.get(name).await?.meta().uid.clone();
        api.delete(name, &Default::default()).await?;
        until(
            &format!("{name} to come back"),
            Duration::from_secs(30),
            || async { Ok(api.get(name).await?.meta().uid.clone()) },
            |uid| *uid != before,
        )
        .await
        .map(drop)
    }
    delete_and_await::<Service>(Api::namespaced(client.clone(), &namespace()), &child).await?;
    delete_and_await::<Deployment>(Api::namespaced(client.clone(), &namespace()), &child).await?;
    let configs: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace());
    delete_and_await(configs, &child).await?;
    await_ready(&client).await?;
    Ok(())
}

#[tokio::test]
async fn changing_a_cache_ttl_rolls_the_restaurant_and_nothing_else() -> Result<()> {
    let client = client().await?;
    let platform = await_ready(&client).await?;
    let old = &platform.data["spec"]["services"]["restaurant"]["cache"]["listTtlSeconds"];
    let new = if *old == json!(301) { 302 } else { 301 };
    let before = generations(&client).await?;

    patch_spec(
        &client,
        json!({"services": {"restaurant": {"cache": {"listTtlSeconds": new}}}}),
    )
    .await?;
    let restaurant = format!("{}-restaurant", name());
    let after = until(
        "the restaurant's Deployment to change",
        Duration::from_secs(30),
        || generations(&client),
        |now| now[&restaurant] > before[&restaurant],
    )
    .await?;
    await_ready(&client).await?;
    for (deployment, generation) in &before {
        if *deployment != restaurant {
            ensure!(
                after[deployment] == *generation,
                "{deployment} was changed as well"
            );
        }
    }
    patch_spec(
        &client,
        json!({"services": {"restaurant": {"cache": {"listTtlSeconds": old}}}}),
    )
    .await?;
    await_ready(&client).await?;
    Ok(())
}

#[tokio::test]
async fn a_service_that_leaves_the_spec_is_pruned_and_can_come_back() -> Result<()> {
    let client = client().await?;
    await_ready(&client).await?;
    let child = format!("{}-notification", name());
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &namespace());
    let services: Api<Service> = Api::namespaced(client.clone(), &namespace());

    patch_spec(
        &client,
        json!({"services": {"notification": {"enabled": false}}}),
    )
    .await?;
    let gone = until(
        "the notification service to be pruned",
        ROLLOUT,
        || async {
            Ok((
                deployments.get_opt(&child).await?.is_none(),
                services.get_opt(&child).await?.is_none(),
            ))
        },
        |gone| *gone == (true, true),
    )
    .await;
    patch_spec(
        &client,
        json!({"services": {"notification": {"enabled": true}}}),
    )
    .await?;
    gone?;
    await_ready(&client).await?;
    until(
        "the gateway to reach the notification service again",
        ROLLOUT,
        || async { Platform::from_env().get("/health", None).await?.expect(200) },
        |health: &Value| health["services"]["notification"]["status"] == "healthy",
    )
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_forced_reconcile_of_an_unchanged_platform_writes_nothing() -> Result<()> {
    let client = client().await?;
    await_ready(&client).await?;
    let versions = || async {
        let mut versions = BTreeMap::new();
        let list = ListParams::default();
        let configs: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace());
        for object in configs.list(&list).await? {
            versions.insert(
                format!("ConfigMap/{}", object.name_any()),
                object.resource_version(),
            );
        }
        let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace());
        for object in secrets.list(&list).await? {
            versions.insert(
                format!("Secret/{}", object.name_any()),
                object.resource_version(),
            );
        }
        let services: Api<Service> = Api::namespaced(client.clone(), &namespace());
        for object in services.list(&list).await? {
            versions.insert(
                format!("Service/{}", object.name_any()),
                object.resource_version(),
            );
        }
        Ok::<_, anyhow::Error>((versions, generations(&client).await?))
    };
    let before = versions().await?;
    let asked = uuid::Uuid::new_v4().to_string();
    let annotation = json!({"metadata": {"annotations": {"quickbite.dev/reconcile": asked}}});
    let api = platforms(client.clone());
    api.patch(&name(), &PatchParams::default(), &Patch::Merge(annotation))
        .await?;
    until(
        "the forced reconcile to be done",
        ROLLOUT,
        || async { Ok(api.get(&name()).await?.data["status"]["lastHandledReconcile"].clone()) },
        |handled| *handled == asked,
    )
    .await?;
    ensure!(
        versions().await? == before,
        "a reconcile without a change wrote something"
    );
    Ok(())
}

async fn logs(client: &Client, component: &str) -> Result<String> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace());
    let ours = ListParams::default().labels(&format!("app.kubernetes.io/component={component}"));
    let mut text = String::new();
    for pod in pods.list(&ours).await? {
        let params = LogParams {
            tail_lines: Some(5_000),
            ..LogParams::default()
        };
        text.push_str(
            &pods
                .logs(&pod.name_any(), &params)
                .await
                .unwrap_or_default(),
        );
    }
    Ok(text)
}

#[tokio::test]
async fn one_correlation_id_is_in_the_logs_from_the_gateway_to_the_last_consumer() -> Result<()> {
    let client = client().await?;
    await_ready(&client).await?;
    let api = Platform::from_env();
    let owner = Person::register(&api, "restaurant_owner").await?;
    let kitchen = Kitchen::open(&owner, true).await?;
    let customer = Person::register(&api, "customer").await?;
    let id = format!("e2e-{}", uuid::Uuid::new_v4().simple());
    let request = api
        .request(reqwest::Method::POST, "/api/orders")
        .bearer_auth(&customer.token)
        .header("x-correlation-id", &id)
        .json(&kitchen.order("tok_ok"));
    let order = text(&api.send(request).await?.expect(201)?["id"])?;
    customer.await_status(&order, "confirmed").await?;
    for component in ["gateway", "order", "restaurant", "payment", "notification"] {
        until(
            &format!("{component} to log the correlation id"),
            Duration::from_secs(20),
            || logs(&client, component),
            |text: &String| text.contains(&id),
        )
        .await
        .map_err(|_| anyhow::anyhow!("{component} never logged {id}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn no_secret_stands_in_any_log() -> Result<()> {
    let client = client().await?;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace());
    let mut values = Vec::new();
    for secret in secrets.list(&ListParams::default()).await? {
        for (key, value) in secret.data.clone().unwrap_or_default() {
            let value = String::from_utf8_lossy(&value.0).into_owned();
            let secretive = ["password", "uri", "url", "key", "cookie", "signing"];
            if value.len() >= 12
                && secretive
                    .iter()
                    .any(|word| key.to_lowercase().contains(word))
            {
                values.push((format!("{}/{key}", secret.name_any()), value));
            }
        }
    }
    ensure!(!values.is_empty(), "found no secret to look for");
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace());
    for pod in pods.list(&ListParams::default()).await? {
        let text = pods
            .logs(&pod.name_any(), &LogParams::default())
            .await
            .unwrap_or_default();
        for (name, value) in &values {
            ensure!(
                !text.contains(value.as_str()),
                "{} logs the value of {name}",
                pod.name_any()
            );
        }
    }
    Ok(())
}

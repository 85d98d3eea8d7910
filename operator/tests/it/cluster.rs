//! The real cluster of the default kubeconfig, for tests: a namespace each, removed afterwards.
//! Namespaces of running platforms are never touched.

use std::sync::{Arc, Mutex, Once};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::client::Body;
use kube::runtime::{conditions, wait::await_condition};
use kube::{Api, Client};
use serde_json::{Value, json};

/// A namespace of one test.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) namespace: String,
}

impl Cluster {
    /// A new namespace called `qb-test-<name>-<random>`, with the definition installed.
    pub(crate) async fn new(name: &str) -> Self {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        });
        let client = Client::try_default()
            .await
            .expect("these tests need a cluster: `make up` starts one, KUBECONFIG names another");
        install(&client).await;
        let random = &uuid::Uuid::new_v4().simple().to_string()[..6];
        let namespace = format!("qb-test-{name}-{random}");
        let object: Namespace = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": namespace, "labels": {"quickbite.dev/test": "operator"}},
        }))
        .unwrap();
        Api::all(client.clone())
            .create(&PostParams::default(), &object)
            .await
            .expect("the test's namespace can be made");
        Self { client, namespace }
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Removes the namespace; a test that failed leaves it for a look.
    pub(crate) async fn remove(self) {
        let api: Api<Namespace> = Api::all(self.client.clone());
        api.delete(&self.namespace, &DeleteParams::background())
            .await
            .expect("the namespace goes");
    }
}

/// Writes to children so far: method and path.
pub(crate) type Writes = Arc<Mutex<Vec<String>>>;

/// `client`, with every workload in a list as if its pods were ready: tests need no images, and
/// what they ask of the API server is all real. Writes are noted.
pub(crate) fn as_if_healthy(client: Client, writes: Writes) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let client = client.clone();
        let path = request.uri().path();
        let is_child = !path.contains("/quickbiteplatforms/") && !path.contains("/events");
        if request.method() != Method::GET && is_child {
            let write = format!("{} {path}", request.method());
            writes.lock().unwrap().push(write);
        }
        async move {
            let is_list = request.method() == Method::GET
                && WORKLOADS
                    .iter()
                    .any(|list| request.uri().path().ends_with(list));
            let response = client.send(request).await?;
            let (head, body) = response.into_parts();
            let body = body.collect().await?.to_bytes();
            let body = if is_list { healthy(&body) } else { body };
            Ok::<_, tower::BoxError>(Response::from_parts(head, Full::new(body)))
        }
    });
    Client::new(service, namespace)
}

const WORKLOADS: [&str; 3] = ["/deployments", "/statefulsets", "/jobs"];

fn healthy(body: &Bytes) -> Bytes {
    let mut list: Value = serde_json::from_slice(body).expect("a list");
    for item in list["items"].as_array_mut().into_iter().flatten() {
        let replicas = item["spec"]["replicas"].as_i64().unwrap_or(1);
        item["status"] = json!({
            "observedGeneration": item["metadata"]["generation"], "replicas": replicas,
            "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas,
            "succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}],
        });
    }
    Bytes::from(list.to_string())
}

async fn install(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let crd = quickbite_operator::api::crd();
    let name = crd.metadata.name.clone().unwrap();
    let parameters = PatchParams::apply("quickbite-operator-test").force();
    api.patch(&name, &parameters, &Patch::Apply(&crd))
        .await
        .expect("the definition can be installed");
    await_condition(api, &name, conditions::is_crd_established())
        .await
        .expect("the definition is established");
}

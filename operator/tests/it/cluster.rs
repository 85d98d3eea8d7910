//! The real cluster of the default kubeconfig, for tests: a namespace each, removed afterwards.
//! Namespaces of running platforms are never touched.

use std::sync::Once;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::{conditions, wait::await_condition};
use kube::{Api, Client};
use serde_json::json;

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
        api.delete(&self.namespace, &DeleteParams::background()).await.expect("the namespace goes");
    }
}

async fn install(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let crd = quickbite_operator::api::crd();
    let name = crd.metadata.name.clone().unwrap();
    let parameters = PatchParams::apply("quickbite-operator-test").force();
    api.patch(&name, &parameters, &Patch::Apply(&crd)).await.expect("the definition can be installed");
    await_condition(api, &name, conditions::is_crd_established())
        .await
        .expect("the definition is established");
}

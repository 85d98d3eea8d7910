//! Platforms to test with, as the API server would hand them out.

use quickbite_operator::api::{Autoscaling, QuickBitePlatform};
use serde_json::{Value, json};

/// A platform that can be changed piece by piece: `platform().with_replicas("order", 3).build()`.
#[derive(Clone)]
pub(crate) struct Fixture(Value);

/// A development platform with managed stores, all services and an Ingress.
pub(crate) fn platform() -> Fixture {
    Fixture(json!({
        "apiVersion": "quickbite.dev/v1alpha1",
        "kind": "QuickBitePlatform",
        "metadata": {
            "name": "qb", "namespace": "food", "generation": 1,
            "uid": "6a4cfd45-6a4e-4d5e-8d1c-3f0c7a7f9f01",
        },
        "spec": {
            "version": "0.1.0",
            "ingress": {"host": "quickbite.local", "className": "traefik"},
            "auth": {"bootstrapAdmin": {"email": "admin@quickbite.local"}},
        },
    }))
}

impl Fixture {
    /// Sets the value at `path` below `spec`, such as `gateway/replicas`.
    pub(crate) fn set(mut self, path: &str, value: Value) -> Self {
        let mut place = &mut self.0["spec"];
        for part in path.split('/') {
            place = &mut place[part];
        }
        *place = value;
        self
    }

    pub(crate) fn version(self, version: &str) -> Self {
        self.set("version", json!(version))
    }

    pub(crate) fn without(self, service: &str) -> Self {
        self.set(&format!("services/{service}/enabled"), json!(false))
    }

    pub(crate) fn paused(self) -> Self {
        self.set("paused", json!(true))
    }

    pub(crate) fn production(self) -> Self {
        self.set("profile", json!("Production"))
    }

    pub(crate) fn autoscaled(self, service: &str, scaling: &Autoscaling) -> Self {
        self.set(&format!("services/{service}/autoscaling"), json!(scaling))
    }

    pub(crate) fn build(self) -> QuickBitePlatform {
        serde_json::from_value(self.0).expect("the fixture is a platform")
    }

    pub(crate) fn yaml(&self) -> String {
        serde_yaml::to_string(&self.0).expect("a platform serialises to YAML")
    }

    pub(crate) fn json(&self) -> Value {
        self.0.clone()
    }
}

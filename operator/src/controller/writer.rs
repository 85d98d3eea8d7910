//! The only place that writes children. Every write first asks whether this process still leads,
//! and is counted; `paused` platforms never get here. What is somebody else's is never written, and
//! a write reaches the very object that was looked at, by its uid.

use kube::api::{
    DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy,
};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::child::ChildKind;
use super::desired::MANAGED_BY;
use super::diff::{foreign, immutable_difference, revision};
use super::ownership::{self, Identity};
use crate::leader::Leadership;
use crate::metrics::Metrics;

/// Field manager that holds `replicas` between the operator and an autoscaler.
const HAND_OVER: &str = "quickbite-operator-handover";

/// Writes the children of one platform.
pub struct Writer {
    client: Client,
    namespace: String,
    platform: Identity,
    leadership: Leadership,
    metrics: Metrics,
}

/// Why a write did not happen.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Another replica leads; it will do it.
    #[error("this replica does not lead")]
    NotLeading,
    /// The API server refused.
    #[error("{kind} {name:?} could not be written")]
    Refused {
        /// Kind of the object.
        kind: &'static str,
        /// Name of the object.
        name: String,
        /// What the API server said.
        #[source]
        source: kube::Error,
    },
    /// An object of that name is there, and it is not ours.
    #[error("{kind} {name:?} is not ours to write: {whose}")]
    NotOurs {
        /// Kind of the object.
        kind: &'static str,
        /// Name of the object.
        name: String,
        /// Whose it is.
        whose: String,
    },
}

impl WriteError {
    /// What to tell people, when the API server understood the write and said no: it will say so
    /// again until somebody changes something. `None` for what another try may mend.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        match self {
            Self::NotOurs { whose, .. } => {
                Some(format!("it is there already and left alone: {whose}"))
            }
            Self::Refused {
                source: kube::Error::Api(status),
                ..
            } if !matches!(status.code, 409 | 429 | 503 | 504) => Some(status.message.clone()),
            Self::Refused { .. } | Self::NotLeading => None,
        }
    }
}

impl Writer {
    /// A writer for the children of `platform` in `namespace`.
    #[must_use]
    pub fn new(
        client: Client,
        namespace: String,
        platform: Identity,
        leadership: Leadership,
        metrics: Metrics,
    ) -> Self {
        Self {
            client,
            namespace,
            platform,
            leadership,
            metrics,
        }
    }

    fn permit(&self, kind: ChildKind) -> Result<(), WriteError> {
        if !self.leadership.is_held() {
            return Err(WriteError::NotLeading);
        }
        self.metrics.write(kind.kind());
        Ok(())
    }

    /// Makes one object as `object` says, or brings `found` to it, and returns it as it then is. `None`
    /// if it had to go first: it is made anew once it is gone.
    ///
    /// # Errors
    /// When this process does not lead, the object is not ours, or the API server refuses.
    pub async fn apply(
        &self,
        kind: ChildKind,
        name: &str,
        object: &Value,
        found: Option<&Value>,
    ) -> Result<Option<Value>, WriteError> {
        self.permit(kind)?;
        let Some(found) = found else {
            return self.make(kind, name, object).await.map(Some);
        };
        if let Some(field) = immutable_difference(kind, object, found) {
            self.make_way(kind, name, object, found, field).await?;
            return Ok(None);
        }
        self.bring(kind, name, object, found).await.map(Some)
    }

    /// Makes an object that no list showed. One that is there all the same lost its label and is
    /// ours by its owner, or it is somebody else's and stays as it is.
    async fn make(&self, kind: ChildKind, name: &str, object: &Value) -> Result<Value, WriteError> {
        let there = self.api(kind).get_opt(name).await;
        match there.map_err(|source| refused(kind, name, source))? {
            Some(there) => {
                let found = to_value(&there);
                ownership::check(&found, &self.platform).map_err(|whose| WriteError::NotOurs {
                    kind: kind.kind(),
                    name: name.to_owned(),
                    whose,
                })?;
                self.bring(kind, name, object, &found).await
            }
            // Not forced: should somebody make one in this very moment, the API server says so.
            None => {
                let parameters = PatchParams::apply(MANAGED_BY);
                self.patch(kind, name, object, &parameters).await
            }
        }
    }

    /// Brings `found` to what `object` says. The uid holds that it is still the one. What somebody
    /// added is removed first: an apply leaves others' fields where they are.
    async fn bring(
        &self,
        kind: ChildKind,
        name: &str,
        object: &Value,
        found: &Value,
    ) -> Result<Value, WriteError> {
        self.strip(kind, name, object, found).await?;
        let mut object = object.clone();
        object["metadata"]["uid"] = found["metadata"]["uid"].clone();
        let parameters = PatchParams::apply(MANAGED_BY).force();
        self.patch(kind, name, &object, &parameters).await
    }

    async fn strip(
        &self,
        kind: ChildKind,
        name: &str,
        object: &Value,
        found: &Value,
    ) -> Result<(), WriteError> {
        // Of an older revision, fields that we no longer set look like additions: the apply takes them.
        if revision(object) != revision(found) {
            return Ok(());
        }
        let added = foreign(kind, object, found);
        if added.is_empty() {
            return Ok(());
        }
        // Positions in lists hold for what was read. A generation counts changes of the spec alone, so
        // that a status that moves does not matter; kinds without one have no such status.
        let metadata = &found["metadata"];
        let mut steps = vec![match &metadata["generation"] {
            Value::Null => json!({"op": "replace", "path": "/metadata/resourceVersion",
                "value": metadata["resourceVersion"]}),
            generation => {
                json!({"op": "test", "path": "/metadata/generation", "value": generation})
            }
        }];
        steps.extend(
            added
                .iter()
                .map(|path| json!({"op": "remove", "path": path})),
        );
        let steps = serde_json::from_value(json!(steps)).expect("these are steps of a patch");
        let parameters = PatchParams {
            field_manager: Some(MANAGED_BY.to_owned()),
            ..PatchParams::default()
        };
        let answer = self
            .api(kind)
            .patch(name, &parameters, &Patch::Json::<()>(steps))
            .await;
        match answer {
            Ok(_) => {
                tracing::info!(kind = kind.kind(), %name, ?added, "removed what somebody added")
            }
            // It is another generation by now: the next look finds what is left.
            Err(kube::Error::Api(status)) if status.is_invalid() => {
                tracing::info!(kind = kind.kind(), %name, ?added, reason = %status.message, "not removed yet");
            }
            Err(source) => return Err(refused(kind, name, source)),
        }
        Ok(())
    }

    /// Removes an object from around its running pods, which the new one will adopt. It goes only after
    /// the API server has said that it would take the new one.
    async fn make_way(
        &self,
        kind: ChildKind,
        name: &str,
        object: &Value,
        found: &Value,
        field: &str,
    ) -> Result<(), WriteError> {
        let mut trial: DynamicObject =
            serde_json::from_value(object.clone()).expect("a child is an object");
        // A name of its own: the old one still has the right one.
        trial.metadata.name = None;
        trial.metadata.generate_name = Some(format!("{name}-"));
        let dry_run = PostParams {
            dry_run: true,
            field_manager: Some(MANAGED_BY.to_owned()),
        };
        let answer = self.api(kind).create(&dry_run, &trial).await;
        answer.map_err(|source| refused(kind, name, source))?;
        tracing::info!(kind = kind.kind(), %name, field, "making it anew around its pods: the field cannot change");
        let uid = found["metadata"]["uid"].as_str();
        self.delete(kind, name, uid, PropagationPolicy::Orphan)
            .await
    }

    async fn patch(
        &self,
        kind: ChildKind,
        name: &str,
        object: &Value,
        parameters: &PatchParams,
    ) -> Result<Value, WriteError> {
        let answer = self
            .api(kind)
            .patch(name, parameters, &Patch::Apply(object))
            .await;
        let answer = answer.map_err(|source| refused(kind, name, source))?;
        Ok(to_value(&answer))
    }

    fn api(&self, kind: ChildKind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind.api_resource())
    }

    /// Gives `replicas` of a Deployment to the hand-over manager.
    ///
    /// # Errors
    /// When this process does not lead, or the API server refuses.
    pub async fn hand_over(&self, name: &str, replicas: &Value) -> Result<(), WriteError> {
        let kind = ChildKind::Deployment;
        self.permit(kind)?;
        // The smallest Deployment that names only its replicas.
        let object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name}, "spec": {"replicas": replicas},
        });
        let parameters = PatchParams::apply(HAND_OVER).force();
        self.patch(kind, name, &object, &parameters).await?;
        Ok(())
    }

    /// Deletes one object, if it is still the one with `uid`. One that is gone is fine.
    ///
    /// # Errors
    /// When this process does not lead, or the API server refuses.
    pub async fn delete(
        &self,
        kind: ChildKind,
        name: &str,
        uid: Option<&str>,
        propagation: PropagationPolicy,
    ) -> Result<(), WriteError> {
        self.permit(kind)?;
        let parameters = DeleteParams {
            propagation_policy: Some(propagation),
            preconditions: uid.map(|uid| Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match self.api(kind).delete(name, &parameters).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(source) => Err(refused(kind, name, source)),
        }
    }
}

fn to_value(object: &DynamicObject) -> Value {
    serde_json::to_value(object).expect("an object serialises to JSON")
}

fn refused(kind: ChildKind, name: &str, source: kube::Error) -> WriteError {
    WriteError::Refused {
        kind: kind.kind(),
        name: name.to_owned(),
        source,
    }
}

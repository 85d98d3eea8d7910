//! The only place that writes children. Every write first asks whether this process still leads,
//! and is counted; `paused` platforms never get here.

use kube::api::{DeleteParams, Preconditions, PropagationPolicy};
use kube::core::DynamicObject;
use kube::{Api, Client};
use serde_json::Value;

use super::apply::{replicas_only, server_side_apply};
use super::child::ChildKind;
use super::desired::MANAGED_BY;
use crate::leader::Leadership;
use crate::metrics::Metrics;

/// Field manager that holds `replicas` between the operator and an autoscaler.
const HAND_OVER: &str = "quickbite-operator-handover";

/// Writes the children of one namespace.
pub struct Writer {
    client: Client,
    namespace: String,
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
}

impl Writer {
    /// A writer for `namespace`.
    #[must_use]
    pub fn new(
        client: Client,
        namespace: String,
        leadership: Leadership,
        metrics: Metrics,
    ) -> Self {
        Self {
            client,
            namespace,
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

    /// Applies one object and returns it as it then is.
    ///
    /// # Errors
    /// When this process does not lead, or the API server refuses.
    pub async fn apply(
        &self,
        kind: ChildKind,
        name: &str,
        object: &Value,
    ) -> Result<Value, WriteError> {
        self.permit(kind)?;
        let apply = || {
            server_side_apply(
                &self.client,
                &self.namespace,
                kind,
                name,
                MANAGED_BY,
                object,
            )
        };
        match apply().await {
            // Most of a StatefulSet cannot change. It is made anew around its running pod, which
            // the new one adopts.
            Err(kube::Error::Api(status)) if status.is_invalid() && kind == ChildKind::StatefulSet => {
                tracing::info!(%name, reason = %status.message, "making the StatefulSet anew around its pod");
                self.delete(kind, name, None, PropagationPolicy::Orphan).await?;
                apply().await
            }
            answer => answer,
        }
        .map_err(|source| refused(kind, name, source))
    }

    /// Gives `replicas` of a Deployment to the hand-over manager.
    ///
    /// # Errors
    /// When this process does not lead, or the API server refuses.
    pub async fn hand_over(&self, name: &str, replicas: &Value) -> Result<(), WriteError> {
        let kind = ChildKind::Deployment;
        self.permit(kind)?;
        let object = replicas_only(name, replicas);
        server_side_apply(
            &self.client,
            &self.namespace,
            kind,
            name,
            HAND_OVER,
            &object,
        )
        .await
        .map_err(|source| refused(kind, name, source))?;
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
        let resource = kind.api_resource();
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let parameters = DeleteParams {
            propagation_policy: Some(propagation),
            preconditions: uid.map(|uid| Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match api.delete(name, &parameters).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(source) => Err(refused(kind, name, source)),
        }
    }
}

fn refused(kind: ChildKind, name: &str, source: kube::Error) -> WriteError {
    WriteError::Refused {
        kind: kind.kind(),
        name: name.to_owned(),
        source,
    }
}

//! Watches: which platforms to look at, and when.
//!
//! All watches carry metadata only, children's are selected by our label, and no Secret is ever
//! cached. The platform itself is read anew in each reconcile: a malformed one then fails alone
//! instead of breaking the watch for all.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::core::{DynamicObject, PartialObjectMeta};
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::reflector::{ObjectRef, store};
use kube::runtime::utils::Predicate;
use kube::runtime::{WatchStreamExt, predicates, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::child::ChildKind;
use super::context::Context;
use super::desired::MANAGED_BY;
use super::validate::Capabilities;
use super::writer::WriteError;
use super::{ReconcileError, reconcile};
use crate::api::QuickBitePlatform;
use crate::metrics::Outcome;

/// Changes that come within this time are one reconcile.
const DEBOUNCE: Duration = Duration::from_millis(300);

type Meta = PartialObjectMeta<QuickBitePlatform>;

/// Reconciles the platforms of `namespace`, or of all namespaces, until `shutdown`; what is being
/// reconciled then comes to its end.
pub async fn run(
    context: Arc<Context>,
    namespace: Option<String>,
    concurrency: u16,
    shutdown: CancellationToken,
) {
    let capabilities = capabilities(&context.client).await;
    tracing::info!(?capabilities, "optional kinds that the cluster serves");
    context.learn(capabilities);
    let client = context.client.clone();
    let platforms: Api<Meta> = match &namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let (reader, writer) = store::<Meta>();
    // Our own status writes change neither; annotations carry "reconcile now".
    let relevant = predicates::generation.combine(predicates::annotations);
    let stream = watcher(platforms, watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .applied_objects()
        .predicate_filter(relevant, Default::default());
    let mut controller = Controller::for_stream(stream, reader).with_config(
        Config::default()
            .debounce(DEBOUNCE)
            .concurrency(concurrency),
    );
    let selector = format!("app.kubernetes.io/managed-by={MANAGED_BY}");
    for kind in ChildKind::ALL
        .iter()
        .filter(|kind| kind.is_served(capabilities))
    {
        let resource = kind.api_resource();
        let api: Api<PartialObjectMeta<DynamicObject>> = match &namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        let config = watcher::Config::default().labels(&selector);
        let children = watcher(api, config).default_backoff().touched_objects();
        controller = controller.owns_stream_with(children, resource);
    }
    controller
        .graceful_shutdown_on(async move { shutdown.cancelled().await })
        .run(look, retry, context)
        .for_each(|_| std::future::ready(()))
        .await;
}

async fn look(meta: Arc<Meta>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    let (name, namespace) = (meta.name_any(), meta.namespace().unwrap_or_default());
    let started = Instant::now();
    let result = look_at(&name, &namespace, &context).await;
    let outcome = match &result {
        Ok((_, outcome)) => *outcome,
        Err(ReconcileError::Write(WriteError::NotLeading)) => Outcome::NotLeading,
        Err(_) => Outcome::Error,
    };
    let seconds = started.elapsed().as_secs_f64();
    context.metrics.reconciled(outcome, seconds);
    tracing::debug!(%namespace, %name, ?outcome, seconds, "reconciled");
    result.map(|(action, _)| action)
}

async fn look_at(
    name: &str,
    namespace: &str,
    context: &Context,
) -> Result<(Action, Outcome), ReconcileError> {
    if !context.leadership.confirm().await {
        return Err(WriteError::NotLeading.into());
    }
    let api: Api<QuickBitePlatform> = Api::namespaced(context.client.clone(), namespace);
    match api.get_opt(name).await {
        Ok(Some(platform)) => Ok((reconcile(&platform, context).await?, Outcome::Ok)),
        Ok(None) => {
            context.forget(namespace, name);
            Ok((Action::await_change(), Outcome::Ok))
        }
        Err(kube::Error::SerdeError(error)) => {
            tracing::error!(%namespace, %name, %error, "this object is no platform that we can read");
            Ok((Action::await_change(), Outcome::Malformed))
        }
        Err(error) => Err(ReconcileError::Fetch(error)),
    }
}

fn retry(meta: Arc<Meta>, error: &ReconcileError, context: Arc<Context>) -> Action {
    let platform = ObjectRef::from_obj(meta.as_ref());
    let key = format!(
        "{}/{}",
        meta.namespace().unwrap_or_default(),
        meta.name_any()
    );
    let delay = context.backoff(&key);
    tracing::warn!(
        %platform,
        error = %chain(error),
        retry_in_seconds = delay.as_secs_f64(),
        "reconcile failed",
    );
    Action::requeue(delay)
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let said = source.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = source.source();
    }
    text
}

/// Which optional kinds the cluster serves. What cannot be found out counts as absent.
async fn capabilities(client: &Client) -> Capabilities {
    let serves = |kind: ChildKind| async move {
        let resource = kind.api_resource();
        match client.list_api_group_resources(&resource.api_version).await {
            Ok(list) => list
                .resources
                .iter()
                .any(|served| served.kind == resource.kind),
            Err(_) => false,
        }
    };
    let (http_route, service_monitor, prometheus_rule) = futures::join!(
        serves(ChildKind::HttpRoute),
        serves(ChildKind::ServiceMonitor),
        serves(ChildKind::PrometheusRule),
    );
    Capabilities {
        http_route,
        service_monitor,
        prometheus_rule,
    }
}

//! Claims the key, runs the handler once, remembers the answer.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use tower::{Layer, Service};

use super::key::{IdempotencyKey, Scope};
use super::store::{Begin, IdempotencyStore, StoredResponse};
use crate::extract::read_body;
use crate::identity::Caller;
use crate::problem::Problem;

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The headers of an answer that are part of it; all others belong to one delivery.
const KEPT_HEADERS: [HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];

/// Honours `Idempotency-Key` on POSTs with answers kept in `store`.
pub fn layer(store: Arc<dyn IdempotencyStore>) -> IdempotencyLayer {
    IdempotencyLayer { store }
}

/// The layer that [`layer`] makes.
#[derive(Clone)]
pub struct IdempotencyLayer {
    store: Arc<dyn IdempotencyStore>,
}

impl<S> Layer<S> for IdempotencyLayer {
    type Service = IdempotencyService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        IdempotencyService {
            inner,
            store: Arc::clone(&self.store),
        }
    }
}

/// The service that [`IdempotencyLayer`] makes.
#[derive(Clone)]
pub struct IdempotencyService<S> {
    inner: S,
    store: Arc<dyn IdempotencyStore>,
}

impl<S> Service<Request> for IdempotencyService<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The one that is ready now answers; its clone waits for the next call.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let store = Arc::clone(&self.store);
        Box::pin(async move {
            match IdempotencyKey::of(request.headers()) {
                Ok(Some(key)) if request.method() == Method::POST => {
                    let answer = once(&*store, key, request, inner).await;
                    Ok(answer.unwrap_or_else(IntoResponse::into_response))
                }
                Ok(_) => inner.call(request).await,
                Err(problem) => Ok(problem.into_response()),
            }
        })
    }
}

async fn once<S>(
    store: &dyn IdempotencyStore,
    key: IdempotencyKey,
    request: Request,
    mut inner: S,
) -> Result<Response, Problem>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    let (mut parts, body) = request.into_parts();
    let caller = parts.extensions.get::<Caller>().and_then(|caller| caller.0);
    let scope = Scope::new(caller.as_ref(), &parts.method, parts.uri.path(), key);
    let bytes = read_body(Request::new(body), &()).await?;
    let fingerprint: [u8; 32] = Sha256::digest(&bytes).into();
    match store.begin(&scope, &fingerprint).await? {
        Begin::Started => {
            parts.extensions.insert(scope.clone());
            let request = Request::from_parts(parts, Body::from(bytes));
            let Ok(response) = inner.call(request).await;
            Ok(remember(store, &scope, response).await)
        }
        Begin::Replay(stored) => Ok(replay(stored)),
        Begin::InProgress => Err(Problem::conflict(
            "idempotency_in_progress",
            "The first request with this Idempotency-Key still runs",
        )
        .retry_after(1)),
        Begin::Mismatch => Err(Problem::unprocessable(
            "idempotency_key_reused",
            "This Idempotency-Key was used with another body",
        )),
    }
}

/// The answer exists by now, so a store that fails here costs the replay and not the answer.
async fn remember(store: &dyn IdempotencyStore, scope: &Scope, response: Response) -> Response {
    if !response.status().is_success() {
        if let Err(error) = store.abandon(scope).await {
            warn(&error);
        }
        return response;
    }
    let (parts, body) = response.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return Problem::internal(error).into_response(),
    };
    let stored = StoredResponse {
        status: parts.status.as_u16(),
        headers: KEPT_HEADERS
            .iter()
            .filter_map(|name| {
                let value = parts.headers.get(name)?.to_str().ok()?;
                Some((name.as_str().to_owned(), value.to_owned()))
            })
            .collect(),
        body: body.to_vec(),
    };
    if let Err(error) = store.complete(scope, &stored).await {
        warn(&error);
    }
    Response::from_parts(parts, Body::from(body))
}

fn warn(error: &Problem) {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "an idempotent answer was not kept"
    );
}

fn replay(stored: StoredResponse) -> Response {
    let StoredResponse {
        status,
        headers,
        body,
    } = stored;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
        .headers_mut()
        .insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

//! What every service does alike, over the whole stack of layers.

mod idempotent;
mod served;
mod surface;

use axum::Router;
use axum::body::Body;
use http::Request;

use super::{Service, app};
use crate::health::Health;
use crate::testing::{Answer, ask as send};

pub(crate) const SERVICE: Service = Service {
    name: "order",
    version: "0.0.0",
    about: "Orders",
};

fn open_app(routes: Router) -> Router {
    app(SERVICE, &Health::new(), None, routes)
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path)
        .header("content-type", "application/json")
        .body(body.into())
        .unwrap()
}

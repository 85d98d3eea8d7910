//! For tests of services: the gateway in front of them, a server on a socket, a clock to move, and
//! waiting for what is about to be so.

mod ask;
mod clock;
mod gateway;
mod wait;

use std::net::SocketAddr;

use axum::Router;
use quickbite_auth::InternalVerifier;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use ask::{Answer, ask};
pub use clock::MovableClock;
pub use gateway::{TestGateway, identity};
pub use wait::{appears, eventually};

use crate::health::Health;
use crate::process::Program;
use crate::server::{ServerArgs, Service, serve_on};

/// Serves `routes` on a free port of this machine until `stop`; where it listens.
///
/// # Panics
/// When no port is free.
pub async fn serve(
    service: Service,
    health: Health,
    verifier: Option<InternalVerifier>,
    routes: Router,
    stop: CancellationToken,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let args = ServerArgs {
        http_addr: Some(address),
        metrics_addr: address,
        drain_delay_seconds: 0,
    };
    tokio::spawn(serve_on(
        listener, service, args, health, verifier, routes, stop,
    ));
    address
}

/// Compares `checked_in`, the text of the service's `openapi.json`, with the document of its program,
/// and follows the references in it.
///
/// # Panics
/// When they differ, or a reference leads nowhere.
pub fn assert_current<P: Program>(checked_in: &str) {
    let made = crate::openapi::render(&P::openapi()).expect("the document serialises");
    assert!(
        made == checked_in,
        "services/{}/openapi.json is out of date: make generate",
        P::SERVICE.name
    );
    let document: Value = serde_json::from_str(checked_in).expect("JSON");
    assert_eq!(dangling(&document, &document), Vec::<&str>::new());
}

/// The references (`$ref`) in `part` that lead nowhere in `document`.
pub fn dangling<'a>(document: &Value, part: &'a Value) -> Vec<&'a str> {
    match part {
        Value::Object(members) => {
            let reference = members.get("$ref").and_then(Value::as_str);
            let lost = reference.filter(|reference| {
                let pointer = reference.trim_start_matches('#');
                document.pointer(pointer).is_none()
            });
            let below = members.values().flat_map(|v| dangling(document, v));
            lost.into_iter().chain(below).collect()
        }
        Value::Array(items) => items.iter().flat_map(|v| dangling(document, v)).collect(),
        _ => Vec::new(),
    }
}

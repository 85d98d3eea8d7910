//! A fake API server: objects in memory, server-side apply as far as one manager goes, lists by
//! label, and a journal of every write. Pods do not exist; tests say how workloads are doing.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// One write: method, path below the namespace, such as `PATCH deployments/qb-order`.
pub(crate) type Write = String;

/// The server's state, shared with the client.
#[derive(Clone, Default)]
pub(crate) struct FakeApi(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// (resource, name) to object.
    objects: BTreeMap<(String, String), Value>,
    writes: Vec<Write>,
    events: Vec<Value>,
    next: u64,
    /// (resource, code, message) of writes that are refused.
    refused: Option<(String, u16, String)>,
    /// A resource that may not be listed.
    hidden: Option<String>,
}

impl FakeApi {
    pub(crate) fn client(&self) -> Client {
        let state = self.0.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let state = state.clone();
            async move { Ok::<_, Infallible>(answer(&state, request).await) }
        });
        Client::new(service, "food")
    }

    /// Writes to children since the last call.
    pub(crate) fn take_writes(&self) -> Vec<Write> {
        std::mem::take(&mut self.0.lock().unwrap().writes)
    }

    /// (reason, note) of the events since the last call.
    pub(crate) fn take_events(&self) -> Vec<(String, String)> {
        let events = std::mem::take(&mut self.0.lock().unwrap().events);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        events
            .iter()
            .map(|event| (text(&event["reason"]), text(&event["note"])))
            .collect()
    }

    pub(crate) fn put(&self, resource: &str, object: Value) {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        self.0
            .lock()
            .unwrap()
            .objects
            .insert((resource.to_owned(), name), object);
    }

    pub(crate) fn get(&self, resource: &str, name: &str) -> Option<Value> {
        let state = self.0.lock().unwrap();
        state
            .objects
            .get(&(resource.to_owned(), name.to_owned()))
            .cloned()
    }

    pub(crate) fn names(&self, resource: &str) -> Vec<String> {
        let state = self.0.lock().unwrap();
        state
            .objects
            .keys()
            .filter(|key| key.0 == resource)
            .map(|key| key.1.clone())
            .collect()
    }

    pub(crate) fn remove(&self, resource: &str, name: &str) {
        self.0
            .lock()
            .unwrap()
            .objects
            .remove(&(resource.to_owned(), name.to_owned()));
    }

    pub(crate) fn edit(&self, resource: &str, name: &str, edit: impl FnOnce(&mut Value)) {
        let mut state = self.0.lock().unwrap();
        edit(
            state
                .objects
                .get_mut(&(resource.to_owned(), name.to_owned()))
                .expect(name),
        );
    }

    /// Refuses every apply and create of `resource` with this answer, until `accept_writes`.
    pub(crate) fn refuse_writes(&self, resource: &str, code: u16, message: &str) {
        let refused = (resource.to_owned(), code, message.to_owned());
        self.0.lock().unwrap().refused = Some(refused);
    }

    /// Lets nobody list `resource`.
    pub(crate) fn hide(&self, resource: &str) {
        self.0.lock().unwrap().hidden = Some(resource.to_owned());
    }

    pub(crate) fn accept_writes(&self) {
        self.0.lock().unwrap().refused = None;
    }

    /// All workloads of `resource` become as wanted, as controllers would make them.
    pub(crate) fn settle(&self, resource: &str) {
        for object in self
            .0
            .lock()
            .unwrap()
            .objects
            .iter_mut()
            .filter(|(key, _)| key.0 == resource)
        {
            settle(object.1);
        }
    }
}

fn settle(object: &mut Value) {
    let generation = object["metadata"]["generation"].clone();
    if object["kind"] == "Job" {
        let complete = json!([{"type": "Complete", "status": "True"}]);
        object["status"] = json!({"succeeded": 1, "conditions": complete});
        return;
    }
    let replicas = object["spec"]["replicas"].as_i64().unwrap_or(1);
    object["status"] = json!({
        "observedGeneration": generation, "replicas": replicas, "updatedReplicas": replicas,
        "readyReplicas": replicas, "availableReplicas": replicas,
        "currentRevision": "r", "updateRevision": "r",
    });
}

async fn answer(state: &Mutex<State>, request: Request<Body>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let path = head.uri.path().to_owned();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let mut state = state.lock().unwrap();
    let (status, answer) = state.handle(&head.method, &path, &query, body);
    let text = Bytes::from(answer.to_string());
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Full::new(text))
        .expect("a response")
}

impl State {
    fn handle(
        &mut self,
        method: &Method,
        path: &str,
        query: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        let (_, rest) = path.split_once("/namespaces/food/").unwrap_or(("", path));
        let mut parts = rest.split('/');
        let (resource, name, sub) = (
            parts.next().unwrap_or(""),
            parts.next(),
            parts.next().unwrap_or(""),
        );
        if resource == "events" && method != Method::GET {
            self.events.push(body.clone());
            return (StatusCode::CREATED, body);
        }
        match (method, name) {
            (&Method::POST, None) => {
                assert!(query.contains("dryRun=All"), "children are made by apply");
                self.writes.push(format!("TRY {resource}"));
                self.refusal(resource)
                    .unwrap_or((StatusCode::CREATED, body))
            }
            (&Method::GET, None) if self.hidden.as_deref() == Some(resource) => {
                let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {},
                    "status": "Failure", "message": "no", "reason": "Forbidden", "code": 403});
                (StatusCode::FORBIDDEN, status)
            }
            (&Method::GET, None) => (StatusCode::OK, self.list(resource, query)),
            (&Method::GET, Some(name)) => match self.objects.get(&key(resource, name)) {
                Some(object) => (StatusCode::OK, object.clone()),
                None => not_found(name),
            },
            (&Method::PATCH, Some(name)) if body.is_array() => {
                self.writes.push(format!("STRIP {resource}/{name}"));
                let object = self
                    .objects
                    .get_mut(&key(resource, name))
                    .expect("it was read");
                strip(object, &body);
                (StatusCode::OK, object.clone())
            }
            (&Method::PATCH, Some(name)) => self.apply(resource, name, sub, query, body),
            (&Method::DELETE, Some(name)) => {
                self.writes.push(format!("DELETE {resource}/{name}"));
                match self.objects.remove(&key(resource, name)) {
                    Some(object) => (StatusCode::OK, object),
                    None => not_found(name),
                }
            }
            other => panic!("the fake API server does not know {other:?} {path}"),
        }
    }

    fn list(&self, resource: &str, query: &str) -> Value {
        // Every label selector in use selects by instance; ours is the only one here.
        let selected = query.contains("labelSelector");
        let items: Vec<Value> = self
            .objects
            .iter()
            .filter(|((of, _), _)| of == resource)
            .map(|(_, object)| object)
            .filter(|object| {
                let labels = &object["metadata"]["labels"];
                !selected || labels["app.kubernetes.io/managed-by"] == "quickbite-operator"
            })
            .map(|object| {
                // A list says these once, not in its items.
                let mut item = object.clone();
                item.as_object_mut()
                    .unwrap()
                    .retain(|key, _| key != "kind" && key != "apiVersion");
                item
            })
            .collect();
        json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": items})
    }

    fn refusal(&self, resource: &str) -> Option<(StatusCode, Value)> {
        let (of, code, message) = self.refused.as_ref()?;
        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": "Invalid", "code": code});
        (of == resource).then(|| (StatusCode::from_u16(*code).expect("a status code"), status))
    }

    fn apply(
        &mut self,
        resource: &str,
        name: &str,
        sub: &str,
        query: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        assert!(query.contains("fieldManager=quickbite-operator"), "{query}");
        let path = if sub.is_empty() {
            resource.to_owned()
        } else {
            format!("{resource}/{sub}")
        };
        self.writes.push(format!("PATCH {path}/{name}"));
        if let Some(refusal) = self.refusal(resource) {
            return refusal;
        }
        self.next += 1;
        let version = self.next;
        let object = self.objects.entry(key(resource, name)).or_insert_with(
            || json!({"metadata": {"uid": format!("uid-{version}"), "generation": 0}}),
        );
        let spec = object["spec"].clone();
        if sub == "status" {
            object["status"] = body["status"].clone();
        } else {
            merge(object, &body);
        }
        if object["spec"] != spec {
            let generation = object["metadata"]["generation"].as_i64().unwrap_or(0);
            object["metadata"]["generation"] = json!(generation + 1);
        }
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        (StatusCode::OK, object.clone())
    }
}

/// The removals of a JSON patch.
fn strip(object: &mut Value, patch: &Value) {
    let removals = patch.as_array().into_iter().flatten();
    for step in removals.filter(|step| step["op"] == "remove") {
        let path = step["path"].as_str().expect("a path");
        let (parent, last) = path.rsplit_once('/').expect("a pointer");
        match object.pointer_mut(parent).expect("it is there") {
            Value::Object(map) => drop(map.remove(&last.replace("~1", "/"))),
            Value::Array(list) => drop(list.remove(last.parse().expect("an index"))),
            other => panic!("nothing can be removed from {other}"),
        }
    }
}

/// What one manager's apply amounts to: its fields replace those that are there.
fn merge(object: &mut Value, applied: &Value) {
    match (object, applied) {
        (Value::Object(object), Value::Object(applied)) => {
            for (key, value) in applied {
                merge(object.entry(key).or_insert(Value::Null), value);
            }
        }
        (object, applied) => *object = applied.clone(),
    }
}

fn key(resource: &str, name: &str) -> (String, String) {
    (resource.to_owned(), name.to_owned())
}

fn not_found(name: &str) -> (StatusCode, Value) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("{name} not found"), "reason": "NotFound", "code": 404});
    (StatusCode::NOT_FOUND, status)
}

use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::support::{Backend, Reply, before, empty};

const MEBIBYTE: usize = 1024 * 1024;

fn reading(backend: &Backend) {
    backend.behaves(|request| async {
        match request.into_body().collect().await {
            Ok(body) => {
                let mut response = empty(200);
                let length = body.to_bytes().len().to_string();
                response
                    .headers_mut()
                    .insert("x-length", length.parse().unwrap());
                response
            }
            Err(_) => empty(400),
        }
    });
}

#[tokio::test]
async fn a_body_of_a_mebibyte_passes_and_one_byte_more_is_413() {
    let backend = Backend::start().await;
    reading(&backend);
    let world = before(&backend).start().await;
    let post = |length: usize| {
        let request = world.http.post(world.url("/api/orders"));
        Reply::of(request.body(vec![b'x'; length]))
    };
    let passed = post(MEBIBYTE).await;
    assert_eq!((passed.status, passed.header("x-length")), (200, "1048576"));
    assert_eq!(post(MEBIBYTE + 1).await.status, 413);
}

#[tokio::test]
async fn a_body_that_does_not_say_its_length_is_413_too() {
    let backend = Backend::start().await;
    reading(&backend);
    let world = before(&backend).start().await;
    let chunks = (0..40).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; MEBIBYTE / 32])));
    let body = reqwest::Body::wrap_stream(futures::stream::iter(chunks));
    let request = world.http.post(world.url("/api/orders")).body(body);
    Reply::of(request).await.is_problem(413, "body_too_large");
    for _ in 0..6 {
        assert_eq!(world.post("/api/orders").await.status, 200);
    }
}

#[tokio::test]
async fn a_request_body_streams_to_the_service() {
    let backend = Backend::start().await;
    let (arrived, mut arrivals) = mpsc::channel(1);
    backend.behaves(move |request| {
        let arrived = arrived.clone();
        async move {
            let mut body = request.into_body();
            while let Some(Ok(frame)) = body.frame().await {
                arrived.send(frame.into_data().unwrap()).await.unwrap();
            }
            empty(200)
        }
    });
    let world = before(&backend).start().await;
    let (send, chunks) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let body = reqwest::Body::wrap_stream(ReceiverStream::new(chunks));
    let request = world.http.post(world.url("/api/orders")).body(body);
    let reply = tokio::spawn(Reply::of(request));
    send.send(Ok(Bytes::from_static(b"first"))).await.unwrap();
    assert_eq!(arrivals.recv().await.unwrap(), "first");
    send.send(Ok(Bytes::from_static(b"second"))).await.unwrap();
    assert_eq!(arrivals.recv().await.unwrap(), "second");
    drop(send);
    assert_eq!(reply.await.unwrap().status, 200);
}

#[tokio::test]
async fn path_and_query_arrive_as_they_were_sent() {
    let backend = Backend::start().await;
    let world = before(&backend).start().await;
    let path = "/api/restaurants/search?q=caf%C3%A9%20%26%20bar&limit=5";
    assert_eq!(world.get(path).await.json(), json!({ "ok": true }));
    assert_eq!(backend.last().0.to_string(), path);
}

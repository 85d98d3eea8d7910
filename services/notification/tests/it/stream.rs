//! The inbox as server-sent events.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use quickbite_auth::Identity;
use serde_json::{Value, json};

use crate::stage::{Cast, Stage};

struct Events {
    bytes: BoxStream<'static, Vec<u8>>,
    text: String,
}

impl Events {
    async fn open(stage: &Stage, who: &Identity, last: Option<&str>) -> Self {
        let request = reqwest::Client::new()
            .get(format!("{}/api/notifications/stream", stage.base))
            .header("authorization", stage.authorization(who));
        let request = match last {
            Some(last) => request.header("last-event-id", last),
            None => request,
        };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let bytes = answer
            .bytes_stream()
            .map(|chunk| chunk.map(|chunk| chunk.to_vec()).unwrap_or_default());
        Self {
            bytes: bytes.boxed(),
            text: String::new(),
        }
    }

    /// The next event's id and data; `None` when the stream ends.
    async fn next(&mut self) -> Option<(String, Value)> {
        let event = async {
            loop {
                if let Some((event, rest)) = self.text.split_once("\n\n") {
                    let event = event.to_owned();
                    self.text = rest.to_owned();
                    let field = |name: &str| {
                        event
                            .lines()
                            .find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
                    };
                    if let Some((id, data)) = field("id:").zip(field("data:")) {
                        return Some((id, serde_json::from_str(&data).unwrap()));
                    }
                    continue;
                }
                let chunk = self.bytes.next().await.filter(|chunk| !chunk.is_empty())?;
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        tokio::time::timeout(Duration::from_secs(5), event)
            .await
            .expect("an event came in time")
    }
}

#[tokio::test]
async fn what_one_replica_delivers_is_pushed_by_another_and_a_gap_is_filled() {
    let (stage, cast) = (Stage::new().await, Cast::new());
    let other = stage.replica().await;
    stage.tell(&cast.created()).await;
    stage.deliver().await;
    let mut events = Events::open(&other, &cast.customer, None).await;
    stage.tell(&cast.confirmed()).await;
    stage.deliver().await;
    let (id, data) = events.next().await.unwrap();
    assert_eq!(
        (id.as_str(), &data["kind"]),
        ("2", &json!("order.confirmed"))
    );
    stage.tell(&cast.delivered()).await;
    stage.deliver().await;
    assert_eq!(events.next().await.unwrap().0, "3");
    drop(events);
    let mut resumed = Events::open(&stage, &cast.customer, Some("1")).await;
    assert_eq!(resumed.next().await.unwrap().0, "2");
    assert_eq!(resumed.next().await.unwrap().0, "3");
}

#[tokio::test]
async fn the_drain_ends_streams() {
    let (stage, cast) = (Stage::new().await, Cast::new());
    let mut events = Events::open(&stage, &cast.customer, None).await;
    stage.stop.cancel();
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_made_up_last_event_id_is_refused() {
    let (stage, cast) = (Stage::new().await, Cast::new());
    for last in ["x", "-1", "1.5"] {
        let answer = reqwest::Client::new()
            .get(format!("{}/api/notifications/stream", stage.base))
            .header("authorization", stage.authorization(&cast.customer))
            .header("last-event-id", last)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 400, "{last}");
    }
}

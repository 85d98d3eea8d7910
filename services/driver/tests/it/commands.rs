//! Commands of the saga: one effect, the same answer.

use quickbite_events::{Outcome, Outgoing};
use serde_json::json;
use uuid::Uuid;

use crate::stage::{Stage, cancel_command, create_command};

#[tokio::test]
async fn a_doubled_message_is_answered_once_and_a_repeated_command_alike() {
    let stage = Stage::new().await;
    let (order_id, command) = stage.create().await;
    stage.handle(&command).await;
    let first = stage.replies().await;
    assert_eq!(first.len(), 1);
    let mut again = create_command(order_id);
    again.data = command.data.clone();
    stage.handle(&again).await;
    let replies = stage.replies().await;
    assert_eq!(replies.len(), 2);
    assert_eq!(replies[1].command_id, again.id);
    assert_eq!(
        (replies[1].outcome, &replies[1].data),
        (Outcome::Ok, &first[0].data)
    );
    assert_eq!(stage.facts(order_id).await, ["delivery.created"]);
}

#[tokio::test]
async fn a_command_that_comes_ten_times_at_once_makes_one_delivery() {
    let stage = Stage::new().await;
    let order_id = Uuid::now_v7();
    let commands: Vec<_> = (0..10).map(|_| create_command(order_id)).collect();
    futures::future::join_all(commands.iter().map(|command| stage.handle(command))).await;
    let replies = stage.replies().await;
    assert_eq!(replies.len(), 10);
    assert!(replies.iter().all(|reply| reply.data == replies[0].data));
    assert_eq!(stage.facts(order_id).await, ["delivery.created"]);
}

#[tokio::test]
async fn a_cancel_that_overtakes_its_create_refuses_it() {
    let stage = Stage::new().await;
    let order_id = Uuid::now_v7();
    stage.handle(&cancel_command(order_id)).await;
    stage.handle(&create_command(order_id)).await;
    let replies = stage.replies().await;
    assert_eq!(replies[0].outcome, Outcome::Ok);
    assert_eq!(
        (replies[1].outcome, replies[1].code.as_deref()),
        (Outcome::Rejected, Some("cancelled"))
    );
    assert!(stage.facts(order_id).await.is_empty());
}

#[tokio::test]
async fn a_cancelled_delivery_frees_its_driver_for_the_next() {
    let stage = Stage::new().await;
    let driver = stage.driver(100.0).await;
    let (order_id, _) = stage.create().await;
    let id = stage.accept(&driver).await;
    let (next, _) = stage.create().await;
    stage.handle(&cancel_command(order_id)).await;
    assert_eq!(stage.offer(&driver).await["orderId"], json!(next));
    let (code, body) = stage
        .push(&format!("/api/deliveries/{id}/picked-up"), &driver)
        .await;
    assert_eq!(
        (code, &body["code"]),
        (409, &json!("wrong_state")),
        "{body}"
    );
}

#[tokio::test]
async fn food_on_its_way_is_not_called_off() {
    let stage = Stage::new().await;
    let driver = stage.driver(100.0).await;
    let (order_id, _) = stage.create().await;
    let id = stage.accept(&driver).await;
    stage
        .push(&format!("/api/deliveries/{id}/picked-up"), &driver)
        .await;
    stage.handle(&cancel_command(order_id)).await;
    let reply = stage.replies().await.pop().unwrap();
    assert_eq!(
        (reply.outcome, reply.code.as_deref()),
        (Outcome::Rejected, Some("already_picked_up"))
    );
    assert!(
        !stage
            .facts(order_id)
            .await
            .contains(&"delivery.cancelled".to_owned())
    );
}

#[tokio::test]
async fn facts_of_one_delivery_are_numbered_without_a_gap() {
    let stage = Stage::new().await;
    let driver = stage.driver(100.0).await;
    let (order_id, _) = stage.create().await;
    let id = stage.accept(&driver).await;
    stage
        .post(
            &format!("/api/deliveries/{id}/failed"),
            &driver,
            json!({"reason": "flat tyre"}),
        )
        .await;
    let messages: Vec<sqlx::types::Json<Outgoing>> =
        sqlx::query_scalar("SELECT message FROM outbox ORDER BY position")
            .fetch_all(&stage.pool)
            .await
            .unwrap();
    let numbers: Vec<i64> = messages
        .iter()
        .filter(|message| message.routing_key.starts_with("delivery."))
        .filter(|message| message.envelope.data["orderId"] == json!(order_id))
        .filter_map(|message| message.envelope.sequence)
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
}

//! Tickets: each command one effect, each repetition the same answer.

use axum::http::Method;
use futures::future::join_all;
use quickbite_events::command::restaurant::{
    CancelTicket, ConfirmTicket, ReserveTicket, TicketItem, TicketReserved,
};
use quickbite_events::{Envelope, Handler as _, Outcome, Outgoing, Reply};
use quickbite_restaurant::domain::ticket::State;
use quickbite_restaurant::events::Commands;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::Stage;

fn reserve(order_id: Uuid, restaurant_id: Uuid, item_id: Uuid) -> Envelope {
    let items = vec![TicketItem {
        item_id,
        quantity: 2,
        notes: None,
    }];
    let customer_id = Uuid::now_v7();
    let asked = ReserveTicket {
        order_id,
        restaurant_id,
        customer_id,
        items,
    };
    Outgoing::command(order_id, &asked).envelope
}

fn confirm(order_id: Uuid, restaurant_id: Uuid) -> Envelope {
    Outgoing::command(
        order_id,
        &ConfirmTicket {
            order_id,
            restaurant_id,
            reason: None,
        },
    )
    .envelope
}

fn cancel(order_id: Uuid, restaurant_id: Uuid) -> Envelope {
    Outgoing::command(
        order_id,
        &CancelTicket {
            order_id,
            restaurant_id,
            reason: None,
        },
    )
    .envelope
}

async fn give(stage: &Stage, command: &Envelope) {
    Commands::new(stage.tickets.clone())
        .handle(command.clone())
        .await
        .expect("handled");
}

/// The replies to this command; more than one would be an effect too many.
async fn replies(stage: &Stage, command: &Envelope) -> Vec<Reply> {
    let told = stage.told().await;
    let replies = told
        .iter()
        .filter(|message| message.routing_key == "reply.order");
    let replies = replies.map(|message| message.envelope.parse::<Reply>().expect("a reply"));
    replies
        .filter(|reply| reply.command_id == command.id)
        .collect()
}

async fn answer(stage: &Stage, command: &Envelope) -> Reply {
    give(stage, command).await;
    let mut replies = replies(stage, command).await;
    assert_eq!(replies.len(), 1);
    replies.remove(0)
}

#[tokio::test]
async fn a_reservation_answers_with_names_and_prices_and_is_confirmed() {
    let stage = Stage::new().await;
    let (restaurant, _, item) = stage.open_restaurant().await;
    let order = Uuid::now_v7();
    let reply = answer(&stage, &reserve(order, restaurant, item)).await;
    assert_eq!((reply.outcome, reply.order_id), (Outcome::Ok, order));
    let data: TicketReserved = serde_json::from_value(reply.data.expect("data")).expect("a ticket");
    assert_eq!(
        (data.restaurant_name.as_str(), data.owner_id),
        ("Luigi's", stage.owner.user_id)
    );
    assert_eq!(data.currency, "EUR");
    let line = &data.items[0];
    assert_eq!(
        (line.name.as_str(), line.unit_price.to_string().as_str()),
        ("Margherita", "12.99")
    );
    assert_eq!(
        answer(&stage, &confirm(order, restaurant)).await.outcome,
        Outcome::Ok
    );
    let ticket = stage.tickets.find(order).await.expect("answers");
    assert!(matches!(ticket, Some(State::Confirmed(_))));
}

#[tokio::test]
async fn a_message_that_comes_eight_times_at_once_is_answered_once() {
    let stage = Stage::new().await;
    let (restaurant, _, item) = stage.open_restaurant().await;
    let command = reserve(Uuid::now_v7(), restaurant, item);
    join_all((0..8).map(|_| give(&stage, &command))).await;
    assert_eq!(replies(&stage, &command).await.len(), 1);
}

#[tokio::test]
async fn a_repeated_reservation_answers_as_the_first_though_price_and_opening_changed() {
    let stage = Stage::new().await;
    let (restaurant, path, item) = stage.open_restaurant().await;
    let order = Uuid::now_v7();
    let first = answer(&stage, &reserve(order, restaurant, item)).await;
    let price = json!({ "price": "99.00" });
    stage
        .send(Method::PATCH, &format!("{path}/menu/{item}"), price)
        .await;
    stage
        .send(Method::POST, &format!("{path}/close"), Value::Null)
        .await;
    let again = answer(&stage, &reserve(order, restaurant, item)).await;
    assert_eq!((again.outcome, again.data), (first.outcome, first.data));
}

#[tokio::test]
async fn what_cannot_be_had_is_refused_with_its_code() {
    let stage = Stage::new().await;
    let (restaurant, path, item) = stage.open_restaurant().await;
    let code = async |restaurant, item| {
        answer(&stage, &reserve(Uuid::now_v7(), restaurant, item))
            .await
            .code
            .expect("refused")
    };
    assert_eq!(code(Uuid::now_v7(), item).await, "restaurant_not_found");
    assert_eq!(code(restaurant, Uuid::now_v7()).await, "item_unavailable");
    let gone = json!({ "available": false });
    stage
        .send(Method::PATCH, &format!("{path}/menu/{item}"), gone)
        .await;
    assert_eq!(code(restaurant, item).await, "item_unavailable");
    stage
        .send(Method::POST, &format!("{path}/close"), Value::Null)
        .await;
    assert_eq!(code(restaurant, item).await, "restaurant_closed");
    let unknown = answer(&stage, &confirm(Uuid::now_v7(), restaurant)).await;
    assert_eq!(unknown.code.as_deref(), Some("ticket_not_found"));
}

#[tokio::test]
async fn a_cancellation_that_overtakes_its_reservation_stops_it() {
    let stage = Stage::new().await;
    let (restaurant, _, item) = stage.open_restaurant().await;
    let order = Uuid::now_v7();
    assert_eq!(
        answer(&stage, &cancel(order, restaurant)).await.outcome,
        Outcome::Ok
    );
    let late = answer(&stage, &reserve(order, restaurant, item)).await;
    assert_eq!(late.code.as_deref(), Some("ticket_cancelled"));
    assert_eq!(
        answer(&stage, &cancel(order, restaurant)).await.outcome,
        Outcome::Ok
    );
}

#[tokio::test]
async fn a_command_that_is_none_of_ours_is_poison() {
    let stage = Stage::new().await;
    let mut command = confirm(Uuid::now_v7(), Uuid::now_v7());
    command.data = json!({ "orderId": 7 });
    let commands = Commands::new(stage.tickets.clone());
    let refused = commands.handle(command).await;
    assert!(matches!(
        refused,
        Err(quickbite_events::HandlerError::Poison(_))
    ));
}

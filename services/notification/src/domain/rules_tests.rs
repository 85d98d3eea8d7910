//! Who hears of what.

use jiff::Timestamp;

use super::*;

const CUSTOMER: Uuid = Uuid::from_u128(1);
const OWNER: Uuid = Uuid::from_u128(2);
const DRIVER: Uuid = Uuid::from_u128(3);

fn order(driver_id: Option<Uuid>) -> OrderSnapshot {
    OrderSnapshot {
        order_id: Uuid::from_u128(10),
        customer_id: CUSTOMER,
        restaurant_id: Uuid::from_u128(11),
        restaurant_owner_id: OWNER,
        driver_id,
        status: "pending".into(),
        total: "12.99".parse().unwrap(),
        currency: "EUR".into(),
        reason: Some("out of dough".into()),
        at: Timestamp::UNIX_EPOCH,
    }
}

fn delivery(driver_id: Option<Uuid>) -> DeliverySnapshot {
    DeliverySnapshot {
        delivery_id: Uuid::from_u128(12),
        order_id: Uuid::from_u128(10),
        restaurant_id: Uuid::from_u128(11),
        customer_id: CUSTOMER,
        driver_id,
        reason: None,
        at: Timestamp::UNIX_EPOCH,
    }
}

fn payment() -> PaymentSnapshot {
    PaymentSnapshot {
        payment_id: Uuid::from_u128(13),
        order_id: Uuid::from_u128(10),
        customer_id: CUSTOMER,
        amount: "12.99".parse().unwrap(),
        currency: "EUR".into(),
        reason: None,
    }
}

fn told(fact: &Fact) -> Vec<Uuid> {
    rules(fact, Some("Pizza Uno"))
        .into_iter()
        .map(|draft| draft.user_id)
        .collect()
}

#[test]
fn a_placed_order_is_told_to_customer_and_owner_with_the_restaurants_name() {
    let fact = Fact::Order("order.created", order(None));
    assert_eq!(told(&fact), [CUSTOMER, OWNER]);
    let drafts = rules(&fact, Some("Pizza Uno"));
    assert_eq!(
        drafts[0].body,
        "We sent your order of 12.99 EUR to Pizza Uno."
    );
    assert_eq!(drafts[0].data["total"], "12.99");
}

#[test]
fn a_cancelled_order_is_told_to_its_driver_only_if_it_has_one() {
    assert_eq!(
        told(&Fact::Order("order.cancelled", order(None))),
        [CUSTOMER, OWNER]
    );
    assert_eq!(
        told(&Fact::Order("order.cancelled", order(Some(DRIVER)))),
        [CUSTOMER, OWNER, DRIVER]
    );
}

#[test]
fn every_step_of_an_order_is_told_to_its_customer() {
    for kind in [
        "order.created",
        "order.accepted",
        "order.confirmed",
        "order.preparing",
        "order.ready",
        "order.picked_up",
        "order.delivered",
        "order.rejected",
        "order.cancelled",
    ] {
        assert!(
            told(&Fact::Order(kind, order(None))).contains(&CUSTOMER),
            "{kind}"
        );
    }
}

#[test]
fn an_offer_is_told_to_the_driver_asked_and_nobody_else() {
    assert_eq!(
        told(&Fact::Delivery("delivery.offered", delivery(Some(DRIVER)))),
        [DRIVER]
    );
    assert_eq!(
        told(&Fact::Delivery("delivery.assigned", delivery(Some(DRIVER)))),
        [CUSTOMER]
    );
}

#[test]
fn what_order_facts_tell_already_is_not_told_twice() {
    for kind in [
        "delivery.created",
        "delivery.expired",
        "delivery.declined",
        "delivery.picked_up",
        "delivery.delivered",
    ] {
        assert!(
            told(&Fact::Delivery(kind, delivery(Some(DRIVER)))).is_empty(),
            "{kind}"
        );
    }
}

#[test]
fn money_that_moved_or_did_not_is_told_holds_are_not() {
    for kind in ["payment.captured", "payment.refunded", "payment.declined"] {
        assert_eq!(told(&Fact::Payment(kind, payment())), [CUSTOMER], "{kind}");
    }
    assert!(told(&Fact::Payment("payment.authorized", payment())).is_empty());
}

#[test]
fn a_rejection_says_why() {
    let drafts = rules(&Fact::Order("order.rejected", order(None)), None);
    assert!(drafts[0].body.ends_with("Reason: out of dough."));
}

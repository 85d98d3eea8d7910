//! The state machine's rules one by one, then all of them under random walks.

use jiff::ToSpan;
use proptest::prelude::*;

use super::*;

const ANNA: Uuid = Uuid::from_u128(1);
const BEN: Uuid = Uuid::from_u128(2);

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + seconds.seconds()
}

fn place() -> Place {
    Place {
        label: None,
        street: "Main 1".into(),
        city: "Berlin".into(),
        postal_code: "10115".into(),
        location: GeoPoint::parse(52.5, 13.4).unwrap(),
    }
}

fn searching() -> Delivery {
    let new = NewDelivery {
        order_id: Uuid::from_u128(10),
        restaurant_id: Uuid::from_u128(11),
        customer_id: Uuid::from_u128(12),
        pickup: place(),
        dropoff: place(),
    };
    Delivery::create(Uuid::from_u128(13), new, at(0)).0
}

fn to(driver_id: Uuid) -> Offer {
    Offer {
        driver_id,
        distance_m: 10,
        expires_at: at(30),
    }
}

fn offered() -> Delivery {
    let mut delivery = searching();
    delivery.offer(to(ANNA), at(0)).unwrap();
    delivery
}

fn assigned() -> Delivery {
    let mut delivery = offered();
    delivery.accept(ANNA, at(1)).unwrap();
    delivery
}

#[test]
fn only_the_driver_asked_can_accept() {
    assert_eq!(offered().accept(BEN, at(1)), Err(Refused::NotYours));
    assert_eq!(
        offered().accept(ANNA, at(1)).unwrap().happened,
        Happened::Assigned
    );
}

#[test]
fn an_offer_ends_at_its_expiry_not_after_it() {
    assert_eq!(offered().accept(ANNA, at(30)), Err(Refused::OfferExpired));
    assert_eq!(offered().expire(at(29)), None);
    assert_eq!(
        offered().expire(at(30)).unwrap().happened,
        Happened::Expired
    );
}

#[test]
fn accepting_twice_is_a_conflict() {
    assert_eq!(
        assigned().accept(ANNA, at(2)),
        Err(Refused::WrongState(Status::Assigned))
    );
}

#[test]
fn a_declined_delivery_searches_again() {
    let mut delivery = offered();
    assert_eq!(delivery.decline(ANNA, at(1)).unwrap().driver_id, Some(ANNA));
    assert_eq!(delivery.state, State::Searching);
    delivery.offer(to(BEN), at(2)).unwrap();
    assert_eq!(delivery.accept(ANNA, at(2)), Err(Refused::NotYours));
}

#[test]
fn food_is_picked_up_before_it_is_delivered() {
    let mut delivery = assigned();
    assert_eq!(
        delivery.deliver(ANNA, None, at(2)),
        Err(Refused::WrongState(Status::Assigned))
    );
    delivery.pick_up(ANNA, at(2)).unwrap();
    assert_eq!(
        delivery.pick_up(ANNA, at(3)),
        Err(Refused::WrongState(Status::PickedUp))
    );
    delivery.deliver(ANNA, Some("door".into()), at(3)).unwrap();
    assert_eq!(delivery.status(), Status::Delivered);
}

#[test]
fn nothing_is_called_off_once_it_is_picked_up() {
    let mut delivery = assigned();
    delivery.pick_up(ANNA, at(2)).unwrap();
    assert_eq!(
        delivery.cancel(None, at(3)),
        Err(Refused::WrongState(Status::PickedUp))
    );
}

#[test]
fn calling_off_twice_is_one_fact() {
    let mut delivery = assigned();
    assert_eq!(
        delivery
            .cancel(Some("late".into()), at(2))
            .unwrap()
            .unwrap()
            .driver_id,
        Some(ANNA)
    );
    assert_eq!(delivery.cancel(None, at(3)), Ok(None));
}

#[derive(Clone, Debug)]
enum Step {
    Offer(Uuid),
    Accept(Uuid),
    Decline(Uuid),
    PickUp(Uuid),
    Deliver(Uuid),
    Fail(Uuid),
    Cancel,
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    let who = prop_oneof![Just(ANNA), Just(BEN)];
    prop_oneof![
        3 => who.clone().prop_map(Step::Offer),
        3 => who.clone().prop_map(Step::Accept),
        1 => who.clone().prop_map(Step::Decline),
        2 => who.clone().prop_map(Step::PickUp),
        2 => who.clone().prop_map(Step::Deliver),
        1 => who.prop_map(Step::Fail),
        1 => Just(Step::Cancel),
        1 => Just(Step::Expire),
    ]
}

fn apply(delivery: &mut Delivery, step: Step, now: Timestamp) -> Option<Fact> {
    match step {
        Step::Offer(who) => delivery
            .offer(
                Offer {
                    driver_id: who,
                    distance_m: 1,
                    expires_at: now + 3.seconds(),
                },
                now,
            )
            .ok(),
        Step::Accept(who) => delivery.accept(who, now).ok(),
        Step::Decline(who) => delivery.decline(who, now).ok(),
        Step::PickUp(who) => delivery.pick_up(who, now).ok(),
        Step::Deliver(who) => delivery.deliver(who, None, now).ok(),
        Step::Fail(who) => delivery.fail(who, "flat tyre".into(), now).ok(),
        Step::Cancel => delivery.cancel(None, now).ok().flatten(),
        Step::Expire => delivery.expire(now),
    }
}

proptest! {
    #[test]
    fn every_change_is_one_fact_one_version_and_ends_stay_ended(
        steps in prop::collection::vec((step(), 0..3_i64), 0..40),
    ) {
        let mut delivery = searching();
        let (mut now, mut winner) = (0, None);
        for (step, pause) in steps {
            now += pause;
            let before = delivery.clone();
            let fact = apply(&mut delivery, step, at(now));
            match &fact {
                None => prop_assert_eq!(&delivery, &before),
                Some(_) => prop_assert_eq!(delivery.version, before.version + 1),
            }
            let ended = matches!(before.status(), Status::Delivered | Status::Failed | Status::Cancelled);
            prop_assert!(!ended || fact.is_none());
            if let Some(Fact { happened: Happened::Assigned, driver_id, .. }) = fact {
                prop_assert!(winner.is_none(), "two drivers won");
                winner = driver_id;
            }
            if matches!(delivery.status(), Status::PickedUp | Status::Delivered) {
                prop_assert_eq!(delivery.driver_id(), winner);
            }
        }
    }
}

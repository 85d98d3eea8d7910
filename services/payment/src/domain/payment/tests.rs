//! The rules of the state machine, and what holds for every sequence of commands and answers.

use proptest::prelude::*;

use super::*;

fn payment() -> Payment {
    Payment {
        id: Uuid::from_u128(1),
        order_id: Uuid::from_u128(2),
        customer_id: Uuid::from_u128(3),
        amount: Decimal::new(2598, 2),
        currency: "EUR".to_owned(),
        token: "tok_ok".to_owned(),
        status: Status::Pending,
        reference: None,
        captured: Decimal::ZERO,
        refunded: Decimal::ZERO,
        version: 0,
        created_at: Timestamp::UNIX_EPOCH,
    }
}

fn done() -> Outcome {
    Outcome::Done {
        reference: "ref".to_owned(),
    }
}

fn run(payment: &mut Payment, operation: Operation, outcome: Outcome) -> Result<(), Refusal> {
    match payment.plan(operation, None) {
        Plan::Answer(answer) => answer,
        Plan::Call(call, amount) => {
            payment
                .apply(call, amount, outcome, Timestamp::UNIX_EPOCH)
                .answer
        }
    }
}

fn authorized() -> Payment {
    let mut payment = payment();
    run(&mut payment, Operation::Authorize, done()).expect("authorised");
    payment
}

fn captured() -> Payment {
    let mut payment = authorized();
    run(&mut payment, Operation::Capture, done()).expect("captured");
    payment
}

#[test]
fn a_capture_takes_what_was_held() {
    let payment = captured();
    assert_eq!(
        (payment.status, payment.captured),
        (Status::Captured, payment.amount)
    );
    assert_eq!(payment.version, 2);
}

#[test]
fn a_capture_of_more_than_is_held_is_refused() {
    let plan = authorized().plan(Operation::Capture, Some(Decimal::new(2599, 2)));
    assert!(matches!(plan, Plan::Answer(Err(refusal)) if refusal.code == "capture_amount_invalid"));
}

#[test]
fn a_repeated_capture_calls_nobody() {
    assert_eq!(
        captured().plan(Operation::Capture, None),
        Plan::Answer(Ok(()))
    );
}

#[test]
fn voiding_a_hold_releases_it() {
    let mut payment = authorized();
    assert_eq!(run(&mut payment, Operation::Void, done()), Ok(()));
    assert_eq!(payment.status, Status::Voided);
}

#[test]
fn voiding_captured_money_gives_it_back() {
    let mut payment = captured();
    assert_eq!(
        payment.plan(Operation::Void, None),
        Plan::Call(Operation::Refund, payment.amount)
    );
    assert_eq!(run(&mut payment, Operation::Void, done()), Ok(()));
    assert_eq!(
        (payment.status, payment.refunded),
        (Status::Refunded, payment.amount)
    );
}

#[test]
fn refunding_a_mere_hold_releases_it() {
    let plan = authorized().plan(Operation::Refund, None);
    assert!(matches!(plan, Plan::Call(Operation::Void, _)));
}

#[test]
fn a_refund_gives_back_at_most_what_was_taken() {
    let plan = captured().plan(Operation::Refund, Some(Decimal::from(100)));
    assert!(matches!(plan, Plan::Answer(Err(refusal)) if refusal.code == "refund_amount_invalid"));
}

#[test]
fn a_decline_keeps_the_providers_code() {
    let mut payment = payment();
    let no = Outcome::Refused(Refusal::new("insufficient_funds", "no"));
    let answer = run(&mut payment, Operation::Authorize, no);
    assert_eq!(answer.expect_err("declined").code, "insufficient_funds");
    assert_eq!(payment.status, Status::Declined);
}

#[test]
fn an_authorisation_without_an_answer_fails_and_asks_for_a_release() {
    let mut payment = payment();
    let amount = payment.amount;
    let now = Timestamp::UNIX_EPOCH;
    let applied = payment.apply(Operation::Authorize, amount, Outcome::Unanswered, now);
    assert!(applied.release);
    assert_eq!(applied.answer.expect_err("failed").code, "payment_timeout");
    assert_eq!(run(&mut payment, Operation::Void, done()), Ok(()));
    assert_eq!(
        payment.status,
        Status::Failed,
        "nothing was ever known to be held"
    );
}

#[test]
fn a_capture_that_fails_can_still_be_voided() {
    let mut payment = authorized();
    let no = Outcome::Refused(Refusal::new("capture_failed", "no"));
    assert!(run(&mut payment, Operation::Capture, no).is_err());
    assert_eq!(payment.status, Status::Failed);
    assert_eq!(run(&mut payment, Operation::Void, done()), Ok(()));
    assert_eq!(payment.status, Status::Voided);
}

#[test]
fn every_name_reads_back() {
    for operation in Operation::ALL {
        assert_eq!(Operation::from_name(operation.name()), Some(operation));
    }
    for status in Status::ALL {
        assert_eq!(Status::from_name(status.name()), Some(status));
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    proptest::sample::select(Operation::ALL.to_vec())
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(done()),
        1 => Just(Outcome::Refused(Refusal::new("no", "no"))),
        1 => Just(Outcome::Unanswered),
    ]
}

proptest! {
    #[test]
    fn money_is_never_taken_twice_nor_given_back_beyond_what_was_taken(
        steps in proptest::collection::vec((operation(), outcome(), 1_i64..3000), 0..30)
    ) {
        let mut payment = payment();
        let (mut captures, mut refunds) = (0, 0);
        for (operation, outcome, cents) in steps {
            let before = payment.clone();
            let Plan::Call(call, amount) = payment.plan(operation, Some(Decimal::new(cents, 2))) else {
                continue;
            };
            let succeeded = matches!(outcome, Outcome::Done { .. });
            let applied = payment.apply(call, amount, outcome, Timestamp::UNIX_EPOCH);
            captures += u32::from(call == Operation::Capture && succeeded);
            refunds += u32::from(call == Operation::Refund && succeeded);
            prop_assert!(captures <= 1 && refunds <= 1);
            prop_assert!(payment.captured <= payment.amount);
            prop_assert!(payment.refunded <= payment.captured);
            prop_assert_eq!(payment.version - before.version, i64::from(applied.step.is_some()));
            prop_assert_eq!(applied.step.is_some(), payment.status != before.status);
        }
    }

    #[test]
    fn after_an_undo_succeeded_nothing_moves_forward(
        before in proptest::collection::vec(operation(), 0..6),
        after in proptest::collection::vec(operation(), 1..6),
    ) {
        let mut payment = payment();
        run(&mut payment, Operation::Authorize, done()).expect("authorised");
        for operation in before {
            let _ = run(&mut payment, operation, done());
        }
        prop_assert_eq!(run(&mut payment, Operation::Void, done()), Ok(()));
        let undone = payment.clone();
        for operation in after {
            let _ = run(&mut payment, operation, done());
            prop_assert_eq!(&payment, &undone);
        }
    }
}

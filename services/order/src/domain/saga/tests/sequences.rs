//! Single ways through the saga, event by event.

use super::super::*;

fn run(events: impl IntoIterator<Item = Event>) -> (Saga, Vec<Effect>) {
    let (mut saga, mut all) = Saga::begin();
    for event in events {
        let moved = saga.on(event).unwrap();
        saga = moved.saga;
        all.extend(moved.effects);
    }
    (saga, all)
}

const RESERVED: Event = Event::Reserved {
    auto_accept: false,
    prices_agree: true,
};

fn confirmed() -> Vec<Event> {
    vec![
        RESERVED,
        Event::Done(Command::Authorize),
        Event::Accept {
            ready_in_minutes: None,
        },
        Event::Done(Command::Capture),
    ]
}

fn sent(effects: &[Effect]) -> Vec<Command> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send(command) => Some(*command),
            _ => None,
        })
        .collect()
}

#[test]
fn the_happy_path_commands_each_participant_once_and_ends_delivered() {
    let mut events = confirmed();
    events.extend([
        Event::Done(Command::CreateDelivery),
        Event::Prepare,
        Event::MarkReady,
        Event::PickedUp { driver_id: None },
        Event::Delivered,
    ]);
    let (saga, effects) = run(events);
    assert_eq!((saga.status, saga.step), (Status::Delivered, Step::Ended));
    assert_eq!(
        sent(&effects),
        [
            Command::ReserveTicket,
            Command::Authorize,
            Command::Capture,
            Command::ConfirmTicket,
            Command::CreateDelivery,
        ]
    );
}

#[test]
fn a_cancel_after_the_capture_undoes_delivery_money_and_ticket_in_this_order() {
    let mut events = confirmed();
    events.extend([
        Event::Done(Command::CreateDelivery),
        Event::Cancel {
            reason: "changed my mind".into(),
        },
        Event::Done(Command::CancelDelivery),
        Event::Done(Command::Refund),
        Event::Done(Command::CancelTicket),
    ]);
    let (saga, effects) = run(events);
    assert_eq!(saga.status, Status::Cancelled);
    assert!(sent(&effects).ends_with(&[
        Command::CancelDelivery,
        Command::Refund,
        Command::CancelTicket
    ]));
}

#[test]
fn an_authorisation_that_is_never_answered_is_asked_three_times_then_voided() {
    let mut events = vec![RESERVED];
    events.extend(std::iter::repeat_n(Event::DeadlinePassed, 3));
    let (saga, effects) = run(events);
    assert_eq!(saga.step, Step::VoidPayment);
    assert_eq!(
        sent(&effects)
            .iter()
            .filter(|command| **command == Command::Authorize)
            .count(),
        3
    );
    assert_eq!(saga.ending.unwrap().status, Status::Rejected);
}

#[test]
fn an_owner_who_accepts_before_the_payment_is_held_is_taken_at_their_word() {
    let (saga, _) = run([
        Event::Accept {
            ready_in_minutes: Some(15),
        },
        RESERVED,
        Event::Done(Command::Authorize),
    ]);
    assert_eq!(
        (saga.step, saga.ready_in_minutes),
        (Step::CapturePayment, Some(15))
    );
}

#[test]
fn after_the_pick_up_a_cancel_is_refused() {
    let mut events = confirmed();
    events.push(Event::PickedUp { driver_id: None });
    let (saga, _) = run(events);
    assert_eq!(
        saga.on(Event::Cancel {
            reason: String::new()
        }),
        Err(Refused::OnItsWay)
    );
}

#[test]
fn a_pick_up_that_wins_against_a_cancel_lets_the_order_arrive() {
    let mut events = confirmed();
    events.extend([
        Event::Cancel {
            reason: "too slow".into(),
        },
        Event::PickedUp { driver_id: None },
        Event::Refused {
            command: Command::CancelDelivery,
            reason: "picked_up".into(),
        },
        Event::Delivered,
    ]);
    assert_eq!(run(events).0.status, Status::Delivered);
}

#[test]
fn preparing_before_it_is_confirmed_is_out_of_order() {
    let (saga, _) = Saga::begin();
    assert_eq!(saga.on(Event::Prepare), Err(Refused::OutOfOrder));
}

#[test]
fn a_compensation_past_its_limit_is_stuck_and_goes_on() {
    let mut events = vec![
        RESERVED,
        Event::Cancel {
            reason: String::new(),
        },
    ];
    events.extend(std::iter::repeat_n(Event::DeadlinePassed, 20));
    let (saga, effects) = run(events);
    assert_eq!(saga.state(), "stuck");
    assert_eq!(sent(&effects).last(), Some(&Command::Void));
    assert_eq!(saga.on(Event::Retry).unwrap().saga.state(), "compensating");
}

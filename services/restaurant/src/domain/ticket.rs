//! A ticket: an order's claim on a restaurant, from reservation to confirmation or cancellation.
//!
//! The order's saga may send each command more than once and, after a timeout, in an order it did
//! not mean. So a ticket remembers what it answered and gives the same answer again, and a
//! cancellation that comes before its reservation leaves a ticket behind (a tombstone) on which the
//! late reservation then fails: otherwise a reservation that nobody undoes would stay forever.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::money::{Currency, Price};
use super::place::Address;
use super::restaurant::Restaurant;

/// Why a command is refused; the name is the reply's `code`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Refusal {
    /// No such restaurant, or no longer.
    #[error("there is no such restaurant")]
    RestaurantNotFound,
    /// It takes no orders now.
    #[error("the restaurant is closed")]
    RestaurantClosed,
    /// At least one item is not on the menu, or not to be had.
    #[error("not available: {}", items.iter().map(Uuid::to_string).collect::<Vec<_>>().join(", "))]
    ItemUnavailable {
        /// Which ones.
        items: Vec<Uuid>,
    },
    /// Cancelled before.
    #[error("the ticket is cancelled")]
    TicketCancelled,
    /// Never reserved.
    #[error("there is no ticket for this order")]
    TicketNotFound,
}

impl Refusal {
    /// The stable code of the reply.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::RestaurantNotFound => "restaurant_not_found",
            Self::RestaurantClosed => "restaurant_closed",
            Self::ItemUnavailable { .. } => "item_unavailable",
            Self::TicketCancelled => "ticket_cancelled",
            Self::TicketNotFound => "ticket_not_found",
        }
    }
}

/// One line of what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Which item.
    pub item_id: Uuid,
    /// How many.
    pub quantity: u32,
}

/// What a reservation promises: names and prices as they were at that moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Reservation {
    /// The restaurant's name.
    pub restaurant_name: String,
    /// Who has to accept.
    pub owner_id: Uuid,
    /// Whether acceptance needs nobody.
    pub auto_accept: bool,
    /// What prices are in.
    pub currency: Currency,
    /// Where to pick up.
    pub address: Address,
    /// The lines, in the order asked for.
    pub lines: Vec<Line>,
}

/// One line of a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Which item.
    pub item_id: Uuid,
    /// Its name.
    pub name: String,
    /// Price of one.
    pub unit_price: Price,
    /// How many.
    pub quantity: u32,
}

/// Where a ticket is.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// The restaurant could take it.
    Reserved(Reservation),
    /// The restaurant could not take it.
    Refused(Refusal),
    /// The order goes ahead.
    Confirmed(Reservation),
    /// The order does not go ahead; what was reserved before, if anything was.
    Cancelled(Option<Reservation>),
}

/// What to do with a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Check and hold.
    Reserve(Vec<Ask>),
    /// The order goes ahead.
    Confirm,
    /// The order does not go ahead.
    Cancel,
}

/// What a command comes to: the ticket's next state where it changes, and the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The state to store; `None` leaves the ticket as it is.
    pub next: Option<State>,
    /// A reservation answers with what it promises, the others with nothing.
    pub answer: Result<Option<Reservation>, Refusal>,
}

/// Decides on a command. `restaurant` is read for a first reservation only.
#[must_use]
pub fn decide(
    ticket: Option<&State>,
    command: &Command,
    restaurant: Option<&Restaurant>,
) -> Decision {
    match (command, ticket) {
        (Command::Reserve(asks), None) => match reserve(asks, restaurant) {
            Ok(reservation) => Decision {
                next: Some(State::Reserved(reservation.clone())),
                answer: Ok(Some(reservation)),
            },
            Err(refusal) => Decision {
                next: Some(State::Refused(refusal.clone())),
                answer: Err(refusal),
            },
        },
        (
            Command::Reserve(_),
            Some(State::Reserved(held) | State::Confirmed(held) | State::Cancelled(Some(held))),
        ) => stays(Ok(Some(held.clone()))),
        (Command::Reserve(_), Some(State::Refused(refusal))) => stays(Err(refusal.clone())),
        (Command::Reserve(_), Some(State::Cancelled(None))) => stays(Err(Refusal::TicketCancelled)),

        (Command::Confirm, Some(State::Reserved(held))) => Decision {
            next: Some(State::Confirmed(held.clone())),
            answer: Ok(None),
        },
        (Command::Confirm, Some(State::Confirmed(_))) => stays(Ok(None)),
        (Command::Confirm, Some(State::Refused(refusal))) => stays(Err(refusal.clone())),
        (Command::Confirm, Some(State::Cancelled(_))) => stays(Err(Refusal::TicketCancelled)),
        (Command::Confirm, None) => stays(Err(Refusal::TicketNotFound)),

        (Command::Cancel, Some(State::Reserved(held) | State::Confirmed(held))) => Decision {
            next: Some(State::Cancelled(Some(held.clone()))),
            answer: Ok(None),
        },
        (Command::Cancel, None) => Decision {
            next: Some(State::Cancelled(None)),
            answer: Ok(None),
        },
        // Nothing is held: what the command wants is already so.
        (Command::Cancel, Some(State::Refused(_) | State::Cancelled(_))) => stays(Ok(None)),
    }
}

fn stays(answer: Result<Option<Reservation>, Refusal>) -> Decision {
    Decision { next: None, answer }
}

fn reserve(asks: &[Ask], restaurant: Option<&Restaurant>) -> Result<Reservation, Refusal> {
    let restaurant = restaurant.ok_or(Refusal::RestaurantNotFound)?;
    if !restaurant.open {
        return Err(Refusal::RestaurantClosed);
    }
    let mut lines = Vec::with_capacity(asks.len());
    let mut missing = Vec::new();
    for ask in asks {
        match restaurant.item(ask.item_id).filter(|item| item.available) {
            Some(item) => lines.push(Line {
                item_id: item.id,
                name: item.name.clone(),
                unit_price: item.price,
                quantity: ask.quantity,
            }),
            None => missing.push(ask.item_id),
        }
    }
    if !missing.is_empty() {
        return Err(Refusal::ItemUnavailable { items: missing });
    }
    Ok(Reservation {
        restaurant_name: restaurant.details.name.clone(),
        owner_id: restaurant.owner_id,
        auto_accept: restaurant.details.auto_accept,
        currency: restaurant.currency.clone(),
        address: restaurant.details.address.clone(),
        lines,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::restaurant::tests::{at, item, restaurant};

    fn open_restaurant() -> Restaurant {
        let mut restaurant = restaurant();
        restaurant.add_item(item(7), at(1)).expect("room");
        restaurant.open(at(1));
        restaurant
    }

    fn ask(number: u128) -> Command {
        Command::Reserve(vec![Ask {
            item_id: Uuid::from_u128(number),
            quantity: 2,
        }])
    }

    #[test]
    fn a_reservation_promises_name_and_price_of_each_item() {
        let decision = decide(None, &ask(7), Some(&open_restaurant()));
        let reservation = decision.answer.expect("reserved").expect("a reservation");
        assert_eq!(reservation.lines[0].name, "Dish 7");
        assert_eq!(reservation.lines[0].unit_price, Price::from_minor(1299));
        assert_eq!(reservation.lines[0].quantity, 2);
    }

    #[test]
    fn a_closed_restaurant_refuses() {
        let decision = decide(None, &ask(7), Some(&restaurant()));
        assert_eq!(decision.answer, Err(Refusal::RestaurantClosed));
    }

    #[test]
    fn a_missing_restaurant_refuses() {
        assert_eq!(
            decide(None, &ask(7), None).answer,
            Err(Refusal::RestaurantNotFound)
        );
    }

    #[test]
    fn an_unavailable_item_is_named() {
        let items = vec![Uuid::from_u128(8)];
        let decision = decide(None, &ask(8), Some(&open_restaurant()));
        assert_eq!(decision.answer, Err(Refusal::ItemUnavailable { items }));
    }

    #[test]
    fn a_repeated_reservation_answers_with_the_old_prices() {
        let first = decide(None, &ask(7), Some(&open_restaurant()));
        let again = decide(first.next.as_ref(), &ask(7), None);
        assert_eq!(again.answer, first.answer);
        assert_eq!(again.next, None);
    }

    #[test]
    fn a_refused_reservation_stays_refused_though_the_restaurant_opened() {
        let first = decide(None, &ask(7), Some(&restaurant()));
        let again = decide(first.next.as_ref(), &ask(7), Some(&open_restaurant()));
        assert_eq!(again.answer, Err(Refusal::RestaurantClosed));
    }

    #[test]
    fn a_reservation_after_its_cancellation_is_refused() {
        let cancelled = decide(None, &Command::Cancel, None);
        assert_eq!(cancelled.answer, Ok(None));
        let late = decide(cancelled.next.as_ref(), &ask(7), Some(&open_restaurant()));
        assert_eq!(late.answer, Err(Refusal::TicketCancelled));
    }

    #[test]
    fn a_cancelled_ticket_cannot_be_confirmed() {
        let cancelled = State::Cancelled(None);
        let decision = decide(Some(&cancelled), &Command::Confirm, None);
        assert_eq!(decision.answer, Err(Refusal::TicketCancelled));
    }

    fn command() -> impl Strategy<Value = Command> {
        prop_oneof![
            Just(ask(7)),
            Just(ask(8)),
            Just(Command::Confirm),
            Just(Command::Cancel)
        ]
    }

    proptest! {
        #[test]
        fn a_command_given_twice_in_a_row_answers_the_same_and_changes_nothing_more(
            commands in proptest::collection::vec(command(), 1..12)
        ) {
            let restaurant = open_restaurant();
            let mut state = None;
            for command in commands {
                let first = decide(state.as_ref(), &command, Some(&restaurant));
                state = first.next.clone().or(state);
                let again = decide(state.as_ref(), &command, Some(&restaurant));
                prop_assert_eq!(again.next, None);
                prop_assert_eq!(again.answer, first.answer);
            }
        }

        #[test]
        fn nothing_brings_a_cancelled_ticket_back(
            commands in proptest::collection::vec(command(), 1..12)
        ) {
            let mut state = Some(State::Cancelled(None));
            for command in commands {
                let decision = decide(state.as_ref(), &command, Some(&open_restaurant()));
                state = decision.next.or(state);
                prop_assert!(matches!(state, Some(State::Cancelled(_))));
            }
        }
    }
}

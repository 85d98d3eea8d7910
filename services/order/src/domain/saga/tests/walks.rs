//! The saga against participants that keep their promises, over channels that lose, repeat and reorder.
//!
//! The walk is random in order, bounded in length, and then fair: the channels become reliable and time passes. At
//! the end the invariant must hold, whatever happened before.

use proptest::prelude::*;
use uuid::Uuid;

use super::super::*;

/// What payment-service would remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Account {
    Empty,
    Held,
    Taken,
    Returned,
    Voided,
}

/// What driver-service would remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parcel {
    None,
    Searching,
    Carried,
    Delivered,
    CalledOff,
}

struct World {
    saga: Saga,
    commands: Vec<Command>,
    answers: Vec<Event>,
    account: Account,
    captures: u32,
    parcel: Parcel,
    ticket_cancelled: bool,
    /// Rules of this run: which commands are refused for good, which are never answered.
    declines: [bool; 4],
    silent_authorize: bool,
    facts: Vec<Fact>,
}

impl World {
    fn new(declines: [bool; 4], silent_authorize: bool) -> Self {
        let (saga, effects) = Saga::begin();
        let mut world = Self {
            saga,
            commands: Vec::new(),
            answers: Vec::new(),
            account: Account::Empty,
            captures: 0,
            parcel: Parcel::None,
            ticket_cancelled: false,
            declines,
            silent_authorize,
            facts: Vec::new(),
        };
        world.perform(&effects);
        world
    }

    fn perform(&mut self, effects: &[Effect]) {
        for effect in effects {
            match *effect {
                Effect::Send(command) => self.commands.push(command),
                Effect::Announce(fact) => self.facts.push(fact),
                Effect::Wait(_) => {}
            }
        }
    }

    fn event(&mut self, event: Event) {
        let before = self.saga.clone();
        if let Ok(Moved {
            saga,
            effects,
            error: _,
        }) = self.saga.clone().on(event.clone())
        {
            assert!(
                !before.status.is_final() || saga.status == before.status,
                "{event:?} moved an ended order: {before:?} -> {saga:?}"
            );
            self.saga = saga;
            self.perform(&effects);
        }
    }

    /// A participant reads a command: effects once, the same answer to the same question.
    fn handle(&mut self, command: Command) {
        let refused = |reason: &str| Event::Refused {
            command,
            reason: reason.into(),
        };
        let [no_ticket, no_card, no_capture, no_driver] = self.declines;
        let answer = match command {
            Command::ReserveTicket if no_ticket || self.ticket_cancelled => refused("closed"),
            Command::ReserveTicket => Event::Reserved {
                auto_accept: false,
                prices_agree: true,
            },
            Command::ConfirmTicket => return,
            Command::CancelTicket => {
                self.ticket_cancelled = true;
                Event::Done(command)
            }
            Command::Authorize if no_card => refused("declined"),
            Command::Authorize => {
                match self.account {
                    Account::Empty => self.account = Account::Held,
                    Account::Voided | Account::Returned => {
                        return self.answers.push(refused("voided"));
                    }
                    Account::Held | Account::Taken => {}
                }
                if self.silent_authorize {
                    return;
                }
                Event::Done(command)
            }
            Command::Capture => match self.account {
                Account::Held if no_capture => refused("capture_failed"),
                Account::Held => {
                    self.account = Account::Taken;
                    self.captures += 1;
                    Event::Done(command)
                }
                Account::Taken => Event::Done(command),
                Account::Empty | Account::Voided | Account::Returned => refused("nothing held"),
            },
            Command::Void => match self.account {
                Account::Taken => refused("captured"),
                _ => {
                    self.account = Account::Voided;
                    Event::Done(command)
                }
            },
            // The strict reading: a refund without a capture is refused, and the saga must void instead.
            Command::Refund => match self.account {
                Account::Taken => {
                    self.account = Account::Returned;
                    Event::Done(command)
                }
                Account::Returned => Event::Done(command),
                Account::Empty | Account::Held | Account::Voided => refused("nothing captured"),
            },
            Command::CreateDelivery if no_driver => refused("no_driver"),
            Command::CreateDelivery => match self.parcel {
                Parcel::CalledOff => refused("cancelled"),
                Parcel::None => {
                    self.parcel = Parcel::Searching;
                    Event::Done(command)
                }
                _ => Event::Done(command),
            },
            Command::CancelDelivery => match self.parcel {
                Parcel::Carried | Parcel::Delivered => refused("picked_up"),
                _ => {
                    self.parcel = Parcel::CalledOff;
                    Event::Done(command)
                }
            },
        };
        self.answers.push(answer);
    }

    fn driver_moves(&mut self) {
        match self.parcel {
            Parcel::Searching => {
                self.parcel = Parcel::Carried;
                self.answers.push(Event::PickedUp {
                    driver_id: Some(Uuid::nil()),
                });
            }
            Parcel::Carried => {
                self.parcel = Parcel::Delivered;
                self.answers.push(Event::Delivered);
            }
            _ => {}
        }
    }

    /// One move of the adversary.
    fn adversary(&mut self, choice: u8, at: usize) {
        let reason = || "walk".to_owned();
        match choice {
            0..=3 if !self.commands.is_empty() => {
                let command = self.commands.remove(at % self.commands.len());
                self.handle(command);
            }
            4..=7 if !self.answers.is_empty() => {
                let answer = self.answers.remove(at % self.answers.len());
                self.event(answer);
            }
            // Lost: the message is gone (facts are not lost for good: the outbox sends them until confirmed).
            8 if !self.commands.is_empty() => drop(self.commands.remove(at % self.commands.len())),
            9 if !self.answers.is_empty() => {
                let index = at % self.answers.len();
                if matches!(
                    self.answers[index],
                    Event::Done(_) | Event::Reserved { .. } | Event::Refused { .. }
                ) {
                    self.answers.remove(index);
                }
            }
            // Doubled.
            10 if !self.commands.is_empty() => {
                self.commands.push(self.commands[at % self.commands.len()])
            }
            11 if !self.answers.is_empty() => self
                .answers
                .push(self.answers[at % self.answers.len()].clone()),
            12 => self.event(Event::DeadlinePassed),
            13 => self.event(Event::Cancel { reason: reason() }),
            14 => self.event(Event::Accept {
                ready_in_minutes: None,
            }),
            15 => self.event(Event::Reject { reason: reason() }),
            16 => self.driver_moves(),
            17 => self.event([Event::Prepare, Event::MarkReady][at % 2].clone()),
            18 => {
                self.event([Event::Retry, Event::Compensate { reason: reason() }][at % 2].clone())
            }
            _ => {}
        }
    }

    /// From now on nothing is lost, and time passes when nothing else happens.
    fn settle(&mut self) {
        for _ in 0..500 {
            if !self.commands.is_empty() {
                let command = self.commands.remove(0);
                self.handle(command);
            } else if !self.answers.is_empty() {
                let answer = self.answers.remove(0);
                self.event(answer);
            } else if self.saga.status.is_final() {
                return;
            } else {
                self.event(Event::DeadlinePassed);
            }
        }
    }

    fn check(&self) {
        assert!(
            self.saga.status.is_final(),
            "not ended: {:?} {:?}",
            self.saga,
            self.account
        );
        assert_eq!(self.saga.step, Step::Ended);
        assert!(self.captures <= 1, "captured twice");
        match self.saga.status {
            Status::Delivered => assert_eq!(self.account, Account::Taken),
            _ => assert!(
                !matches!(self.account, Account::Taken | Account::Held),
                "money is left behind: {:?} {:?}",
                self.saga,
                self.account
            ),
        }
        let ends = self
            .facts
            .iter()
            .filter(|fact| matches!(fact, Fact::Delivered | Fact::Rejected | Fact::Cancelled));
        assert_eq!(ends.count(), 1, "an order ends once: {:?}", self.facts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn whatever_is_lost_doubled_or_late_captured_money_is_delivered_or_refunded_and_the_order_ends(
        declines in any::<[bool; 4]>().prop_map(|all| all.map(|one| one)),
        mostly_willing in any::<[bool; 4]>(),
        silent_authorize in prop::bool::weighted(0.1),
        walk in prop::collection::vec((0_u8..19, any::<usize>()), 0..120),
    ) {
        let declines = std::array::from_fn(|i| declines[i] && mostly_willing[i]);
        let mut world = World::new(declines, silent_authorize);
        for (choice, at) in walk {
            world.adversary(choice, at);
        }
        world.settle();
        world.check();
    }
}

//! The transition function. Read it as a table: one arm, one row.

use super::{Command, Effect, Ending, Event, Fact, Money, Saga, Step, Wait};
use crate::domain::status::Status;

/// Why a person's wish is refused; what machines send is never refused, only ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The order has ended.
    #[error("the order has ended")]
    Ended,
    /// The driver has the food already.
    #[error("the order is on its way")]
    OnItsWay,
    /// Not the moment for this.
    #[error("the order is not in a state that allows this")]
    OutOfOrder,
}

/// A state after an event, and what it asks for. Both unchanged and empty when the event does not matter any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The new state.
    pub saga: Saga,
    /// What to do, in order.
    pub effects: Vec<Effect>,
    /// What went wrong in the step that this leaves.
    pub error: Option<String>,
}

impl Saga {
    /// What follows on `event`.
    ///
    /// # Errors
    /// [`Refused`], for what people ask at the wrong time.
    pub fn on(self, event: Event) -> Result<Moved, Refused> {
        let mut turn = Turn {
            saga: self,
            effects: Vec::new(),
            error: None,
        };
        turn.take(event)?;
        let Turn {
            saga,
            effects,
            error,
        } = turn;
        Ok(Moved {
            saga,
            effects,
            error,
        })
    }
}

struct Turn {
    saga: Saga,
    effects: Vec<Effect>,
    error: Option<String>,
}

impl Turn {
    fn take(&mut self, event: Event) -> Result<(), Refused> {
        match event {
            Event::Done(command) => self.done(command),
            Event::Reserved {
                auto_accept,
                prices_agree,
            } => self.reserved(auto_accept, prices_agree),
            Event::Refused { command, reason } => self.refused(command, reason),
            Event::Assigned { driver_id } => self.assigned(driver_id),
            Event::PickedUp { driver_id } => self.picked_up(driver_id),
            Event::Delivered => self.delivered(),
            Event::DeliveryFailed { reason } => self.delivery_failed(reason),
            Event::DeadlinePassed => self.deadline_passed(),
            Event::Accept { ready_in_minutes } => return self.accept(ready_in_minutes),
            Event::Reject { reason } => return self.reject(reason),
            Event::Prepare => {
                return self.kitchen(Status::Confirmed, Status::Preparing, Fact::Preparing);
            }
            Event::MarkReady => return self.kitchen(Status::Preparing, Status::Ready, Fact::Ready),
            Event::Cancel { reason } => return self.cancel(reason),
            Event::Retry => return self.retry(),
            Event::Compensate { reason } => return self.compensate_by_hand(reason),
        }
        Ok(())
    }

    // ---- what participants answer

    fn reserved(&mut self, auto_accept: bool, prices_agree: bool) {
        if self.saga.step != Step::ReserveTicket {
            return;
        }
        self.saga.accepted |= auto_accept;
        if prices_agree {
            self.saga.money = Money::MaybeHeld;
            self.enter(Step::AuthorizePayment);
        } else {
            self.fail("price_changed".into());
        }
    }

    fn done(&mut self, command: Command) {
        if self.saga.step.command() != Some(command) {
            return;
        }
        match self.saga.step {
            Step::AuthorizePayment if self.saga.accepted => self.accepted(),
            Step::AuthorizePayment => self.enter_waiting(Step::AwaitAcceptance, Wait::Acceptance),
            Step::CapturePayment => {
                self.become_(Status::Confirmed, Fact::Confirmed);
                self.effects.push(Effect::Send(Command::ConfirmTicket));
                self.saga.delivery = true;
                self.enter(Step::CreateDelivery);
            }
            Step::CreateDelivery => self.enter_waiting(Step::Deliver, Wait::PickUp),
            Step::CancelDelivery => {
                self.saga.delivery = false;
                self.undo_next();
            }
            Step::RefundPayment | Step::VoidPayment => {
                self.saga.money = Money::Untouched;
                self.undo_next();
            }
            Step::CancelTicket => {
                self.saga.ticket = false;
                self.undo_next();
            }
            // Its answer carries data: see `reserved`. The others await no command.
            Step::ReserveTicket | Step::AwaitAcceptance | Step::Deliver | Step::Ended => {}
        }
    }

    fn refused(&mut self, command: Command, reason: String) {
        if self.saga.step.command() != Some(command) {
            return;
        }
        match self.saga.step {
            Step::ReserveTicket => {
                self.saga.ticket = false;
                self.fail(reason);
            }
            Step::AuthorizePayment => {
                self.saga.money = Money::Untouched;
                self.fail(reason);
            }
            Step::CapturePayment => {
                self.saga.money = Money::MaybeHeld;
                self.fail(reason);
            }
            Step::CreateDelivery => {
                self.saga.delivery = false;
                self.fail(reason);
            }
            // The driver was faster: go on forwards. Once only, lest a refusal for another reason goes round for ever.
            Step::CancelDelivery if !self.saga.delivery_kept => {
                self.error = Some(reason);
                self.saga.delivery_kept = true;
                self.saga.ending = None;
                self.saga.stuck = false;
                self.enter_waiting(Step::Deliver, Wait::DropOff);
            }
            Step::CancelDelivery => {
                self.error = Some(reason);
                self.saga.delivery = false;
                self.undo_next();
            }
            // Nothing was taken, or it is taken by now: the other way round, and slower each time.
            Step::RefundPayment => self.other_way(Step::VoidPayment, reason),
            Step::VoidPayment if self.saga.money == Money::MaybeTaken => {
                self.other_way(Step::RefundPayment, reason)
            }
            Step::VoidPayment => {
                self.error = Some(reason);
                self.saga.money = Money::Untouched;
                self.undo_next();
            }
            Step::CancelTicket => {
                self.error = Some(reason);
                self.saga.ticket = false;
                self.undo_next();
            }
            Step::AwaitAcceptance | Step::Deliver | Step::Ended => {}
        }
    }

    // ---- what drivers do

    fn assigned(&mut self, driver_id: uuid::Uuid) {
        if self.saga.delivery && !self.saga.status.is_final() {
            self.saga.driver_id = Some(driver_id);
        }
    }

    fn picked_up(&mut self, driver_id: Option<uuid::Uuid>) {
        let under_way = matches!(
            self.saga.step,
            Step::CreateDelivery | Step::Deliver | Step::CancelDelivery
        );
        if !self.saga.delivery || !under_way || self.saga.status == Status::PickedUp {
            return;
        }
        // A pick-up decides the race against a cancellation.
        self.saga.ending = None;
        self.saga.stuck = false;
        self.saga.driver_id = driver_id.or(self.saga.driver_id);
        self.become_(Status::PickedUp, Fact::PickedUp);
        self.enter_waiting(Step::Deliver, Wait::DropOff);
    }

    fn delivered(&mut self) {
        self.picked_up(None);
        if self.saga.status == Status::PickedUp && self.saga.step == Step::Deliver {
            self.become_(Status::Delivered, Fact::Delivered);
            self.enter_waiting(Step::Ended, Wait::Nothing);
        }
    }

    fn delivery_failed(&mut self, reason: String) {
        match self.saga.step {
            Step::CreateDelivery | Step::Deliver => {
                self.saga.delivery = false;
                self.fail(reason);
            }
            Step::CancelDelivery => {
                self.saga.delivery = false;
                self.undo_next();
            }
            _ => {}
        }
    }

    // ---- what time does

    fn deadline_passed(&mut self) {
        match self.saga.step {
            Step::Ended => self.effects.push(Effect::Wait(Wait::Nothing)),
            Step::AwaitAcceptance => self.fail("acceptance_timeout".into()),
            Step::Deliver => {
                // On its way and never arrived: there is nothing to call off, only to pay back.
                self.saga.delivery &= self.saga.status != Status::PickedUp;
                self.fail("delivery_timeout".into());
            }
            step if self.saga.attempts_are_used_up() && self.saga.ending.is_none() => {
                self.fail(format!("{}_timeout", step.as_str()));
            }
            _ => {
                self.saga.stuck |= self.saga.attempts_are_used_up();
                self.saga.attempts = self.saga.attempts.saturating_add(1);
                self.send_again();
            }
        }
    }

    // ---- what people want

    fn accept(&mut self, ready_in_minutes: Option<u32>) -> Result<(), Refused> {
        self.undecided()?;
        self.saga.ready_in_minutes = ready_in_minutes;
        self.saga.accepted = true;
        // Before the payment is held, the word is kept and used as soon as it is.
        if self.saga.step == Step::AwaitAcceptance {
            self.accepted();
        }
        Ok(())
    }

    fn reject(&mut self, reason: String) -> Result<(), Refused> {
        self.undecided()?;
        self.fail(reason);
        Ok(())
    }

    fn undecided(&self) -> Result<(), Refused> {
        let before_pivot = matches!(
            self.saga.step,
            Step::ReserveTicket | Step::AuthorizePayment | Step::AwaitAcceptance
        );
        if self.saga.status.is_final() {
            Err(Refused::Ended)
        } else if before_pivot && !self.saga.accepted {
            Ok(())
        } else {
            Err(Refused::OutOfOrder)
        }
    }

    fn kitchen(&mut self, from: Status, to: Status, fact: Fact) -> Result<(), Refused> {
        if self.saga.status.is_final() {
            return Err(Refused::Ended);
        }
        if self.saga.status != from || self.saga.ending.is_some() {
            return Err(Refused::OutOfOrder);
        }
        self.become_(to, fact);
        Ok(())
    }

    fn cancel(&mut self, reason: String) -> Result<(), Refused> {
        match self.saga.status {
            Status::PickedUp => Err(Refused::OnItsWay),
            status if status.is_final() => Err(Refused::Ended),
            // Already being undone: the wish is granted.
            _ if self.saga.ending.is_some() => Ok(()),
            _ => {
                self.effects.push(Effect::Announce(Fact::CancelRequested));
                self.end_as(Status::Cancelled, reason);
                Ok(())
            }
        }
    }

    fn retry(&mut self) -> Result<(), Refused> {
        if self.saga.step == Step::Ended {
            return Err(Refused::Ended);
        }
        if self.saga.step.command().is_none() {
            return Err(Refused::OutOfOrder);
        }
        self.saga.attempts = 1;
        self.saga.stuck = false;
        self.send_again();
        Ok(())
    }

    fn compensate_by_hand(&mut self, reason: String) -> Result<(), Refused> {
        if self.saga.step == Step::Ended {
            return Err(Refused::Ended);
        }
        if self.saga.ending.is_some() {
            return self.retry();
        }
        self.saga.delivery &= self.saga.status != Status::PickedUp;
        self.end_as(Status::Cancelled, reason);
        Ok(())
    }

    // ---- moves

    fn accepted(&mut self) {
        self.effects.push(Effect::Announce(Fact::Accepted));
        self.saga.money = Money::MaybeTaken;
        self.enter(Step::CapturePayment);
    }

    /// A failure undoes the order: rejected while it is pending, cancelled once it was confirmed.
    fn fail(&mut self, reason: String) {
        self.error = Some(reason.clone());
        let status = if self.saga.status == Status::Pending {
            Status::Rejected
        } else {
            Status::Cancelled
        };
        self.end_as(status, reason);
    }

    fn end_as(&mut self, status: Status, reason: String) {
        self.saga.ending = Some(Ending { status, reason });
        self.undo_next();
    }

    /// The next thing to undo, last first; the end when nothing is left.
    fn undo_next(&mut self) {
        if self.saga.delivery {
            self.enter(Step::CancelDelivery);
        } else if self.saga.money == Money::MaybeTaken {
            self.enter(Step::RefundPayment);
        } else if self.saga.money == Money::MaybeHeld {
            self.enter(Step::VoidPayment);
        } else if self.saga.ticket {
            self.enter(Step::CancelTicket);
        } else {
            self.end();
        }
    }

    fn end(&mut self) {
        let (status, fact) = match self.saga.ending.as_ref().map(|ending| ending.status) {
            Some(Status::Rejected) => (Status::Rejected, Fact::Rejected),
            _ => (Status::Cancelled, Fact::Cancelled),
        };
        self.saga.stuck = false;
        self.become_(status, fact);
        self.enter_waiting(Step::Ended, Wait::Nothing);
    }

    fn other_way(&mut self, step: Step, reason: String) {
        self.error = Some(reason);
        self.saga.step = step;
        self.saga.stuck |= self.saga.attempts_are_used_up();
        self.saga.attempts = self.saga.attempts.saturating_add(1);
        self.send_again();
    }

    fn become_(&mut self, status: Status, fact: Fact) {
        self.saga.status = status;
        self.effects.push(Effect::Announce(fact));
    }

    fn enter(&mut self, step: Step) {
        self.saga.step = step;
        self.saga.attempts = 1;
        self.saga.stuck = false;
        self.send_again();
    }

    fn enter_waiting(&mut self, step: Step, wait: Wait) {
        self.saga.step = step;
        self.saga.attempts = 1;
        self.effects.push(Effect::Wait(wait));
    }

    fn send_again(&mut self) {
        if let Some(command) = self.saga.step.command() {
            self.effects.push(Effect::Send(command));
            self.effects.push(Effect::Wait(Wait::Answer));
        }
    }
}

//! The steps and the commands that they send.

use serde::{Deserialize, Serialize};

/// What the saga is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Asks the kitchen.
    ReserveTicket,
    /// Holds the money.
    AuthorizePayment,
    /// Waits for the owner.
    AwaitAcceptance,
    /// Takes the money: the pivot.
    CapturePayment,
    /// Asks for a driver.
    CreateDelivery,
    /// Waits for pick-up and delivery.
    Deliver,
    /// Undoes the delivery.
    CancelDelivery,
    /// Gives the money back.
    RefundPayment,
    /// Releases the money.
    VoidPayment,
    /// Tells the kitchen to forget it.
    CancelTicket,
    /// Nothing is left to do.
    Ended,
}

impl Step {
    /// The command whose answer the step awaits.
    #[must_use]
    pub const fn command(self) -> Option<Command> {
        match self {
            Self::ReserveTicket => Some(Command::ReserveTicket),
            Self::AuthorizePayment => Some(Command::Authorize),
            Self::CapturePayment => Some(Command::Capture),
            Self::CreateDelivery => Some(Command::CreateDelivery),
            Self::CancelDelivery => Some(Command::CancelDelivery),
            Self::RefundPayment => Some(Command::Refund),
            Self::VoidPayment => Some(Command::Void),
            Self::CancelTicket => Some(Command::CancelTicket),
            Self::AwaitAcceptance | Self::Deliver | Self::Ended => None,
        }
    }

    /// As in JSON and in the column.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReserveTicket => "reserve_ticket",
            Self::AuthorizePayment => "authorize_payment",
            Self::AwaitAcceptance => "await_acceptance",
            Self::CapturePayment => "capture_payment",
            Self::CreateDelivery => "create_delivery",
            Self::Deliver => "deliver",
            Self::CancelDelivery => "cancel_delivery",
            Self::RefundPayment => "refund_payment",
            Self::VoidPayment => "void_payment",
            Self::CancelTicket => "cancel_ticket",
            Self::Ended => "ended",
        }
    }
}

/// What participants are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// `restaurant.reserve_ticket`
    ReserveTicket,
    /// `restaurant.confirm_ticket`
    ConfirmTicket,
    /// `restaurant.cancel_ticket`
    CancelTicket,
    /// `payment.authorize`
    Authorize,
    /// `payment.capture`
    Capture,
    /// `payment.void`
    Void,
    /// `payment.refund`
    Refund,
    /// `driver.create_delivery`
    CreateDelivery,
    /// `driver.cancel_delivery`
    CancelDelivery,
}

impl Command {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::ReserveTicket,
        Self::ConfirmTicket,
        Self::CancelTicket,
        Self::Authorize,
        Self::Capture,
        Self::Void,
        Self::Refund,
        Self::CreateDelivery,
        Self::CancelDelivery,
    ];

    /// Its routing key.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::ReserveTicket => "restaurant.reserve_ticket",
            Self::ConfirmTicket => "restaurant.confirm_ticket",
            Self::CancelTicket => "restaurant.cancel_ticket",
            Self::Authorize => "payment.authorize",
            Self::Capture => "payment.capture",
            Self::Void => "payment.void",
            Self::Refund => "payment.refund",
            Self::CreateDelivery => "driver.create_delivery",
            Self::CancelDelivery => "driver.cancel_delivery",
        }
    }

    /// The command with this routing key.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.key() == key)
    }
}

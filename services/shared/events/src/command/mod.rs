//! Requests of the order saga to one service each, and their answers: exchange `quickbite.commands`.

pub mod driver;
pub mod payment;
pub mod restaurant;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// Declares payload structs as commands that order-service sends.
macro_rules! commands {
    ($($name:ident: $key:literal),+ $(,)?) => {
        $(impl $crate::envelope::Message for $name {
            const TYPE: &'static str = $key;
            const EXCHANGE: $crate::topology::Exchange = $crate::topology::Exchange::Commands;
            const SOURCE: &'static str = "order";
        })+
    };
}
pub(crate) use commands;

/// Routing key of replies to the order saga.
pub const REPLY_KEY: &str = "reply.order";

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Done (or already done before).
    Ok,
    /// Refused for good: repeating the command would give the same answer.
    Rejected,
}

/// The answer to a command, on [`REPLY_KEY`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    /// Message id of the command that is answered.
    pub command_id: Uuid,
    /// Its routing key.
    pub command: String,
    /// The order it was about.
    pub order_id: Uuid,
    /// How it ended.
    pub outcome: Outcome,
    /// A stable code of a refusal, snake_case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The refusal in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What an accepted command gave: `TicketReserved`, `PaymentAuthorized`, `DeliveryCreated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

impl crate::envelope::Message for Reply {
    const TYPE: &'static str = REPLY_KEY;
    const EXCHANGE: crate::topology::Exchange = crate::topology::Exchange::Commands;
    const SOURCE: &'static str = "participant";
}

impl Reply {
    /// The command was carried out; `data` is what it gave.
    ///
    /// # Panics
    /// Never for the data types of this crate, which all serialise.
    pub fn ok<T: Serialize>(command: &crate::Envelope, order_id: Uuid, data: Option<&T>) -> Self {
        Self {
            command_id: command.id,
            command: command.kind.clone(),
            order_id,
            outcome: Outcome::Ok,
            code: None,
            message: None,
            data: data.map(|data| serde_json::to_value(data).expect("reply data serialises")),
        }
    }

    /// The command was carried out and gives nothing back.
    pub fn done(command: &crate::Envelope, order_id: Uuid) -> Self {
        Self::ok::<()>(command, order_id, None)
    }

    /// The command is refused for good: `code` is stable, `message` is for people.
    pub fn rejected(
        command: &crate::Envelope,
        order_id: Uuid,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            command_id: command.id,
            command: command.kind.clone(),
            order_id,
            outcome: Outcome::Rejected,
            code: Some(code.into()),
            message: Some(message.into()),
            data: None,
        }
    }
}

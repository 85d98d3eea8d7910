//! The envelope of every message: CloudEvents 1.0 in JSON, and what is handed to the broker.
//!
//! `sequence` is a string on the wire, as the CloudEvents extension has it, and an integer here.

use jiff::Timestamp;
use quickbite_telemetry::{correlation, traceparent};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::command::{REPLY_KEY, Reply};
use crate::topology::Exchange;

/// A payload that knows its routing key.
pub trait Message: Serialize + DeserializeOwned {
    /// The routing key and CloudEvents `type`.
    const TYPE: &'static str;
    /// Where it is published.
    const EXCHANGE: Exchange;
    /// The service that sends it.
    const SOURCE: &'static str;
}

/// One message as it travels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope<T = Value> {
    /// Always `1.0`.
    pub specversion: String,
    /// Unique per message; a message that is sent again keeps it.
    pub id: Uuid,
    /// `/quickbite/<service>`.
    pub source: String,
    /// The routing key.
    #[serde(rename = "type")]
    pub kind: String,
    /// The aggregate's id.
    pub subject: Uuid,
    /// When it was made.
    pub time: Timestamp,
    /// Always `application/json`.
    #[serde(default = "json")]
    pub datacontenttype: String,
    /// Names the shape of `data`: `/schemas/<type>/1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataschema: Option<String>,
    /// The request that it goes back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlationid: Option<String>,
    /// W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Orders the facts of one aggregate.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "sequence")]
    pub sequence: Option<i64>,
    /// The payload.
    pub data: T,
}

fn json() -> String {
    "application/json".into()
}

impl Envelope {
    /// Whether this is a `T`, by its routing key.
    pub fn is<T: Message>(&self) -> bool {
        self.kind == T::TYPE
    }

    /// Reads the payload as `T`, without looking at the routing key.
    ///
    /// # Errors
    /// When `data` has another shape: a poisoned message.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(&self.data)
    }
}

/// A message with its destination: what the outbox stores and the broker sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outgoing {
    /// Where to.
    pub exchange: Exchange,
    /// By which key.
    pub routing_key: String,
    /// What.
    pub envelope: Envelope,
}

impl Outgoing {
    /// A fact about the aggregate `subject`; `sequence` grows with each fact of it.
    ///
    /// # Panics
    /// When `payload` does not serialise to JSON, which the types of this crate always do.
    pub fn event<T: Message>(subject: Uuid, sequence: i64, payload: &T) -> Self {
        Self::new(
            T::SOURCE,
            T::EXCHANGE,
            T::TYPE,
            subject,
            Some(sequence),
            payload,
        )
    }

    /// A request to one service about the aggregate `subject`.
    ///
    /// # Panics
    /// As [`Outgoing::event`].
    pub fn command<T: Message>(subject: Uuid, payload: &T) -> Self {
        Self::new(T::SOURCE, T::EXCHANGE, T::TYPE, subject, None, payload)
    }

    /// The answer to `to_command`.
    ///
    /// # Panics
    /// As [`Outgoing::event`].
    pub fn reply(to_command: &Envelope, reply: &Reply) -> Self {
        let service = to_command.kind.split('.').next().unwrap_or("participant");
        Self::new(
            service,
            Exchange::Commands,
            REPLY_KEY,
            reply.order_id,
            None,
            reply,
        )
    }

    fn new<T: Serialize>(
        source: &str,
        exchange: Exchange,
        key: &str,
        subject: Uuid,
        sequence: Option<i64>,
        payload: &T,
    ) -> Self {
        Self {
            exchange,
            routing_key: key.to_owned(),
            envelope: Envelope {
                specversion: "1.0".into(),
                id: Uuid::now_v7(),
                source: format!("/quickbite/{source}"),
                kind: key.to_owned(),
                subject,
                time: sent_at(),
                datacontenttype: json(),
                dataschema: Some(format!("/schemas/{key}/1")),
                correlationid: Some(correlation::current().to_string()),
                traceparent: traceparent::current(),
                sequence,
                data: serde_json::to_value(payload).expect("a payload serialises to JSON"),
            },
        }
    }
}

/// The envelope's time tells when it was written and decides nothing; facts carry the time of their rule in `data`.
#[expect(clippy::disallowed_methods, reason = "no rule reads it")]
fn sent_at() -> Timestamp {
    Timestamp::now()
}

/// `sequence` as the string that CloudEvents asks for; a number is read as well.
mod sequence {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub(super) fn serialize<S: Serializer>(value: &Option<i64>, to: S) -> Result<S::Ok, S::Error> {
        value.map(|number| number.to_string()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Number(i64),
        }
        match Option::<Either>::deserialize(from)? {
            None => Ok(None),
            Some(Either::Number(number)) => Ok(Some(number)),
            Some(Either::Text(text)) => text.parse().map(Some).map_err(de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::user::Disabled;

    #[test]
    fn an_event_survives_the_wire_and_carries_its_sequence_as_text() {
        let user_id = Uuid::now_v7();
        let sent = Outgoing::event(user_id, 7, &Disabled { user_id }).envelope;
        let wire = serde_json::to_value(&sent).unwrap();
        assert_eq!(wire["sequence"], "7");
        assert_eq!(wire["type"], "user.disabled");
        assert_eq!(wire["source"], "/quickbite/user");
        let read: Envelope = serde_json::from_value(wire).unwrap();
        assert_eq!(read, sent);
        assert!(read.is::<Disabled>());
        assert_eq!(read.parse::<Disabled>().unwrap(), Disabled { user_id });
    }

    #[test]
    fn a_reply_names_the_service_that_the_command_went_to() {
        let order_id = Uuid::now_v7();
        let command = Outgoing::command(
            order_id,
            &crate::command::payment::Void {
                order_id,
                amount: None,
                reason: None,
            },
        );
        let reply = Outgoing::reply(&command.envelope, &Reply::done(&command.envelope, order_id));
        assert_eq!(reply.envelope.source, "/quickbite/payment");
        assert_eq!(reply.routing_key, "reply.order");
        assert_eq!(reply.exchange, Exchange::Commands);
    }
}

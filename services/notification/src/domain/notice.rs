//! A notification: one person, one fact, one text.

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

/// What is to be told to one person, before it has an id.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Who is told.
    pub user_id: Uuid,
    /// The fact's routing key: clients switch on it.
    pub kind: &'static str,
    /// One line.
    pub title: String,
    /// One or two sentences.
    pub body: String,
    /// The ids that a client needs to open what this is about.
    pub data: Value,
    /// The order that it is about.
    pub order_id: Option<Uuid>,
}

/// A stored notification.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Its id.
    pub id: Uuid,
    /// Who is told.
    pub user_id: Uuid,
    /// The fact's routing key.
    pub kind: String,
    /// One line.
    pub title: String,
    /// One or two sentences.
    pub body: String,
    /// Ids to go on with.
    pub data: Value,
    /// The order that it is about.
    pub order_id: Option<Uuid>,
    /// Its place in the user's inbox; `None` until the in-app channel delivered it.
    pub seq: Option<i64>,
    /// When it was read.
    pub read_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The ways to tell somebody something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelKind {
    /// Stored in the inbox and pushed to open streams.
    InApp,
    /// By SMTP.
    Email,
    /// A signed POST to the user's URL.
    Webhook,
}

impl ChannelKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::InApp, Self::Email, Self::Webhook];

    /// The name in rows, facts and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InApp => "in_app",
            Self::Email => "email",
            Self::Webhook => "webhook",
        }
    }

    /// The channel of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

//! What clients see.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::notice::Notice;
use crate::store::DeadLetter;

/// A notification.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NotificationView {
    /// Its id.
    pub id: Uuid,
    /// The fact that caused it, as `order.confirmed`.
    pub kind: String,
    /// One line.
    pub title: String,
    /// One or two sentences.
    pub body: String,
    /// Ids to go on with, by kind.
    #[schema(value_type = Object)]
    pub data: Value,
    /// The order that it is about.
    pub order_id: Option<Uuid>,
    /// Whether it was read.
    pub read: bool,
    /// When it was read.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub read_at: Option<Timestamp>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<Notice> for NotificationView {
    fn from(notice: Notice) -> Self {
        let Notice {
            id,
            user_id: _,
            kind,
            title,
            body,
            data,
            order_id,
            seq: _,
            read_at,
            created_at,
        } = notice;
        Self {
            id,
            kind,
            title,
            body,
            data,
            order_id,
            read: read_at.is_some(),
            read_at,
            created_at,
        }
    }
}

/// A delivery that was given up.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeadLetterView {
    /// The delivery: what `redeliver` takes.
    pub id: Uuid,
    /// The notification.
    pub notification_id: Uuid,
    /// Who was to be told.
    pub user_id: Uuid,
    /// `in_app`, `email` or `webhook`.
    pub channel: String,
    /// What it was about.
    pub kind: String,
    /// How often it was tried.
    pub attempts: i32,
    /// Why it failed the last time.
    pub last_error: Option<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was given up.
    #[schema(value_type = String, format = DateTime)]
    pub failed_at: Timestamp,
}

impl From<DeadLetter> for DeadLetterView {
    fn from(letter: DeadLetter) -> Self {
        let DeadLetter {
            delivery_id,
            notification_id,
            user_id,
            channel,
            kind,
            attempts,
            last_error,
            created_at,
            updated_at,
        } = letter;
        Self {
            id: delivery_id,
            notification_id,
            user_id,
            channel,
            kind,
            attempts,
            last_error,
            created_at,
            failed_at: updated_at,
        }
    }
}

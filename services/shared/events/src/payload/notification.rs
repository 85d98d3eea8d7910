//! Facts of notification-service.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::snapshots;

/// One notification over one channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotificationSnapshot {
    /// The notification.
    pub notification_id: Uuid,
    /// Who is told.
    pub user_id: Uuid,
    /// `in_app`, `email` or `webhook`.
    pub channel: String,
    /// Why, on failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

snapshots!("notification", NotificationSnapshot =>
    /// `notification.sent`.
    Sent: "notification.sent",
    /// `notification.failed`: given up.
    Failed: "notification.failed",
);

//! The record of steps that admins read.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Moved, Saga, Step};

/// Which way a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Towards the customer's door.
    Forward,
    /// Undoing.
    Backward,
}

impl Direction {
    /// As in JSON and in the column.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
        }
    }
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Awaits its answer.
    Running,
    /// Done.
    Done,
    /// Refused or out of time.
    Failed,
}

/// One step that was entered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepRecord {
    /// Which.
    pub name: Step,
    /// Which way.
    pub direction: Direction,
    /// How it stands.
    pub status: StepStatus,
    /// How often its command was sent.
    pub attempts: u32,
    /// When it was entered.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// When it was left.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl StepRecord {
    /// The record of the step that `saga` is in, just entered.
    #[must_use]
    pub fn entered(saga: &Saga, now: Timestamp) -> Self {
        Self {
            name: saga.step,
            direction: saga.direction(),
            status: StepStatus::Running,
            attempts: saga.attempts,
            started_at: now,
            finished_at: None,
            error: None,
        }
    }
}

/// Brings `log` up to date with a move away from `before`.
pub(crate) fn record(log: &mut Vec<StepRecord>, before: &Saga, moved: &Moved, now: Timestamp) {
    let after = &moved.saga;
    let left = before.step != after.step || before.direction() != after.direction();
    if let Some(last) = log.last_mut() {
        if left {
            last.status = if moved.error.is_some() {
                StepStatus::Failed
            } else {
                StepStatus::Done
            };
            last.finished_at = Some(now);
            last.error.clone_from(&moved.error);
        } else {
            last.attempts = after.attempts;
        }
    }
    if left && after.step != Step::Ended {
        log.push(StepRecord::entered(after, now));
    }
}

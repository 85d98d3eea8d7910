//! The ways out: one trait, one file per channel.

mod email;
mod in_app;
mod webhook;

use async_trait::async_trait;

pub use email::{Email, SmtpConfigError};
pub use in_app::InApp;
pub use webhook::{Reach, Webhooks};

use crate::domain::notice::ChannelKind;
use crate::store::Job;

/// One way to tell somebody something. Delivering the same job twice must be harmless: receivers get its id.
#[async_trait]
pub trait Channel: Send + Sync {
    /// Which one it is.
    fn kind(&self) -> ChannelKind;

    /// Delivers the job, within at most 30 seconds.
    async fn deliver(&self, job: &Job) -> Result<(), Undelivered>;
}

/// Why a job did not arrive. The text is shown to admins, so it holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum Undelivered {
    /// It may work later.
    #[error("{0}")]
    Later(String),
    /// It will not work as things are.
    #[error("{0}")]
    Never(String),
}

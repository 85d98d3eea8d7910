//! In the app: into the inbox, which wakes the user's open streams.

use async_trait::async_trait;

use super::{Channel, Undelivered};
use crate::domain::notice::ChannelKind;
use crate::store::{Job, Store};

/// The in-app channel.
#[derive(Clone, Debug)]
pub struct InApp {
    store: Store,
}

impl InApp {
    /// Into the inboxes of `store`.
    pub fn new(store: Store) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Channel for InApp {
    fn kind(&self) -> ChannelKind {
        ChannelKind::InApp
    }

    async fn deliver(&self, job: &Job) -> Result<(), Undelivered> {
        self.store
            .put_into_inbox(job.notice.user_id, job.notice.id)
            .await
            .map_err(|error| Undelivered::Later(format!("the inbox cannot be written: {error}")))
    }
}

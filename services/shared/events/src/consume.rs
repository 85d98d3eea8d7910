//! Reading a queue: each message handled in its correlation scope, acknowledged only after its effect is stored.
//!
//! An outage of the service's own store is not the message's fault: such a message is tried again in place, with
//! backoff, and does not use up its delivery limit.

use std::time::Duration;

use futures::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
    BasicRejectOptions,
};
use lapin::types::FieldTable;
use quickbite_telemetry::{CorrelationId, correlation, metrics, traceparent};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::broker::{Broker, Link};
use crate::envelope::Envelope;

const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// What a consumer does with one message. It must tolerate the same message twice (see [`crate::inbox`]).
pub trait Handler: Send + Sync {
    /// Applies the message; `Ok` acknowledges it.
    fn handle(&self, message: Envelope) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

/// Why a message could not be handled.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The own store is away: tried again in place until it is back.
    #[error("a dependency is away")]
    Unavailable(#[source] anyhow::Error),
    /// It failed and may work later: handed out again, at most five times, then `.dead`.
    #[error("handling failed")]
    Retry(#[source] anyhow::Error),
    /// It will never work: `.dead` at once.
    #[error("the message cannot be handled")]
    Poison(#[source] anyhow::Error),
}

impl HandlerError {
    /// A message that will never work.
    pub fn poison(error: impl Into<anyhow::Error>) -> Self {
        Self::Poison(error.into())
    }

    /// A failure that may pass.
    pub fn retry(error: impl Into<anyhow::Error>) -> Self {
        Self::Retry(error.into())
    }
}

impl From<serde_json::Error> for HandlerError {
    fn from(error: serde_json::Error) -> Self {
        Self::Poison(error.into())
    }
}

impl From<sqlx::Error> for HandlerError {
    fn from(error: sqlx::Error) -> Self {
        let away = match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed => true,
            // Classes 08 (connection), 53 (resources), 57 (operator intervention: shutdown, cancelled by a timeout).
            sqlx::Error::Database(database) => database.code().is_some_and(|code| {
                ["08", "53", "57"]
                    .iter()
                    .any(|class| code.starts_with(class))
            }),
            _ => false,
        };
        if away {
            Self::Unavailable(error.into())
        } else {
            Self::Retry(error.into())
        }
    }
}

impl Broker {
    /// Reads `queue` until cancelled, `prefetch` messages at a time, across reconnects. What is being handled when
    /// `cancel` fires is finished first.
    pub async fn consume<H: Handler>(
        self,
        queue: &str,
        prefetch: u16,
        handler: H,
        cancel: CancellationToken,
    ) {
        while !cancel.is_cancelled() {
            let link = tokio::select! {
                link = self.link() => link,
                () = cancel.cancelled() => return,
            };
            if let Err(error) = self
                .consume_on(&link, queue, prefetch, &handler, &cancel)
                .await
            {
                tracing::warn!(queue, %error, "lost the consumer");
                link.give_up();
            }
            if !cancel.is_cancelled() {
                sleep(RETRY.0).await;
            }
        }
    }

    async fn consume_on<H: Handler>(
        &self,
        link: &Link,
        queue: &str,
        prefetch: u16,
        handler: &H,
        cancel: &CancellationToken,
    ) -> lapin::Result<()> {
        let channel = link.connection.create_channel().await?;
        channel
            .basic_qos(prefetch, BasicQosOptions::default())
            .await?;
        let consumer = channel
            .basic_consume(
                self.topology().queue(queue).into(),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await?;
        let tag = consumer.tag();
        let mut failed = None;
        consumer
            .take_until(cancel.cancelled())
            .for_each_concurrent(usize::from(prefetch), |delivery| {
                let failed = &mut failed;
                let outcome = match delivery {
                    Ok(delivery) => Some(deliver(queue, delivery, handler, cancel)),
                    Err(error) => {
                        failed.get_or_insert(error);
                        None
                    }
                };
                async move {
                    if let Some(outcome) = outcome {
                        outcome.await;
                    }
                }
            })
            .await;
        match failed {
            Some(error) => Err(error),
            None if cancel.is_cancelled() => {
                channel
                    .basic_cancel(tag, BasicCancelOptions::default())
                    .await?;
                channel.close(200, "done".into()).await
            }
            None => Ok(()),
        }
    }
}

async fn deliver<H: Handler>(
    queue: &str,
    delivery: Delivery,
    handler: &H,
    cancel: &CancellationToken,
) {
    let outcome = match serde_json::from_slice::<Envelope>(&delivery.data) {
        Ok(message) => handle(queue, message, handler, cancel).await,
        Err(error) => {
            tracing::error!(queue, %error, "not an envelope");
            Verdict::Dead
        }
    };
    count(queue, outcome);
    let settled = match outcome {
        Verdict::Done => delivery.acker.ack(BasicAckOptions::default()).await,
        Verdict::Again => {
            delivery
                .acker
                .nack(BasicNackOptions {
                    requeue: true,
                    multiple: false,
                })
                .await
        }
        Verdict::Dead => {
            delivery
                .acker
                .reject(BasicRejectOptions { requeue: false })
                .await
        }
    };
    if let Err(error) = settled {
        // The broker hands the message out again; the inbox keeps its effect single.
        tracing::debug!(queue, %error, "could not settle a message");
    }
}

#[derive(Clone, Copy)]
enum Verdict {
    Done,
    Again,
    Dead,
}

async fn handle<H: Handler>(
    queue: &str,
    message: Envelope,
    handler: &H,
    cancel: &CancellationToken,
) -> Verdict {
    let id = message
        .correlationid
        .as_deref()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(CorrelationId::fresh);
    let span = tracing::info_span!(
        "message",
        queue,
        kind = %message.kind,
        message_id = %message.id,
        subject = %message.subject,
        correlationId = %id,
    );
    if let Some(parent) = &message.traceparent {
        traceparent::set_parent(&span, parent);
    }
    correlation::scope(id, attempt(message, handler, cancel))
        .instrument(span)
        .await
}

async fn attempt<H: Handler>(
    message: Envelope,
    handler: &H,
    cancel: &CancellationToken,
) -> Verdict {
    let mut pause = RETRY.0;
    loop {
        match handler.handle(message.clone()).await {
            // One line a message, as the HTTP side writes one a request: an order's way can be read from the logs alone.
            Ok(()) => {
                tracing::info!("handled");
                return Verdict::Done;
            }
            Err(HandlerError::Poison(error)) => {
                tracing::error!(error = format!("{error:#}"), "poisoned message");
                return Verdict::Dead;
            }
            Err(HandlerError::Retry(error)) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "handling failed, handed out again"
                );
                sleep(RETRY.0).await;
                return Verdict::Again;
            }
            Err(HandlerError::Unavailable(error)) => {
                tracing::warn!(error = format!("{error:#}"), "waiting for a dependency");
                tokio::select! {
                    () = sleep(pause) => pause = (pause * 2).min(RETRY.1),
                    () = cancel.cancelled() => return Verdict::Again,
                }
            }
        }
    }
}

fn count(queue: &str, verdict: Verdict) {
    let outcome = match verdict {
        Verdict::Done => "handled",
        Verdict::Again => "retried",
        Verdict::Dead => "dead",
    };
    metrics::counter_vec(
        "quickbite_messages_total",
        "Messages taken from a queue, by what became of them",
        &["queue", "outcome"],
    )
    .with_label_values(&[queue, outcome])
    .inc();
}

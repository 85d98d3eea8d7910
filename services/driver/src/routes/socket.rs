//! `/ws/drivers/me`: offers down, positions up.
//!
//! The socket follows the driver's state, it does not relay messages: woken, it reads what he is asked or carries now
//! and sends the difference to what it sent before. Down: `{"type": "offer", "offer": …}`, `{"type": "offer_ended",
//! "deliveryId"}`, `{"type": "delivery", "delivery": …}`, `{"type": "taken", "accepted", "dropped"}`, `{"type":
//! "error", "code", "message"}`. Up: `{"type": "location", …position}` or `{"type": "location", "positions": […]}`.

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use garde::Validate;
use quickbite_http::{Courier, Problem};
use quickbite_telemetry::correlation;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tracing::Instrument;
use uuid::Uuid;

use super::positions::{Reports, Taken, take};
use super::views::{DeliveryView, OfferView};
use crate::domain::delivery::{Delivery, State as DeliveryState};
use crate::push::Woken;
use crate::state::AppState;

const MAX_MESSAGE: usize = 64 * 1024;
const PING_EVERY: Duration = Duration::from_secs(20);
const SILENT_FOR: Duration = Duration::from_secs(60);
const SEND_WITHIN: Duration = Duration::from_secs(10);

#[derive(Serialize)]
#[serde(
    tag = "type",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
enum Down {
    Offer { offer: OfferView },
    OfferEnded { delivery_id: Uuid },
    Delivery { delivery: DeliveryView },
    Taken(Taken),
    Error { code: String, message: String },
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Up {
    Location(Reports),
}

/// The driver's live connection (WebSocket).
#[utoipa::path(get, path = "/ws/drivers/me", tag = "drivers",
    responses((status = 101, description = "WebSocket: offers down, positions up")))]
pub(super) async fn open(
    State(app): State<AppState>,
    courier: Courier,
    upgrade: WebSocketUpgrade,
) -> Response {
    let id = correlation::current();
    let span = tracing::info_span!("socket", driver_id = %courier.user_id, correlationId = %id);
    upgrade
        .max_message_size(MAX_MESSAGE)
        .on_upgrade(move |socket| {
            let session = Session {
                app,
                driver_id: courier.user_id,
                socket,
                shown: None,
            };
            correlation::scope(id, session.run()).instrument(span)
        })
}

/// The socket is of no more use.
struct Gone;

struct Session {
    app: AppState,
    driver_id: Uuid,
    socket: WebSocket,
    /// What the driver was told last.
    shown: Option<Delivery>,
}

impl Session {
    async fn run(mut self) {
        let mut woken = self.app.push.subscribe();
        let draining = self.app.draining.clone();
        let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        let mut look = true;
        loop {
            if look && self.show_changes().await.is_err() {
                return;
            }
            look = tokio::select! {
                () = draining.cancelled() => {
                    return self.close(close_code::RESTART, "the service restarts, connect again").await;
                }
                wake = woken.recv() => match wake {
                    Ok(Woken::Driver(id)) => id == self.driver_id,
                    Ok(Woken::Everyone) | Err(RecvError::Lagged(_)) => true,
                    Err(RecvError::Closed) => return,
                },
                message = self.socket.recv() => {
                    heard = Instant::now();
                    match message {
                        Some(Ok(message)) => if self.take(message).await.is_err() { return },
                        Some(Err(_)) | None => return,
                    }
                    false
                }
                _ = ping.tick() => {
                    if heard.elapsed() > SILENT_FOR {
                        return self.close(close_code::AWAY, "silent for too long").await;
                    }
                    if self.send_raw(Message::Ping(Default::default())).await.is_err() {
                        return;
                    }
                    // Also heals a wake-up that never came.
                    true
                }
            };
        }
    }

    /// Sends the difference between what the driver was told and what is.
    async fn show_changes(&mut self) -> Result<(), Gone> {
        let now = match self.app.store().live_delivery_of(self.driver_id).await {
            Ok(now) => now,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the driver's state cannot be read"
                );
                return Ok(());
            }
        };
        let before = self.shown.take();
        let same = |before: &Delivery, now: &Delivery| {
            before.id == now.id && before.version == now.version
        };
        if !before
            .as_ref()
            .zip(now.as_ref())
            .is_some_and(|(before, now)| same(before, now))
        {
            if let Some(before) =
                before.filter(|before| now.as_ref().is_none_or(|now| now.id != before.id))
            {
                self.show_end(before).await?;
            }
            if let Some(delivery) = &now {
                self.show(delivery.clone()).await?;
            }
        }
        self.shown = now;
        Ok(())
    }

    async fn show(&mut self, delivery: Delivery) -> Result<(), Gone> {
        match OfferView::of(&delivery, self.app.clock.now()) {
            Some(offer) => self.send(&Down::Offer { offer }).await,
            None if matches!(delivery.state, DeliveryState::Offered(_)) => Ok(()),
            None => {
                self.send(&Down::Delivery {
                    delivery: delivery.into(),
                })
                .await
            }
        }
    }

    async fn show_end(&mut self, before: Delivery) -> Result<(), Gone> {
        if matches!(before.state, DeliveryState::Offered(_)) {
            return self
                .send(&Down::OfferEnded {
                    delivery_id: before.id,
                })
                .await;
        }
        match self.app.store().delivery(before.id).await {
            Ok(Some(delivery)) => {
                self.send(&Down::Delivery {
                    delivery: delivery.into(),
                })
                .await
            }
            _ => Ok(()),
        }
    }

    async fn take(&mut self, message: Message) -> Result<(), Gone> {
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => return self.refuse("binary_message", "send JSON as text").await,
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(Gone),
        };
        let reports = match serde_json::from_str(&text) {
            Ok(Up::Location(reports)) => reports,
            Err(error) => return self.refuse("malformed_message", &error.to_string()).await,
        };
        if let Err(report) = reports.validate() {
            return self
                .refuse("invalid_message", report.to_string().trim())
                .await;
        }
        match take(&self.app, self.driver_id, reports).await {
            Ok(taken) => self.send(&Down::Taken(taken)).await,
            Err(error) => {
                let problem = Problem::from(error);
                if problem.status().is_server_error() {
                    tracing::warn!(
                        error = &problem as &dyn std::error::Error,
                        "positions were not taken"
                    );
                }
                let body = problem.body();
                self.refuse(&body.code, &body.message).await
            }
        }
    }

    async fn refuse(&mut self, code: &str, message: &str) -> Result<(), Gone> {
        self.send(&Down::Error {
            code: code.into(),
            message: message.into(),
        })
        .await
    }

    async fn send(&mut self, down: &Down) -> Result<(), Gone> {
        let text = serde_json::to_string(down).map_err(|_| Gone)?;
        self.send_raw(Message::Text(text.into())).await
    }

    /// Bounded: a phone that stopped reading must not hold the task for ever.
    async fn send_raw(&mut self, message: Message) -> Result<(), Gone> {
        match timeout(SEND_WITHIN, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }

    async fn close(mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        let _ = self.send_raw(Message::Close(Some(frame))).await;
    }
}

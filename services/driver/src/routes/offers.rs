//! What the driver is asked, and what he carries and carried.

use axum::Json;
use axum::extract::State;
use quickbite_http::{Courier, Page, Paged};
use uuid::Uuid;

use super::views::{DeliveryView, OfferView};
use crate::error::ApiError;
use crate::state::AppState;

/// Open offers to the driver: at most one, since he is asked one thing at a time.
#[utoipa::path(get, path = "/api/drivers/me/offers", tag = "drivers",
    responses((status = 200, body = Paged<OfferView>)))]
pub(super) async fn offers(
    State(app): State<AppState>,
    courier: Courier,
) -> Result<Json<Paged<OfferView>>, ApiError> {
    let live = app.store().live_delivery_of(courier.user_id).await?;
    let now = app.clock.now();
    let items = live
        .iter()
        .filter_map(|delivery| OfferView::of(delivery, now))
        .collect();
    Ok(Json(Paged {
        items,
        next_cursor: None,
    }))
}

/// The driver's deliveries, newest first.
#[utoipa::path(get, path = "/api/drivers/me/deliveries", tag = "drivers", params(Page),
    responses((status = 200, body = Paged<DeliveryView>)))]
pub(super) async fn deliveries(
    State(app): State<AppState>,
    courier: Courier,
    page: Page,
) -> Result<Json<Paged<DeliveryView>>, ApiError> {
    let before: Option<Uuid> = page.after()?;
    let rows = app
        .store()
        .deliveries_of(courier.user_id, before, page.fetch())
        .await?;
    Ok(Json(
        Paged::of(rows, &page, |delivery| delivery.id).map(DeliveryView::from),
    ))
}

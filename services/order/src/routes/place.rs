//! `POST /api/orders`.
//!
//! A restaurant that was opened a moment ago may not be known here yet: its fact is on the way. So an order that looks
//! impossible waits up to a second for the projection before it is refused.

use axum::Extension;
use axum::extract::State;
use quickbite_events::payload::Address;
use quickbite_http::idempotency::Scope;
use quickbite_http::{Created, Customer, ProblemBody, Valid};
use quickbite_postgres::scope_key;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::place_body::{Destination, PlaceOrder, Wanted};
use super::views::OrderView;
use crate::domain::order::{Change, NewOrder, Order};
use crate::error::ApiError;
use crate::figures::count;
use crate::live::News;
use crate::state::AppState;
use crate::store::Inserted;

/// Place an order.
#[utoipa::path(
    post, path = "/api/orders", tag = "orders", request_body = PlaceOrder,
    responses(
        (status = 201, description = "Placed", body = OrderView),
        (status = 404, description = "Unknown restaurant or address", body = ProblemBody),
        (status = 422, description = "Against a rule, restaurant_closed, item_unavailable", body = ProblemBody),
    )
)]
pub(super) async fn place_order(
    State(app): State<AppState>,
    customer: Customer,
    scope: Option<Extension<Scope>>,
    Valid(body): Valid<PlaceOrder>,
) -> Result<Created<OrderView>, ApiError> {
    let wanted = Wanted::try_from(body)?;
    let (order, change) = priced(&app, customer.user_id, &wanted).await?;
    let scope = scope.map(|Extension(scope)| scope_key(&scope));
    let order = match app.orders.insert(&order, &change, scope.as_deref()).await? {
        Inserted::New => {
            count(&change);
            order
        }
        Inserted::Before(id) => app
            .orders
            .get(id)
            .await?
            .ok_or(ApiError::OrderNotFound(id))?,
    };
    Ok(Created(format!("/api/orders/{}", order.id), order.into()))
}

async fn priced(
    app: &AppState,
    customer: Uuid,
    wanted: &Wanted,
) -> Result<(Order, Change), ApiError> {
    let deadline = Instant::now() + app.catch_up;
    let mut news = app.live.subscribe();
    loop {
        match attempt(app, customer, wanted).await {
            Err(ApiError::Cart(_) | ApiError::AddressNotFound(_)) => {}
            outcome => return outcome,
        }
        // Anything heard but other orders' news is a reason to look again.
        let heard =
            async { while matches!(news.recv().await, Ok(News::Order(_) | News::Position(..))) {} };
        if timeout_at(deadline, heard).await.is_err() {
            return attempt(app, customer, wanted).await;
        }
    }
}

async fn attempt(
    app: &AppState,
    customer: Uuid,
    wanted: &Wanted,
) -> Result<(Order, Change), ApiError> {
    let restaurant = app
        .projections
        .restaurant(wanted.cart.restaurant_id)
        .await?;
    let new = NewOrder {
        id: Uuid::now_v7(),
        saga_id: Uuid::now_v7(),
        customer_id: customer,
        dropoff: dropoff(app, customer, &wanted.destination).await?,
        payment_token: wanted.token.clone(),
        tip: wanted.tip,
        delivery_fee: app.rules.delivery_fee,
        notes: wanted.notes.clone(),
    };
    let timeouts = app.rules.timeouts();
    Ok(Order::place(
        new,
        &wanted.cart,
        restaurant.as_ref(),
        app.clock.now(),
        &timeouts,
    )?)
}

async fn dropoff(app: &AppState, customer: Uuid, to: &Destination) -> Result<Address, ApiError> {
    match to {
        Destination::Written(address) => Ok(address.clone().into()),
        Destination::Saved(id) => app
            .projections
            .address(customer, *id)
            .await?
            .ok_or(ApiError::AddressNotFound(*id)),
    }
}

//! Payments, for the customer who pays and for admins.
//!
//! `orderId` is a filter: an order that is unknown, or another's, gives an empty list, which says no
//! more about other people's orders than a 404 would.

use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use quickbite_auth::Role;
use quickbite_http::{AnyUser, Page, Paged, Problem, ProblemBody, Query};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::domain::payment::{Payment, Status, Step};
use crate::state::AppState;
use crate::store::payments::{self, Sight, Told};

/// What narrows the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(super) struct Filter {
    /// Only the payment of this order.
    order_id: Option<Uuid>,
}

/// Where a payment is. `pending` is never shown: a payment appears with the provider's first answer.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum StatusView {
    /// Money is held.
    Authorized,
    /// The provider refused to hold it.
    Declined,
    /// Money is taken.
    Captured,
    /// The hold is released.
    Voided,
    /// The money is given back.
    Refunded,
    /// The provider failed.
    Failed,
}

/// One entry of a payment's history.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StepView {
    /// What it became.
    status: StatusView,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The code of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// A payment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PaymentView {
    /// The payment's id.
    id: Uuid,
    /// The order it pays.
    order_id: Uuid,
    /// Who pays.
    customer_id: Uuid,
    /// Where it is.
    status: StatusView,
    /// Decimal string.
    #[schema(example = "25.98")]
    amount: Decimal,
    /// What was taken.
    #[schema(example = "25.98")]
    captured_amount: Decimal,
    /// What was given back of it.
    #[schema(example = "0")]
    refunded_amount: Decimal,
    /// ISO 4217 code.
    currency: String,
    /// When it was first asked for.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Every status that it had, oldest first.
    history: Vec<StepView>,
}

/// The caller's payments, or anybody's for an admin, newest first.
#[utoipa::path(get, path = "/api/payments", tag = "payments", params(Filter, Page),
    responses((status = 200, body = Paged<PaymentView>), (status = 401, body = ProblemBody),
              (status = 403, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn list(
    State(app): State<AppState>,
    AnyUser(user): AnyUser,
    Query(Filter { order_id }): Query<Filter>,
    page: Page,
) -> Result<Paged<PaymentView>, Problem> {
    let customer_id = match user.role {
        Role::Customer => Some(user.user_id),
        Role::Admin => None,
        Role::RestaurantOwner | Role::Driver => {
            let detail = "Only customers and admins may do this";
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "role_not_allowed",
                detail,
            ));
        }
    };
    let sight = Sight {
        customer_id,
        order_id,
    };
    let found = payments::list(&app.pool, sight, page.after::<Uuid>()?, page.fetch()).await;
    let found = Paged::of(found.map_err(quickbite_postgres::problem)?, &page, |last| {
        last.payment.id
    });
    let Paged { items, next_cursor } = found;
    let items = items.into_iter().filter_map(shown).collect();
    Ok(Paged { items, next_cursor })
}

fn shown(told: Told) -> Option<PaymentView> {
    let Told { payment, history } = told;
    let Payment {
        id,
        order_id,
        customer_id,
        amount,
        currency,
        token: _,
        status,
        reference: _,
        captured,
        refunded,
        version: _,
        created_at,
    } = payment;
    let step = |Step { status, at, reason }: Step| {
        Some(StepView {
            status: status_view(status)?,
            at,
            reason,
        })
    };
    Some(PaymentView {
        id,
        order_id,
        customer_id,
        status: status_view(status)?,
        amount,
        captured_amount: captured,
        refunded_amount: refunded,
        currency,
        created_at,
        history: history.into_iter().filter_map(step).collect(),
    })
}

fn status_view(status: Status) -> Option<StatusView> {
    Some(match status {
        Status::Pending => return None,
        Status::Authorized => StatusView::Authorized,
        Status::Declined => StatusView::Declined,
        Status::Captured => StatusView::Captured,
        Status::Voided => StatusView::Voided,
        Status::Refunded => StatusView::Refunded,
        Status::Failed => StatusView::Failed,
    })
}

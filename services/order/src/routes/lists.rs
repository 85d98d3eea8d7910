//! `GET /api/orders`.

use axum::extract::State;
use quickbite_auth::{Identity, Role};
use quickbite_http::{AnyUser, Page, Paged, Query};
use serde::Deserialize;
use uuid::Uuid;

use super::views::{ListedOrder, OrderView, RestaurantName};
use crate::domain::order::Order;
use crate::domain::status::Status;
use crate::error::ApiError;
use crate::state::AppState;
use crate::store::{Filter, Viewer};

/// What a list is narrowed to.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListQuery {
    /// Only in this status.
    status: Option<Status>,
    /// Only at this restaurant.
    restaurant_id: Option<Uuid>,
}

/// A customer's own orders, an owner's restaurants', a driver's, or all (admin); newest first.
#[utoipa::path(
    get, path = "/api/orders", tag = "orders", params(ListQuery, Page),
    responses((status = 200, description = "One page", body = Paged<ListedOrder>))
)]
pub(super) async fn list_orders(
    State(app): State<AppState>,
    AnyUser(caller): AnyUser,
    Query(ListQuery {
        status,
        restaurant_id,
    }): Query<ListQuery>,
    page: Page,
) -> Result<Paged<ListedOrder>, ApiError> {
    let filter = Filter {
        viewer: viewer(&caller),
        restaurant_id,
        status,
    };
    let orders = app
        .orders
        .list(filter, page.after::<Uuid>()?, page.fetch())
        .await?;
    let ids: Vec<_> = orders.iter().map(|order| order.restaurant_id).collect();
    // A list without names is better than none.
    let names = app.projections.names(&ids).await.unwrap_or_default();
    let listed = |order: Order| {
        let id = order.restaurant_id;
        let restaurant = names.get(&id).map(|name| RestaurantName {
            id,
            name: name.clone(),
        });
        ListedOrder {
            partial: restaurant.is_none(),
            restaurant,
            order: OrderView::from(order),
        }
    };
    Ok(Paged::of(orders, &page, |order| order.id).map(listed))
}

fn viewer(caller: &Identity) -> Viewer {
    let user = caller.user_id;
    match caller.role {
        Role::Customer => Viewer::Customer(user),
        Role::RestaurantOwner => Viewer::Owner(user),
        Role::Driver => Viewer::Driver(user),
        Role::Admin => Viewer::Admin,
    }
}

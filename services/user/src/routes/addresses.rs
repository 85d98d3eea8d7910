//! One's own saved addresses.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use quickbite_events::payload::Location;
use quickbite_http::{AnyUser, Created, Page, Paged, Path, ProblemBody, Valid};
use serde::Deserialize;
use uuid::Uuid;

use super::views::AddressView;
use crate::domain::{Address, AddressChange, SavedAddress};
use crate::error::ApiError;
use crate::state::AppState;
use crate::store::AddressError;

/// How many addresses an account can save.
const AT_MOST: i64 = 100;

/// A point, WGS 84 degrees.
#[derive(Clone, Copy, Deserialize, garde::Validate, utoipa::ToSchema)]
pub(super) struct LocationBody {
    #[garde(range(min = -90.0, max = 90.0))]
    #[schema(minimum = -90, maximum = 90)]
    lat: f64,
    #[garde(range(min = -180.0, max = 180.0))]
    #[schema(minimum = -180, maximum = 180)]
    lng: f64,
}

impl From<LocationBody> for Location {
    fn from(LocationBody { lat, lng }: LocationBody) -> Self {
        Self { lat, lng }
    }
}

/// A new address.
#[derive(Deserialize, garde::Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewAddress {
    #[garde(inner(length(chars, min = 1, max = 50)))]
    label: Option<String>,
    #[garde(custom(not_blank), length(chars, max = 200))]
    street: String,
    #[garde(custom(not_blank), length(chars, max = 100))]
    city: String,
    #[garde(custom(not_blank), length(chars, max = 20))]
    postal_code: String,
    #[garde(dive)]
    location: LocationBody,
}

/// What to change; what is absent stays.
#[derive(Deserialize, garde::Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangeAddress {
    #[garde(inner(length(chars, min = 1, max = 50)))]
    label: Option<String>,
    #[garde(inner(custom(not_blank), length(chars, max = 200)))]
    street: Option<String>,
    #[garde(inner(custom(not_blank), length(chars, max = 100)))]
    city: Option<String>,
    #[garde(inner(custom(not_blank), length(chars, max = 20)))]
    postal_code: Option<String>,
    #[garde(dive)]
    location: Option<LocationBody>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "garde passes its context by reference"
)]
fn not_blank(text: &str, (): &()) -> garde::Result {
    if text.trim().is_empty() {
        return Err(garde::Error::new("must not be blank"));
    }
    Ok(())
}

/// One's addresses, oldest first.
#[utoipa::path(
    get,
    path = "/api/users/me/addresses",
    tag = "addresses",
    params(Page),
    responses((status = 200, body = Paged<AddressView>), (status = 401, body = ProblemBody))
)]
pub(super) async fn list(
    State(app): State<AppState>,
    AnyUser(identity): AnyUser,
    page: Page,
) -> Result<Paged<AddressView>, ApiError> {
    let rows = app
        .store
        .addresses(identity.user_id, page.after()?, page.fetch())
        .await?;
    Ok(Paged::of(rows, &page, |saved| saved.id).map(AddressView::from))
}

/// Save an address.
#[utoipa::path(
    post,
    path = "/api/users/me/addresses",
    tag = "addresses",
    request_body = NewAddress,
    responses((status = 201, body = AddressView), (status = 422, body = ProblemBody))
)]
pub(super) async fn create(
    State(app): State<AppState>,
    AnyUser(identity): AnyUser,
    Valid(body): Valid<NewAddress>,
) -> Result<Created<AddressView>, ApiError> {
    let NewAddress {
        label,
        street,
        city,
        postal_code,
        location,
    } = body;
    let now = app.clock.now();
    let saved = SavedAddress {
        id: Uuid::now_v7(),
        user_id: identity.user_id,
        address: Address {
            label,
            street,
            city,
            postal_code,
            location: location.into(),
        },
        version: 1,
        created_at: now,
        updated_at: now,
    };
    app.store
        .insert_address(&saved, AT_MOST)
        .await
        .map_err(|error| match error {
            AddressError::TooMany => ApiError::TooManyAddresses(AT_MOST),
            AddressError::Database(error) => error.into(),
        })?;
    Ok(Created(
        format!("/api/users/me/addresses/{}", saved.id),
        saved.into(),
    ))
}

/// Change an address.
#[utoipa::path(
    patch,
    path = "/api/users/me/addresses/{id}",
    tag = "addresses",
    params(("id" = Uuid, Path)),
    request_body = ChangeAddress,
    responses(
        (status = 200, body = AddressView),
        (status = 404, body = ProblemBody),
        (status = 422, body = ProblemBody)
    )
)]
pub(super) async fn change(
    State(app): State<AppState>,
    AnyUser(identity): AnyUser,
    Path(id): Path<Uuid>,
    Valid(body): Valid<ChangeAddress>,
) -> Result<Json<AddressView>, ApiError> {
    let ChangeAddress {
        label,
        street,
        city,
        postal_code,
        location,
    } = body;
    let location = location.map(Location::from);
    let change = AddressChange {
        label,
        street,
        city,
        postal_code,
        location,
    };
    let now = app.clock.now();
    let saved = app
        .store
        .change_address(id, identity.user_id, change, now)
        .await?;
    Ok(Json(saved.ok_or(ApiError::AddressNotFound)?.into()))
}

/// Forget an address.
#[utoipa::path(
    delete,
    path = "/api/users/me/addresses/{id}",
    tag = "addresses",
    params(("id" = Uuid, Path)),
    responses((status = 204), (status = 404, body = ProblemBody))
)]
pub(super) async fn delete(
    State(app): State<AppState>,
    AnyUser(identity): AnyUser,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, ApiError> {
    if app.store.delete_address(id, identity.user_id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::AddressNotFound)
    }
}

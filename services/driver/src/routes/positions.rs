//! Positions up: one or a batch, over HTTP or the socket.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use garde::Validate;
use jiff::Timestamp;
use quickbite_http::{Courier, Valid};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::geo::{GeoPoint, NotAPoint};
use crate::domain::position::{LivePosition, Position};
use crate::error::ApiError;
use crate::state::AppState;

/// One report of a driver's phone.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PositionReport {
    /// Latitude, degrees.
    #[garde(range(min = -90.0, max = 90.0))]
    lat: f64,
    /// Longitude, degrees.
    #[garde(range(min = -180.0, max = 180.0))]
    lng: f64,
    /// Degrees clockwise from north.
    #[garde(inner(range(min = 0.0, max = 360.0)))]
    heading: Option<f64>,
    /// Metres per second.
    #[garde(inner(range(min = 0.0, max = 150.0)))]
    speed: Option<f64>,
    /// When the phone measured it.
    #[garde(skip)]
    #[schema(value_type = String, format = DateTime)]
    recorded_at: Timestamp,
    /// Grows with each report of a shift.
    #[garde(range(min = 0))]
    seq: i64,
}

impl TryFrom<PositionReport> for Position {
    type Error = NotAPoint;

    fn try_from(report: PositionReport) -> Result<Self, NotAPoint> {
        let PositionReport {
            lat,
            lng,
            heading,
            speed,
            recorded_at,
            seq,
        } = report;
        Ok(Self {
            point: GeoPoint::parse(lat, lng)?,
            heading,
            speed,
            recorded_at,
            seq,
        })
    }
}

/// One report, an array of up to 100, or such an array under `positions`.
#[derive(Clone, Debug, Validate, ToSchema)]
#[garde(transparent)]
pub(super) struct Reports(#[garde(length(min = 1, max = 100), dive)] Vec<PositionReport>);

impl<'de> Deserialize<'de> for Reports {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let many = match Value::deserialize(from)? {
            Value::Array(many) => many,
            Value::Object(mut object) => match object.remove("positions") {
                Some(Value::Array(many)) => many,
                Some(_) => return Err(de::Error::custom("positions must be an array")),
                None => vec![Value::Object(object)],
            },
            _ => {
                return Err(de::Error::custom(
                    "a position or an array of positions is needed",
                ));
            }
        };
        many.into_iter()
            .map(|one| PositionReport::deserialize(one).map_err(de::Error::custom))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// What became of the reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Taken {
    /// Newer than what was known.
    pub accepted: usize,
    /// Not newer.
    pub dropped: usize,
}

/// Reports where the driver is. Reports whose `seq` is not newer are dropped.
#[utoipa::path(post, path = "/api/drivers/me/location", tag = "drivers", request_body = PositionReport,
    responses((status = 202, body = Taken), (status = 409, description = "not online")))]
pub(super) async fn report(
    State(app): State<AppState>,
    courier: Courier,
    Valid(reports): Valid<Reports>,
) -> Result<(StatusCode, Json<Taken>), ApiError> {
    let taken = take(&app, courier.user_id, reports).await?;
    Ok((StatusCode::ACCEPTED, Json(taken)))
}

/// Stores the newest report, notes it in the index, and publishes all new ones to the order's watchers.
pub(super) async fn take(
    app: &AppState,
    driver_id: Uuid,
    Reports(reports): Reports,
) -> Result<Taken, ApiError> {
    let sent = reports.len();
    let batch: Vec<Position> = reports
        .into_iter()
        .map(Position::try_from)
        .collect::<Result<_, _>>()?;
    let Some(tracked) = app.store().track(driver_id, batch, app.clock.now()).await? else {
        return Err(ApiError::Offline);
    };
    let accepted = tracked.fresh.len();
    if let Some(last) = tracked.fresh.last() {
        app.dispatcher.note_place(driver_id, last.point).await;
        if let Some(order_id) = tracked.order_id {
            let live: Vec<LivePosition> = tracked
                .fresh
                .iter()
                .map(|position| position.live(order_id, driver_id))
                .collect();
            if let Err(error) = app.dispatcher.index().publish(&live).await {
                tracing::debug!(%error, "positions do not reach the customer now");
            }
        }
    }
    Ok(Taken {
        accepted,
        dropped: sent - accepted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"{"lat":52.5,"lng":13.4,"recordedAt":"2026-11-24T08:00:00Z","seq":7}"#;

    fn read(json: &str) -> Result<usize, String> {
        let reports: Reports = serde_json::from_str(json).map_err(|error| error.to_string())?;
        reports.validate().map_err(|report| report.to_string())?;
        Ok(reports.0.len())
    }

    #[test]
    fn one_an_array_and_a_wrapped_array_are_read() {
        assert_eq!(read(ONE), Ok(1));
        assert_eq!(read(&format!("[{ONE},{ONE}]")), Ok(2));
        assert_eq!(read(&format!(r#"{{"positions":[{ONE}]}}"#)), Ok(1));
    }

    #[test]
    fn none_and_more_than_a_hundred_are_refused() {
        assert!(read("[]").is_err());
        assert_eq!(read(&format!("[{}]", vec![ONE; 100].join(","))), Ok(100));
        assert!(read(&format!("[{}]", vec![ONE; 101].join(","))).is_err());
    }

    #[test]
    fn a_point_off_the_map_is_refused_with_its_field() {
        assert!(
            read(&ONE.replace("52.5", "91"))
                .unwrap_err()
                .contains("lat")
        );
        assert!(read("7").is_err());
    }
}

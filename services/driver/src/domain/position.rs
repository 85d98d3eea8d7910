//! Where a driver is, as his phone reports it.
//!
//! `seq` orders reports within one shift: phones resend and networks reorder, so a report that is not newer than the
//! last one taken is dropped rather than trusted by its clock.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::geo::GeoPoint;

/// One report of a driver's phone.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    /// Where.
    pub point: GeoPoint,
    /// Degrees clockwise from north, 0 to 360.
    pub heading: Option<f64>,
    /// Metres per second.
    pub speed: Option<f64>,
    /// When the phone measured it.
    pub recorded_at: Timestamp,
    /// Grows with each report of a shift.
    pub seq: i64,
}

/// What the customer's map gets, published on `positions:<orderId>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LivePosition {
    /// The order that the driver carries.
    pub order_id: Uuid,
    /// The driver.
    pub driver_id: Uuid,
    /// Latitude, degrees.
    pub lat: f64,
    /// Longitude, degrees.
    pub lng: f64,
    /// Degrees clockwise from north.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heading: Option<f64>,
    /// Metres per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
    /// When the phone measured it.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    /// Order among the driver's reports.
    pub seq: i64,
}

impl Position {
    /// This report as the customer of `order_id` sees it.
    pub fn live(&self, order_id: Uuid, driver_id: Uuid) -> LivePosition {
        let Self {
            point,
            heading,
            speed,
            recorded_at,
            seq,
        } = self;
        LivePosition {
            order_id,
            driver_id,
            lat: point.lat(),
            lng: point.lng(),
            heading: *heading,
            speed: *speed,
            recorded_at: *recorded_at,
            seq: *seq,
        }
    }
}

/// The reports of `batch` that are newer than `last_seq`, oldest first, each `seq` once.
pub fn fresh(mut batch: Vec<Position>, last_seq: Option<i64>) -> Vec<Position> {
    batch.retain(|position| last_seq.is_none_or(|last| position.seq > last));
    batch.sort_by_key(|position| position.seq);
    batch.dedup_by_key(|position| position.seq);
    batch
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn position(seq: i64) -> Position {
        Position {
            point: GeoPoint::parse(52.0, 13.0).unwrap(),
            heading: None,
            speed: None,
            recorded_at: Timestamp::UNIX_EPOCH,
            seq,
        }
    }

    proptest! {
        #[test]
        fn fresh_positions_grow_strictly_from_the_last_taken(
            seqs in prop::collection::vec(-50..50_i64, 0..100), last in prop::option::of(-50..50_i64),
        ) {
            let kept: Vec<i64> = fresh(seqs.iter().copied().map(position).collect(), last)
                .iter().map(|position| position.seq).collect();
            prop_assert!(kept.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(kept.first().is_none_or(|first| last.is_none_or(|last| *first > last)));
            for seq in seqs {
                prop_assert_eq!(kept.contains(&seq), last.is_none_or(|last| seq > last));
            }
        }
    }
}

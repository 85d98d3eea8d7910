//! Points on the map and the distance between them.
//!
//! Distances are great-circle (haversine on a sphere), the same formula that Redis GEO uses, so that the index and
//! the fallback agree on who is nearest.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Mean radius that Redis GEO computes with, metres.
const EARTH_RADIUS_M: f64 = 6_372_797.560_856;

/// A point, WGS 84 degrees; always within range and finite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "RawPoint")]
pub struct GeoPoint {
    /// Latitude, −90 to 90.
    lat: f64,
    /// Longitude, −180 to 180.
    lng: f64,
}

/// Degrees as they come in, before the check.
#[derive(Deserialize)]
struct RawPoint {
    lat: f64,
    lng: f64,
}

/// The numbers are not a point on earth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAPoint {
    /// Outside −90 to 90.
    #[error("lat must be between -90 and 90")]
    Latitude,
    /// Outside −180 to 180.
    #[error("lng must be between -180 and 180")]
    Longitude,
}

impl NotAPoint {
    /// Which number it is.
    pub fn field(self) -> &'static str {
        match self {
            Self::Latitude => "lat",
            Self::Longitude => "lng",
        }
    }
}

impl TryFrom<RawPoint> for GeoPoint {
    type Error = NotAPoint;

    fn try_from(raw: RawPoint) -> Result<Self, NotAPoint> {
        Self::parse(raw.lat, raw.lng)
    }
}

impl GeoPoint {
    /// Takes degrees; refuses what is out of range or not a number.
    pub fn parse(lat: f64, lng: f64) -> Result<Self, NotAPoint> {
        if !(-90.0..=90.0).contains(&lat) {
            return Err(NotAPoint::Latitude);
        }
        if !(-180.0..=180.0).contains(&lng) {
            return Err(NotAPoint::Longitude);
        }
        Ok(Self { lat, lng })
    }

    /// Latitude in degrees.
    pub fn lat(self) -> f64 {
        self.lat
    }

    /// Longitude in degrees.
    pub fn lng(self) -> f64 {
        self.lng
    }

    /// Metres along the great circle to `other`.
    pub fn distance_m(self, other: Self) -> f64 {
        let (lat1, lat2) = (self.lat.to_radians(), other.lat.to_radians());
        let u = ((lat2 - lat1) / 2.0).sin();
        let v = ((other.lng - self.lng).to_radians() / 2.0).sin();
        let h = u * u + lat1.cos() * lat2.cos() * v * v;
        2.0 * EARTH_RADIUS_M * h.sqrt().min(1.0).asin()
    }
}

/// A rectangle of degrees that holds at least the circle it was made around: a coarse first filter for an index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeoBox {
    /// Least latitude.
    pub south: f64,
    /// Greatest latitude.
    pub north: f64,
    /// Least longitude.
    pub west: f64,
    /// Greatest longitude.
    pub east: f64,
}

impl GeoBox {
    /// Everywhere.
    pub const EARTH: Self = Self {
        south: -90.0,
        north: 90.0,
        west: -180.0,
        east: 180.0,
    };

    /// The box around a circle of `radius_m` metres; all longitudes where it holds a pole or crosses the date line.
    pub fn around(center: GeoPoint, radius_m: f64) -> Self {
        let lat_span = (radius_m / EARTH_RADIUS_M).to_degrees();
        let (south, north) = (center.lat - lat_span, center.lat + lat_span);
        if south <= -90.0 || north >= 90.0 {
            return Self {
                south: south.max(-90.0),
                north: north.min(90.0),
                ..Self::EARTH
            };
        }
        // The widest parallel of the circle lies towards the pole.
        let widest = south.abs().max(north.abs()).to_radians().cos();
        let lng_span = lat_span / widest;
        let (west, east) = (center.lng - lng_span, center.lng + lng_span);
        if west < -180.0 || east > 180.0 {
            return Self {
                south,
                north,
                ..Self::EARTH
            };
        }
        Self {
            south,
            north,
            west,
            east,
        }
    }

    /// Whether the point lies inside or on the edge.
    pub fn contains(&self, point: GeoPoint) -> bool {
        (self.south..=self.north).contains(&point.lat)
            && (self.west..=self.east).contains(&point.lng)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point() -> impl Strategy<Value = GeoPoint> {
        (-90.0..=90.0_f64, -180.0..=180.0_f64)
            .prop_map(|(lat, lng)| GeoPoint::parse(lat, lng).unwrap())
    }

    #[test]
    fn berlin_to_hamburg_is_about_255_km() {
        let berlin = GeoPoint::parse(52.52, 13.405).unwrap();
        let hamburg = GeoPoint::parse(53.551, 9.993).unwrap();
        assert!((berlin.distance_m(hamburg) - 255_000.0).abs() < 2_000.0);
    }

    #[test]
    fn what_is_not_a_number_is_not_a_point() {
        assert_eq!(GeoPoint::parse(f64::NAN, 0.0), Err(NotAPoint::Latitude));
        assert_eq!(
            GeoPoint::parse(0.0, f64::INFINITY),
            Err(NotAPoint::Longitude)
        );
        assert_eq!(GeoPoint::parse(90.1, 0.0), Err(NotAPoint::Latitude));
    }

    proptest! {
        #[test]
        fn a_box_holds_every_point_of_its_circle(
            center in point(), d_lat in -1.0..1.0_f64, d_lng in -3.0..3.0_f64, radius in 1.0..200_000.0_f64,
        ) {
            let lng = (center.lng() + d_lng + 540.0).rem_euclid(360.0) - 180.0;
            let lat = (center.lat() + d_lat).clamp(-90.0, 90.0);
            let other = GeoPoint::parse(lat, lng).unwrap();
            if center.distance_m(other) < radius {
                prop_assert!(GeoBox::around(center, radius).contains(other));
            }
        }

        #[test]
        fn distance_is_symmetric_finite_and_at_most_half_the_globe(a in point(), b in point()) {
            let there = a.distance_m(b);
            prop_assert!((there - b.distance_m(a)).abs() < 1e-3);
            prop_assert!((0.0..=EARTH_RADIUS_M * std::f64::consts::PI + 1.0).contains(&there));
        }
    }
}

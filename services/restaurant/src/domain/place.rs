//! Where a restaurant is, and when it says it is there.
//!
//! Opening hours are information for guests; whether orders are taken is the `open` switch alone.
//! Deriving one from the other would need the restaurant's time zone and its holidays.

/// A point on the earth, WGS 84 degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Location {
    /// −90 to 90.
    pub lat: f64,
    /// −180 to 180.
    pub lng: f64,
}

/// A postal address with its point.
#[derive(Debug, Clone, PartialEq)]
pub struct Address {
    /// Street and number.
    pub street: String,
    /// Town.
    pub city: String,
    /// Postal code, as written locally.
    pub postal_code: String,
    /// Where it is.
    pub location: Location,
}

/// A day of the week.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

/// One span of a day, local wall-clock `HH:MM`; a span that closes before it opens runs past midnight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpeningHours {
    /// Which day it begins.
    pub day: Day,
    /// `HH:MM`.
    pub opens: String,
    /// `HH:MM`.
    pub closes: String,
}

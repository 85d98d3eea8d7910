//! Request bodies, and the domain values they are parsed into.

use garde::Validate;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::domain::place::{Address, Day, Location, OpeningHours};
use crate::domain::restaurant::{Details, DetailsPatch};

/// Where a restaurant is.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
pub(super) struct LocationBody {
    /// −90 to 90.
    #[garde(range(min = -90.0, max = 90.0))]
    lat: f64,
    /// −180 to 180.
    #[garde(range(min = -180.0, max = 180.0))]
    lng: f64,
}

/// A postal address with its point.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AddressBody {
    /// Street and number.
    #[garde(length(chars, max = 200), custom(one_line))]
    street: String,
    /// Town.
    #[garde(length(chars, max = 100), custom(one_line))]
    city: String,
    /// Postal code.
    #[garde(length(chars, max = 20), custom(one_line))]
    postal_code: String,
    /// Where it is.
    #[garde(dive)]
    location: LocationBody,
}

/// One span of a day, local wall-clock; one that closes before it opens runs past midnight.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
pub(super) struct HoursBody {
    /// Which day it begins.
    #[garde(skip)]
    day: Day,
    /// `HH:MM`.
    #[garde(custom(wall_clock))]
    #[schema(example = "18:00")]
    opens: String,
    /// `HH:MM`.
    #[garde(custom(wall_clock))]
    #[schema(example = "02:00")]
    closes: String,
}

/// A new restaurant.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateRestaurant {
    /// What guests read, 1–120 characters.
    #[garde(length(chars, max = 120), custom(one_line))]
    name: String,
    /// More about it, up to 2,000 characters.
    #[garde(length(chars, max = 2000), custom(prose))]
    #[serde(default)]
    description: String,
    /// Kinds of kitchen, up to 10 of up to 40 characters.
    #[garde(length(max = 10), inner(length(chars, max = 40), custom(one_line)))]
    #[serde(default)]
    cuisine: Vec<String>,
    /// Where it is.
    #[garde(dive)]
    address: AddressBody,
    /// ISO 4217 code of its prices; cannot be changed later.
    #[garde(skip)]
    #[schema(example = "EUR")]
    pub(super) currency: String,
    /// When it says it is open; information for guests.
    #[garde(length(max = 50), dive)]
    #[serde(default)]
    opening_hours: Option<Vec<HoursBody>>,
    /// Whether orders are accepted without the owner.
    #[garde(skip)]
    #[serde(default)]
    auto_accept: Option<bool>,
}

/// What of a restaurant is to change; what is left out stays.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdateRestaurant {
    /// What guests read.
    #[garde(inner(length(chars, max = 120), custom(one_line)))]
    name: Option<String>,
    /// More about it.
    #[garde(inner(length(chars, max = 2000), custom(prose)))]
    description: Option<String>,
    /// Kinds of kitchen.
    #[garde(custom(cuisines))]
    cuisine: Option<Vec<String>>,
    /// Where it is.
    #[garde(dive)]
    address: Option<AddressBody>,
    /// When it says it is open; `null` empties it.
    #[garde(custom(patched_hours))]
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<HoursBody>>)]
    opening_hours: Option<Option<Vec<HoursBody>>>,
    /// Whether orders are accepted without the owner.
    #[garde(skip)]
    auto_accept: Option<bool>,
}

/// A new item.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
pub(super) struct CreateItem {
    /// What guests read, 1–120 characters.
    #[garde(length(chars, max = 120), custom(one_line))]
    pub(super) name: String,
    /// More about it, up to 1,000 characters.
    #[garde(inner(length(chars, max = 1000), custom(prose)))]
    pub(super) description: Option<String>,
    /// Decimal string or number, in the restaurant's currency.
    #[garde(skip)]
    #[schema(example = "12.99")]
    pub(super) price: Decimal,
    /// Whether it can be ordered now; `true` when left out.
    #[garde(skip)]
    pub(super) available: Option<bool>,
}

/// What of an item is to change; what is left out stays.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
pub(super) struct UpdateItem {
    /// What guests read.
    #[garde(inner(length(chars, max = 120), custom(one_line)))]
    pub(super) name: Option<String>,
    /// More about it; `null` removes it.
    #[garde(inner(inner(length(chars, max = 1000), custom(prose))))]
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(super) description: Option<Option<String>>,
    /// Decimal string or number.
    #[garde(skip)]
    #[schema(example = "12.99")]
    pub(super) price: Option<Decimal>,
    /// Whether it can be ordered now.
    #[garde(skip)]
    pub(super) available: Option<bool>,
}

impl From<AddressBody> for Address {
    fn from(body: AddressBody) -> Self {
        let AddressBody {
            street,
            city,
            postal_code,
            location,
        } = body;
        let LocationBody { lat, lng } = location;
        Self {
            street: trimmed(street),
            city: trimmed(city),
            postal_code: trimmed(postal_code),
            location: Location { lat, lng },
        }
    }
}

impl From<HoursBody> for OpeningHours {
    fn from(HoursBody { day, opens, closes }: HoursBody) -> Self {
        Self { day, opens, closes }
    }
}

impl From<CreateRestaurant> for Details {
    fn from(body: CreateRestaurant) -> Self {
        let CreateRestaurant {
            name,
            description,
            cuisine,
            address,
            currency: _,
            opening_hours,
            auto_accept,
        } = body;
        Self {
            name: trimmed(name),
            description: trimmed(description),
            cuisine: cuisine.into_iter().map(trimmed).collect(),
            address: address.into(),
            opening_hours: hours(opening_hours.unwrap_or_default()),
            auto_accept: auto_accept.unwrap_or(false),
        }
    }
}

impl From<UpdateRestaurant> for DetailsPatch {
    fn from(body: UpdateRestaurant) -> Self {
        let UpdateRestaurant {
            name,
            description,
            cuisine,
            address,
            opening_hours,
            auto_accept,
        } = body;
        Self {
            name: name.map(trimmed),
            description: description.map(trimmed),
            cuisine: cuisine.map(|cuisine| cuisine.into_iter().map(trimmed).collect()),
            address: address.map(Address::from),
            opening_hours: opening_hours.map(|some| hours(some.unwrap_or_default())),
            auto_accept,
        }
    }
}

fn hours(bodies: Vec<HoursBody>) -> Vec<OpeningHours> {
    bodies.into_iter().map(OpeningHours::from).collect()
}

/// Text without the space around it.
pub(super) fn trimmed(text: String) -> String {
    text.trim().to_owned()
}

/// Tells a `null` (`Some(None)`) from a field that is left out (`None`).
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// What stands in one line. Control characters show nothing to guests and forge lines in a terminal;
/// NUL is refused before, in any body.
fn one_line(text: &str, _: &()) -> garde::Result {
    let text = text.trim();
    if text.is_empty() {
        return Err(garde::Error::new("must not be blank"));
    }
    if text.chars().any(char::is_control) {
        return Err(garde::Error::new("must not have control characters"));
    }
    Ok(())
}

/// What may have paragraphs: breaks and tabs are its only control characters.
fn prose(text: &str, _: &()) -> garde::Result {
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if text.chars().any(odd) {
        return Err(garde::Error::new("must not have control characters"));
    }
    Ok(())
}

fn cuisines(list: &Option<Vec<String>>, context: &()) -> garde::Result {
    let list = list.as_deref().unwrap_or_default();
    if list.len() > 10 {
        return Err(garde::Error::new("has at most 10 entries"));
    }
    for cuisine in list {
        one_line(cuisine, context)?;
        if cuisine.chars().count() > 40 {
            return Err(garde::Error::new("an entry has at most 40 characters"));
        }
    }
    Ok(())
}

fn patched_hours(hours: &Option<Option<Vec<HoursBody>>>, context: &()) -> garde::Result {
    let hours = hours.iter().flatten().flatten();
    for (at, span) in hours.enumerate() {
        if at >= 50 {
            return Err(garde::Error::new("has at most 50 entries"));
        }
        wall_clock(&span.opens, context)?;
        wall_clock(&span.closes, context)?;
    }
    Ok(())
}

fn wall_clock(text: &str, _: &()) -> garde::Result {
    let two = |text: &str, below: u8| {
        text.len() == 2
            && text.bytes().all(|b| b.is_ascii_digit())
            && text.parse().is_ok_and(|n: u8| n < below)
    };
    match text.split_once(':') {
        Some((hour, minute)) if two(hour, 24) && two(minute, 60) => Ok(()),
        _ => Err(garde::Error::new("is a time of day like 18:30")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_has_two_digits_on_both_sides() {
        for good in ["00:00", "23:59", "09:05"] {
            assert!(wall_clock(good, &()).is_ok(), "{good}");
        }
        for bad in [
            "", "24:00", "9:05", "12:60", "+1:00", "12-00", "ab:cd", "12:0é",
        ] {
            assert!(wall_clock(bad, &()).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_text_with_paragraphs_has_breaks_and_none_has_other_control_characters() {
        for text in ["a\0b", "a\u{7}b", "a\u{1b}[2J", "a\u{9b}b"] {
            assert!(one_line(text, &()).is_err(), "{text:?}");
            assert!(prose(text, &()).is_err(), "{text:?}");
        }
        assert!(one_line("two\nlines", &()).is_err());
        assert!(prose("two\nlines\tand a tab", &()).is_ok());
        assert!(one_line(" Größe 🍕 ", &()).is_ok());
        assert!(one_line(" \n", &()).is_err());
    }

    #[test]
    fn null_and_left_out_are_told_apart() {
        let patch = |json| {
            serde_json::from_str::<UpdateItem>(json)
                .expect("a patch")
                .description
        };
        assert_eq!(patch("{}"), None);
        assert_eq!(patch(r#"{"description": null}"#), Some(None));
        assert_eq!(patch(r#"{"description": "x"}"#), Some(Some("x".to_owned())));
    }

    #[test]
    fn a_price_is_a_string_or_a_number() {
        for json in [
            r#"{"name": "n", "price": "12.99"}"#,
            r#"{"name": "n", "price": 12.99}"#,
        ] {
            let item: CreateItem = serde_json::from_str(json).expect("an item");
            assert_eq!(item.price.to_string(), "12.99");
        }
        assert!(serde_json::from_str::<CreateItem>(r#"{"name": "n", "price": "x"}"#).is_err());
    }
}

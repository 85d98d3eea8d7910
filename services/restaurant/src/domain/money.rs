//! Money: a currency, and an amount in its minor units.
//!
//! Inside, and in MongoDB, an amount is an `i64` of minor units (cents): sums are exact and the
//! database sorts them. Outside it is a decimal. The number of minor digits belongs to the currency
//! (ISO 4217), so a price can only be read together with one.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

/// The largest price of a menu item, in major units.
const LARGEST: i64 = 1_000_000;

/// ISO 4217 codes without minor units.
const WITHOUT_MINOR: [&str; 15] = [
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV",
    "XAF", "XOF",
];
/// ISO 4217 codes with three minor digits.
const WITH_THREE: [&str; 7] = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

/// What is wrong with an amount or a currency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not three letters.
    #[error("a currency is three letters, like EUR")]
    Currency,
    /// Below zero.
    #[error("a price cannot be negative")]
    Negative,
    /// Above the largest price.
    #[error("a price is at most {LARGEST}")]
    TooLarge,
    /// Finer than the currency's smallest unit.
    #[error("{currency} has {digits} decimal places at most")]
    TooFine {
        /// The currency's code.
        currency: String,
        /// How many decimal places it has.
        digits: u32,
    },
}

/// An ISO 4217 code, upper case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Currency(String);

impl Currency {
    /// Reads a code in either case. Unknown codes of the right shape are taken: the list of
    /// currencies changes more often than this service.
    ///
    /// # Errors
    /// [`MoneyError::Currency`] unless it is three ASCII letters.
    pub fn parse(code: &str) -> Result<Self, MoneyError> {
        if code.len() == 3 && code.bytes().all(|b| b.is_ascii_alphabetic()) {
            Ok(Self(code.to_ascii_uppercase()))
        } else {
            Err(MoneyError::Currency)
        }
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0
    }

    /// Decimal places of the smallest unit.
    #[must_use]
    pub fn digits(&self) -> u32 {
        if WITHOUT_MINOR.contains(&self.code()) {
            0
        } else if WITH_THREE.contains(&self.code()) {
            3
        } else {
            2
        }
    }
}

/// A price of a menu item, in minor units of its restaurant's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(i64);

impl Price {
    /// Reads a decimal of `currency`.
    ///
    /// # Errors
    /// Negative, above 1,000,000, or finer than the currency.
    pub fn parse(amount: Decimal, currency: &Currency) -> Result<Self, MoneyError> {
        if amount.is_sign_negative() && !amount.is_zero() {
            return Err(MoneyError::Negative);
        }
        if amount > Decimal::from(LARGEST) {
            return Err(MoneyError::TooLarge);
        }
        let digits = currency.digits();
        let minor = amount.normalize() * Decimal::from(10_i64.pow(digits));
        if !minor.fract().is_zero() {
            let currency = currency.code().to_owned();
            return Err(MoneyError::TooFine { currency, digits });
        }
        minor.to_i64().map(Self).ok_or(MoneyError::TooLarge)
    }

    /// From stored minor units.
    #[must_use]
    pub fn from_minor(minor: i64) -> Self {
        Self(minor)
    }

    /// Minor units, for storing.
    #[must_use]
    pub fn minor(self) -> i64 {
        self.0
    }

    /// As a decimal with the currency's number of places: `12.99`, `5.00`.
    #[must_use]
    pub fn decimal(self, currency: &Currency) -> Decimal {
        Decimal::new(self.0, currency.digits())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn currency(code: &str) -> Currency {
        Currency::parse(code).expect("a currency")
    }

    fn parse(text: &str, code: &str) -> Result<Price, MoneyError> {
        Price::parse(text.parse().expect("a decimal"), &currency(code))
    }

    #[test]
    fn a_price_is_shown_with_all_its_places() {
        let price = parse("12.9", "EUR").expect("a price");
        assert_eq!(price.minor(), 1290);
        assert_eq!(price.decimal(&currency("EUR")).to_string(), "12.90");
    }

    #[test]
    fn trailing_zeros_do_not_make_a_price_too_fine() {
        assert_eq!(parse("12.9900000", "EUR"), Ok(Price::from_minor(1299)));
        assert_eq!(parse("1200.0", "JPY"), Ok(Price::from_minor(1200)));
    }

    #[test]
    fn a_price_finer_than_its_currency_is_refused() {
        assert!(matches!(
            parse("1.001", "EUR"),
            Err(MoneyError::TooFine { digits: 2, .. })
        ));
        assert!(matches!(
            parse("1.5", "JPY"),
            Err(MoneyError::TooFine { digits: 0, .. })
        ));
        assert_eq!(parse("1.001", "KWD"), Ok(Price::from_minor(1001)));
    }

    #[test]
    fn negative_and_huge_prices_are_refused() {
        assert_eq!(parse("-0.01", "EUR"), Err(MoneyError::Negative));
        assert_eq!(parse("1000000.01", "EUR"), Err(MoneyError::TooLarge));
        assert_eq!(
            parse("79228162514264337593543950335", "EUR"),
            Err(MoneyError::TooLarge)
        );
    }

    #[test]
    fn a_currency_is_three_letters() {
        assert_eq!(currency("eur").code(), "EUR");
        for wrong in ["", "EU", "EURO", "E1R", "€€€"] {
            assert_eq!(Currency::parse(wrong), Err(MoneyError::Currency), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_stored_price_reads_back_as_itself(minor in 0_i64..=100_000_000, code in "[A-Z]{3}") {
            let currency = currency(&code);
            let price = Price::from_minor(minor);
            if price.decimal(&currency) <= Decimal::from(LARGEST) {
                prop_assert_eq!(Price::parse(price.decimal(&currency), &currency), Ok(price));
            }
        }
    }
}

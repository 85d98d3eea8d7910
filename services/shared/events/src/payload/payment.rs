//! Facts of payment-service: where an order's money is.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::snapshots;

/// A payment as it stood when the fact happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentSnapshot {
    /// The payment.
    pub payment_id: Uuid,
    /// The order it pays.
    pub order_id: Uuid,
    /// Who pays.
    pub customer_id: Uuid,
    /// How much.
    pub amount: Decimal,
    /// ISO 4217 code.
    pub currency: String,
    /// Why, on decline and failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

snapshots!("payment", PaymentSnapshot =>
    /// `payment.authorized`: the amount is held.
    Authorized: "payment.authorized",
    /// `payment.declined`: nothing is held.
    Declined: "payment.declined",
    /// `payment.captured`: the money moved.
    Captured: "payment.captured",
    /// `payment.voided`: the hold is released.
    Voided: "payment.voided",
    /// `payment.refunded`: the money moved back.
    Refunded: "payment.refunded",
    /// `payment.failed`: the provider failed for good.
    Failed: "payment.failed",
);

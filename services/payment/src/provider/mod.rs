//! Where money really moves: a payment provider behind a trait.
//!
//! A provider is somebody else's machine. It must honour idempotency keys (a call that is repeated
//! under its key has one effect and the same answer), because a lost answer is all that a network
//! promises; and a hold is named by us, so that it can be released when its answer never came.

pub mod sandbox;

use async_trait::async_trait;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::domain::payment::{Operation, Refusal};

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The same for every repetition of the call.
    pub key: String,
    /// Our name of the payment.
    pub payment_id: Uuid,
    /// What is to be done.
    pub operation: Operation,
    /// How much.
    pub amount: Decimal,
    /// ISO 4217.
    pub currency: String,
    /// The customer's means of payment.
    pub token: String,
}

/// What the provider said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Done; the provider's name for the authorisation.
    Done {
        /// For looking it up at the provider.
        reference: String,
    },
    /// Not done, for good.
    Refused(Refusal),
}

/// There is no answer: it may or may not have happened. Ask again under the same key.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The provider is out of order.
    #[error("the payment provider is out of order")]
    OutOfOrder,
    /// The provider's books cannot be reached.
    #[error("the payment provider cannot be reached")]
    Unreachable(#[source] anyhow::Error),
}

/// A payment provider.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// Makes one call. The caller puts a time limit on it.
    ///
    /// # Errors
    /// [`ProviderError`] when the outcome is not known.
    async fn call(&self, request: &Request) -> Result<Answer, ProviderError>;
}

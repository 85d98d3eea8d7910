//! The sandbox provider: the token decides what happens.
//!
//! It keeps books in tables of its own and in transactions of its own, as a remote provider would
//! keep them on its own machine: so it still knows after this process was killed what it did before,
//! and tests count real effects. `tok_timeout` holds the money and then never answers, which is the
//! worst that "no answer" can mean.

use async_trait::async_trait;
use sqlx::{PgPool, Row as _};

use super::{Answer, Provider, ProviderError, Request};
use crate::domain::payment::{Operation, Refusal};

/// How often `tok_flaky` fails before it works.
const FLAKY_FAILURES: i32 = 2;
const DONE: &str = "done";

/// A provider that moves no money.
#[derive(Debug, Clone)]
pub struct Sandbox {
    books: PgPool,
}

/// What a token and the books decide.
enum Fate {
    Done,
    Refused(&'static str),
    Fails,
    /// Done, and nobody ever hears of it.
    Silent,
}

impl Sandbox {
    /// A sandbox whose books are in this database.
    #[must_use]
    pub fn new(books: PgPool) -> Self {
        Self { books }
    }

    /// Counts the attempt; the earlier outcome under this key, where there is one.
    async fn enter(&self, request: &Request) -> Result<(i32, Option<String>), sqlx::Error> {
        let token = (request.operation == Operation::Authorize).then_some(&request.token);
        let row = sqlx::query(
            "INSERT INTO sandbox_ledger (key, payment, call, amount, token) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (key) DO UPDATE SET attempts = sandbox_ledger.attempts + 1 \
             RETURNING attempts, outcome",
        )
        .bind(&request.key)
        .bind(request.payment_id)
        .bind(request.operation.name())
        .bind(request.amount)
        .bind(token)
        .fetch_one(&self.books)
        .await?;
        Ok((row.try_get("attempts")?, row.try_get("outcome")?))
    }

    async fn decide(&self, request: &Request, attempts: i32) -> Result<Fate, sqlx::Error> {
        if request.operation == Operation::Authorize {
            return Ok(match request.token.as_str() {
                "tok_ok" | "tok_capture_fails" => Fate::Done,
                "tok_declined" => Fate::Refused("card_declined"),
                "tok_insufficient_funds" => Fate::Refused("insufficient_funds"),
                "tok_timeout" => Fate::Silent,
                "tok_flaky" if attempts <= FLAKY_FAILURES => Fate::Fails,
                "tok_flaky" => Fate::Done,
                _ => Fate::Refused("unknown_token"),
            });
        }
        // Which calls about this payment were done, and with which token it is held.
        let done: Vec<(String, Option<String>)> = sqlx::query_as(
            "SELECT call, token FROM sandbox_ledger WHERE payment = $1 AND outcome = $2",
        )
        .bind(request.payment_id)
        .bind(DONE)
        .fetch_all(&self.books)
        .await?;
        let was = |operation: Operation| done.iter().any(|(call, _)| call == operation.name());
        let token = done.iter().find_map(|(_, token)| token.as_deref());
        Ok(match request.operation {
            Operation::Authorize => Fate::Done,
            Operation::Capture if token == Some("tok_capture_fails") => {
                Fate::Refused("capture_failed")
            }
            Operation::Capture if !was(Operation::Authorize) || was(Operation::Void) => {
                Fate::Refused("nothing_held")
            }
            Operation::Void if was(Operation::Capture) => Fate::Refused("already_captured"),
            Operation::Refund if !was(Operation::Capture) => Fate::Refused("nothing_captured"),
            Operation::Capture | Operation::Void | Operation::Refund => Fate::Done,
        })
    }

    async fn leave(&self, request: &Request, outcome: &str) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE sandbox_ledger SET outcome = $2 WHERE key = $1")
            .bind(&request.key)
            .bind(outcome)
            .execute(&self.books)
            .await
            .map(drop)
    }
}

#[async_trait]
impl Provider for Sandbox {
    async fn call(&self, request: &Request) -> Result<Answer, ProviderError> {
        let (attempts, known) = self.enter(request).await.map_err(unreachable)?;
        let silent = request.operation == Operation::Authorize && request.token == "tok_timeout";
        if let Some(outcome) = known.filter(|_| !silent) {
            return Ok(answer(request, &outcome));
        }
        let outcome = match self.decide(request, attempts).await.map_err(unreachable)? {
            Fate::Fails => return Err(ProviderError::OutOfOrder),
            Fate::Refused(code) => code,
            Fate::Done | Fate::Silent => DONE,
        };
        self.leave(request, outcome).await.map_err(unreachable)?;
        if silent {
            std::future::pending::<()>().await;
        }
        Ok(answer(request, outcome))
    }
}

fn answer(request: &Request, outcome: &str) -> Answer {
    if outcome == DONE {
        return Answer::Done {
            reference: format!("sandbox_{}", request.payment_id.simple()),
        };
    }
    let message = match outcome {
        "card_declined" => "the card was declined",
        "insufficient_funds" => "there are not enough funds",
        "capture_failed" => "the money could not be taken",
        "unknown_token" => "the payment method is not known",
        "nothing_held" => "nothing is held",
        "already_captured" => "the money was already taken",
        "nothing_captured" => "no money was taken",
        _ => "the provider refused",
    };
    Answer::Refused(Refusal::new(outcome, message))
}

fn unreachable(error: sqlx::Error) -> ProviderError {
    ProviderError::Unreachable(error.into())
}

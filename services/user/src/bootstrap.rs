//! The first admin: nobody can register as one.

use std::time::Duration;

use quickbite_auth::Role;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::domain::{Email, Password, PersonName, User};
use crate::error::ApiError;
use crate::events;
use crate::state::AppState;
use crate::store::{Credentials, InsertError};

const RETRY: Duration = Duration::from_secs(2);

/// The account to make.
#[derive(Debug, Clone)]
pub struct AdminAccount {
    /// Its e-mail address.
    pub email: Email,
    /// Its password.
    pub password: Password,
}

/// What was found, or done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Made,
    PasswordSet,
    Left,
}

/// Makes the account if its e-mail address has none, trying until the database is there. Of an account
/// that exists only the password is touched, and only when the configured one is another than at the
/// last start: one that was changed since by the admin stays.
pub async fn ensure(admin: AdminAccount, app: AppState, stop: CancellationToken) {
    let mut told = false;
    loop {
        match try_ensure(&admin, &app).await {
            Ok(Outcome::Made) => return tracing::info!("made the first admin"),
            Ok(Outcome::PasswordSet) => {
                return tracing::info!("set the first admin's password to the configured one");
            }
            Ok(Outcome::Left) => return,
            Err(error) if !told => {
                told = true;
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the first admin waits");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

async fn try_ensure(admin: &AdminAccount, app: &AppState) -> Result<Outcome, ApiError> {
    match app.store.credentials(&admin.email).await? {
        Some(known) => follow(admin, &known, app).await,
        None => make(admin, app).await,
    }
}

async fn make(admin: &AdminAccount, app: &AppState) -> Result<Outcome, ApiError> {
    let hash = app.passwords.hash(admin.password.clone()).await?;
    let now = app.clock.now();
    let user = User {
        id: Uuid::now_v7(),
        email: admin.email.clone(),
        name: PersonName::parse("Administrator").ok_or(ApiError::AccountGone)?,
        phone: None,
        role: Role::Admin,
        disabled_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    match app
        .store
        .insert_user(&user, &hash, None, &[events::registered(&user)])
        .await
    {
        Ok(()) => {
            app.store.remember_bootstrap(user.id, &hash).await?;
            Ok(Outcome::Made)
        }
        // Another replica was quicker.
        Err(InsertError::EmailTaken) => Ok(Outcome::Left),
        Err(InsertError::Database(error)) => Err(error.into()),
    }
}

/// Follows the configured password where it is not the one of the last start. A process that dies in
/// between does the same again at its next start.
async fn follow(
    admin: &AdminAccount,
    known: &Credentials,
    app: &AppState,
) -> Result<Outcome, ApiError> {
    let id = known.user.id;
    let (password, said) = (&admin.password, app.store.bootstrap_hash(id).await?);
    if said.is_some()
        && app
            .passwords
            .is_right(password.clone(), said.clone())
            .await?
    {
        return Ok(Outcome::Left);
    }
    let hash = app.passwords.hash(password.clone()).await?;
    let mut outcome = Outcome::Left;
    if said.is_some() {
        let revoked = app
            .store
            .change_password(id, &known.password_hash, &hash, None, app.clock.now())
            .await?
            .ok_or(ApiError::ChangedMeanwhile)?;
        app.announcer.announce(&revoked).await;
        outcome = Outcome::PasswordSet;
    }
    app.store.remember_bootstrap(id, &hash).await?;
    Ok(outcome)
}

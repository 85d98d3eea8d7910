//! The first admin: nobody can register as one.

use std::time::Duration;

use quickbite_auth::Role;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::domain::{Email, Password, PersonName, User};
use crate::error::ApiError;
use crate::events;
use crate::state::AppState;
use crate::store::InsertError;

const RETRY: Duration = Duration::from_secs(2);

/// The account to make.
#[derive(Debug, Clone)]
pub struct AdminAccount {
    /// Its e-mail address.
    pub email: Email,
    /// Its password.
    pub password: Password,
}

/// Makes the account if its e-mail address has none, trying until the database is there. An account
/// that exists stays as it is: its password may have been changed for good reason.
pub async fn ensure(admin: AdminAccount, app: AppState, stop: CancellationToken) {
    let mut told = false;
    loop {
        match try_ensure(&admin, &app).await {
            Ok(true) => return tracing::info!("made the first admin"),
            Ok(false) => return,
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

/// Whether it was made now.
async fn try_ensure(admin: &AdminAccount, app: &AppState) -> Result<bool, ApiError> {
    let AdminAccount { email, password } = admin;
    if app.store.credentials(email).await?.is_some() {
        return Ok(false);
    }
    let hash = app.passwords.hash(password.clone()).await?;
    let now = app.clock.now();
    let user = User {
        id: Uuid::now_v7(),
        email: email.clone(),
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
        Ok(()) => Ok(true),
        // Another replica was quicker.
        Err(InsertError::EmailTaken) => Ok(false),
        Err(InsertError::Database(error)) => Err(error.into()),
    }
}

//! Accounts.

use jiff_sqlx::{Timestamp as SqlTime, ToSqlx};
use quickbite_auth::Role;
use quickbite_events::{Outgoing, outbox};
use quickbite_postgres::is_unique_violation;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::sessions::{self, NewSession, Revoked, RevokedBecause};
use super::{Store, corrupt};
use crate::domain::{Email, PersonName, Phone, User};

const EMAIL_IS_UNIQUE: &str = "users_email_key";

/// Why an account was not made.
#[derive(Debug, thiserror::Error)]
pub enum InsertError {
    /// The e-mail address has one.
    #[error("the e-mail address has an account")]
    EmailTaken,
    /// The database.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// Why an account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError<E> {
    /// The rule said no.
    #[error("the change is refused")]
    Refused(E),
    /// The database.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// An account and the hash of its password.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The account.
    pub user: User,
    /// A PHC string.
    pub password_hash: String,
}

/// An account after a change, and the sessions that it ended.
#[derive(Debug, Clone)]
pub struct Changed {
    /// The account.
    pub user: User,
    /// What ended.
    pub revoked: Vec<Revoked>,
}

/// Which accounts a list is of.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// Only of this role.
    pub role: Option<Role>,
    /// Only with this e-mail address.
    pub email: Option<Email>,
}

#[derive(FromRow)]
struct UserRow {
    id: Uuid,
    email: String,
    name: String,
    phone: Option<String>,
    role: String,
    password_hash: String,
    disabled_at: Option<SqlTime>,
    version: i64,
    created_at: SqlTime,
    updated_at: SqlTime,
}

impl TryFrom<UserRow> for Credentials {
    type Error = sqlx::Error;

    fn try_from(row: UserRow) -> Result<Self, sqlx::Error> {
        let UserRow {
            id,
            email,
            name,
            phone,
            role,
            password_hash,
            disabled_at,
            version,
            created_at,
            updated_at,
        } = row;
        let user = User {
            id,
            email: Email::parse(&email).map_err(|_| corrupt("e-mail address"))?,
            name: PersonName::parse(&name).ok_or_else(|| corrupt("name"))?,
            phone: phone
                .map(|phone| Phone::parse(&phone).ok_or_else(|| corrupt("phone number")))
                .transpose()?,
            role: role.parse().map_err(|_| corrupt("role"))?,
            disabled_at: disabled_at.map(SqlTime::to_jiff),
            version,
            created_at: created_at.to_jiff(),
            updated_at: updated_at.to_jiff(),
        };
        Ok(Self {
            user,
            password_hash,
        })
    }
}

impl Store {
    /// Makes an account, with a first session where one is given, and its facts.
    ///
    /// # Errors
    /// [`InsertError`].
    pub async fn insert_user(
        &self,
        user: &User,
        password_hash: &str,
        session: Option<&NewSession>,
        facts: &[Outgoing],
    ) -> Result<(), InsertError> {
        let mut transaction = self.pool.begin().await?;
        let inserted = sqlx::query(
            "INSERT INTO users (id, email, name, phone, role, password_hash, disabled_at, version, \
             created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(user.id)
        .bind(user.email.as_str())
        .bind(user.name.as_str())
        .bind(user.phone.as_ref().map(Phone::as_str))
        .bind(user.role.as_str())
        .bind(password_hash)
        .bind(user.disabled_at.map(ToSqlx::to_sqlx))
        .bind(user.version)
        .bind(user.created_at.to_sqlx())
        .bind(user.updated_at.to_sqlx())
        .execute(&mut *transaction)
        .await;
        match inserted {
            Err(error) if is_unique_violation(&error, EMAIL_IS_UNIQUE) => {
                return Err(InsertError::EmailTaken);
            }
            other => other?,
        };
        if let Some(session) = session {
            sessions::open(&mut transaction, session).await?;
        }
        outbox::enqueue(&mut transaction, facts).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The account of an e-mail address.
    ///
    /// # Errors
    /// The database's.
    pub async fn credentials(&self, email: &Email) -> Result<Option<Credentials>, sqlx::Error> {
        sqlx::query_as::<_, UserRow>("SELECT * FROM users WHERE email = $1")
            .bind(email.as_str())
            .fetch_optional(&self.pool)
            .await?
            .map(Credentials::try_from)
            .transpose()
    }

    /// The account with this id.
    ///
    /// # Errors
    /// The database's.
    pub async fn user(&self, id: Uuid) -> Result<Option<Credentials>, sqlx::Error> {
        sqlx::query_as::<_, UserRow>("SELECT * FROM users WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?
            .map(Credentials::try_from)
            .transpose()
    }

    /// Up to `fetch` accounts, newest first, older than `after`.
    ///
    /// # Errors
    /// The database's.
    pub async fn users(
        &self,
        filter: &UserFilter,
        after: Option<Uuid>,
        fetch: i64,
    ) -> Result<Vec<User>, sqlx::Error> {
        sqlx::query_as::<_, UserRow>(
            "SELECT * FROM users WHERE ($1::uuid IS NULL OR id < $1) AND ($2::text IS NULL OR role = $2) \
             AND ($3::text IS NULL OR email = $3) ORDER BY id DESC LIMIT $4",
        )
        .bind(after)
        .bind(filter.role.map(Role::as_str))
        .bind(filter.email.as_ref().map(Email::as_str))
        .bind(fetch)
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(|row| Credentials::try_from(row).map(|known| known.user))
        .collect()
    }

    /// Changes an account as `decide` says, with the facts that `facts` makes of before and after;
    /// ends its sessions where the change asks for it. `None`: no such account.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn change_user<E>(
        &self,
        id: Uuid,
        decide: impl FnOnce(&User) -> Result<User, E>,
        facts: impl FnOnce(&User, &User) -> Vec<Outgoing>,
    ) -> Result<Option<Changed>, ChangeError<E>> {
        let mut transaction = self.pool.begin().await?;
        let row = sqlx::query_as::<_, UserRow>("SELECT * FROM users WHERE id = $1 FOR UPDATE")
            .bind(id)
            .fetch_optional(&mut *transaction)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let before = Credentials::try_from(row)?.user;
        let after = decide(&before).map_err(ChangeError::Refused)?;
        if after == before {
            return Ok(Some(Changed {
                user: after,
                revoked: Vec::new(),
            }));
        }
        update(&mut transaction, &after).await?;
        let revoked = if before.loses_sessions_by(&after) {
            let because = RevokedBecause::Admin;
            sessions::revoke_all(&mut transaction, id, None, because, after.updated_at).await?
        } else {
            Vec::new()
        };
        outbox::enqueue(&mut transaction, &facts(&before, &after)).await?;
        transaction.commit().await?;
        Ok(Some(Changed {
            user: after,
            revoked,
        }))
    }

    /// Replaces the password's hash where it is still `old`, and ends every session but `keep`.
    /// `None`: it is another by now.
    ///
    /// # Errors
    /// The database's.
    pub async fn change_password(
        &self,
        id: Uuid,
        old: &str,
        new: &str,
        keep: Option<Uuid>,
        now: jiff::Timestamp,
    ) -> Result<Option<Vec<Revoked>>, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        let changed = sqlx::query(
            "UPDATE users SET password_hash = $3, updated_at = $4 WHERE id = $1 AND password_hash = $2",
        )
        .bind(id)
        .bind(old)
        .bind(new)
        .bind(now.to_sqlx())
        .execute(&mut *transaction)
        .await?;
        if changed.rows_affected() == 0 {
            return Ok(None);
        }
        let because = RevokedBecause::Password;
        let revoked = sessions::revoke_all(&mut transaction, id, keep, because, now).await?;
        transaction.commit().await?;
        Ok(Some(revoked))
    }
}

async fn update(connection: &mut PgConnection, user: &User) -> Result<(), sqlx::Error> {
    let User {
        id,
        email: _,
        name,
        phone,
        role,
        disabled_at,
        version,
        created_at: _,
        updated_at,
    } = user;
    sqlx::query(
        "UPDATE users SET name = $2, phone = $3, role = $4, disabled_at = $5, version = $6, \
         updated_at = $7 WHERE id = $1",
    )
    .bind(id)
    .bind(name.as_str())
    .bind(phone.as_ref().map(Phone::as_str))
    .bind(role.as_str())
    .bind(disabled_at.map(ToSqlx::to_sqlx))
    .bind(version)
    .bind(updated_at.to_sqlx())
    .execute(connection)
    .await?;
    Ok(())
}

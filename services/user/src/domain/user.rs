//! The account.

use jiff::Timestamp;
use quickbite_auth::Role;
use serde::Deserialize;
use uuid::Uuid;

use super::credentials::Email;

/// An account as it is remembered, without its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: Uuid,
    /// Where it is reached; unique.
    pub email: Email,
    /// The person's name.
    pub name: PersonName,
    /// The person's number.
    pub phone: Option<Phone>,
    /// What it may do.
    pub role: Role,
    /// Since when it may do nothing.
    pub disabled_at: Option<Timestamp>,
    /// Grows with every fact about it.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// 1–100 characters that are not all blank, trimmed, without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonName(String);

impl PersonName {
    /// The name in `text`; `None` when it breaks the rule.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let fine = (1..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        fine.then(|| Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// 5–20 of digits, spaces and `()-.`, with a `+` at most in front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phone(String);

impl Phone {
    /// The number in `text`; `None` when it breaks the rule.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let rest = text.strip_prefix('+').unwrap_or(text);
        let fine = (5..=20).contains(&text.len())
            && rest
                .chars()
                .all(|c| c.is_ascii_digit() || " ()-.".contains(c))
            && rest.chars().any(|c| c.is_ascii_digit());
        fine.then(|| Self(text.to_owned()))
    }

    /// The number as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The roles that anyone may give themselves: every one but admin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SelfRole {
    /// Orders food.
    #[default]
    Customer,
    /// Runs restaurants.
    RestaurantOwner,
    /// Delivers.
    Driver,
}

impl From<SelfRole> for Role {
    fn from(role: SelfRole) -> Self {
        match role {
            SelfRole::Customer => Self::Customer,
            SelfRole::RestaurantOwner => Self::RestaurantOwner,
            SelfRole::Driver => Self::Driver,
        }
    }
}

/// What an admin changes of an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AdminChange {
    /// Another role.
    pub role: Option<Role>,
    /// Whether it may act.
    pub disabled: Option<bool>,
}

/// Why an admin's change is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefused {
    /// The last way in could be lost.
    #[error("an admin cannot disable or demote themselves")]
    OwnAccount,
}

impl User {
    /// This account after `change` by the admin `by`; equal to this one when nothing changes.
    ///
    /// # Errors
    /// [`ChangeRefused`].
    pub fn changed(
        &self,
        change: AdminChange,
        by: Uuid,
        now: Timestamp,
    ) -> Result<Self, ChangeRefused> {
        let AdminChange { role, disabled } = change;
        let mut changed = self.clone();
        changed.role = role.unwrap_or(self.role);
        changed.disabled_at = match disabled {
            Some(true) => self.disabled_at.or(Some(now)),
            Some(false) => None,
            None => self.disabled_at,
        };
        if changed == *self {
            return Ok(changed);
        }
        if by == self.id {
            return Err(ChangeRefused::OwnAccount);
        }
        changed.version += 1;
        changed.updated_at = now;
        Ok(changed)
    }

    /// Whether every session must end when the account becomes `next`: a token carries the role for
    /// days, and a disabled account may do nothing at all.
    #[must_use]
    pub fn loses_sessions_by(&self, next: &Self) -> bool {
        self.role != next.role || (self.disabled_at.is_none() && next.disabled_at.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ann() -> User {
        User {
            id: Uuid::now_v7(),
            email: Email::parse("ann@example.org").unwrap(),
            name: PersonName::parse("Ann").unwrap(),
            phone: None,
            role: Role::Customer,
            disabled_at: None,
            version: 1,
            created_at: at(0),
            updated_at: at(0),
        }
    }

    fn change(role: Option<Role>, disabled: Option<bool>) -> AdminChange {
        AdminChange { role, disabled }
    }

    #[test]
    fn disabling_ends_every_session_and_enabling_ends_none() {
        let ann = ann();
        let off = ann
            .changed(change(None, Some(true)), Uuid::now_v7(), at(5))
            .unwrap();
        assert_eq!((off.disabled_at, off.version), (Some(at(5)), 2));
        assert!(ann.loses_sessions_by(&off));
        let on = off
            .changed(change(None, Some(false)), Uuid::now_v7(), at(6))
            .unwrap();
        assert_eq!((on.disabled_at, on.version), (None, 3));
        assert!(!off.loses_sessions_by(&on));
    }

    #[test]
    fn another_role_ends_every_session() {
        let ann = ann();
        let driver = ann
            .changed(change(Some(Role::Driver), None), Uuid::now_v7(), at(5))
            .unwrap();
        assert!(ann.loses_sessions_by(&driver));
    }

    #[test]
    fn a_change_to_what_is_already_so_changes_nothing() {
        let ann = ann();
        let same = change(Some(Role::Customer), Some(false));
        assert_eq!(ann.changed(same, Uuid::now_v7(), at(5)).unwrap(), ann);
        assert_eq!(ann.changed(same, ann.id, at(5)).unwrap(), ann);
    }

    #[test]
    fn disabling_again_keeps_the_first_time() {
        let off = User {
            disabled_at: Some(at(1)),
            ..ann()
        };
        assert_eq!(
            off.changed(change(None, Some(true)), Uuid::now_v7(), at(9))
                .unwrap(),
            off
        );
    }

    #[test]
    fn admins_cannot_lock_themselves_out() {
        let ann = User {
            role: Role::Admin,
            ..ann()
        };
        for own in [change(Some(Role::Customer), None), change(None, Some(true))] {
            assert_eq!(
                ann.changed(own, ann.id, at(5)),
                Err(ChangeRefused::OwnAccount)
            );
        }
    }

    #[test]
    fn names_are_trimmed_and_must_not_be_blank() {
        assert_eq!(PersonName::parse("  Ann ").unwrap().as_str(), "Ann");
        for bad in ["", "  ", "a\nb", &"x".repeat(101)] {
            assert!(PersonName::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn phone_numbers_have_digits_and_few_signs() {
        assert!(Phone::parse("+49 (30) 123-456").is_some());
        for bad in [
            "",
            "+",
            "123",
            "-----",
            "12345x",
            "1+23456",
            &"1".repeat(21),
        ] {
            assert!(Phone::parse(bad).is_none(), "{bad}");
        }
    }
}

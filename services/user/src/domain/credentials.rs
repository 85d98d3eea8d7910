//! E-mail addresses and passwords, parsed once.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// RFC 5321, 4.5.3.1.3: a path is 256 octets, two of them angle brackets.
const MAX_EMAIL: usize = 254;

/// A mailbox, trimmed and in lower case: two spellings are one account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

/// Not an e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address")]
pub struct InvalidEmail;

impl Email {
    /// Takes what looks like an address: only a delivered mail proves one, so the rule is coarse.
    ///
    /// # Errors
    /// [`InvalidEmail`].
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmail)?;
        let domain_is_fine = domain.contains('.')
            && domain.split('.').all(|label| {
                !label.is_empty()
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            });
        let local_is_fine = (1..=64).contains(&local.len())
            && local
                .chars()
                .all(|c| !c.is_whitespace() && !c.is_control() && !"@<>,;\"()".contains(c));
        if text.len() > MAX_EMAIL || !domain_is_fine || !local_is_fine {
            return Err(InvalidEmail);
        }
        Ok(Self(text.to_lowercase()))
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A password that somebody chose, or tries. Never printed.
#[derive(Debug, Clone)]
pub struct Password(SecretString);

/// Why a chosen password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusedPassword {
    /// Under 8 characters or over 128.
    #[error("must be 8 to 128 characters")]
    Length,
    /// The account's own e-mail address.
    #[error("must not be the e-mail address")]
    IsEmail,
}

impl Password {
    /// A new password of the account `email`.
    ///
    /// # Errors
    /// [`RefusedPassword`].
    pub fn choose(text: SecretString, email: &Email) -> Result<Self, RefusedPassword> {
        let plain = text.expose_secret();
        if !(8..=128).contains(&plain.chars().count()) {
            return Err(RefusedPassword::Length);
        }
        if plain.trim().to_lowercase() == email.as_str() {
            return Err(RefusedPassword::IsEmail);
        }
        Ok(Self(text))
    }

    /// A password to compare: any text, since rules may have been others when it was chosen.
    #[must_use]
    pub fn attempt(text: SecretString) -> Self {
        Self(text)
    }

    /// The bytes to hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn choose(text: &str) -> Result<Password, RefusedPassword> {
        Password::choose(text.into(), &Email::parse("ann@example.org").unwrap())
    }

    #[test]
    fn two_spellings_of_a_mailbox_are_one_address() {
        assert_eq!(
            Email::parse(" Ann@Example.org "),
            Email::parse("ann@example.org")
        );
    }

    #[test]
    fn texts_that_are_no_address_are_refused() {
        for bad in [
            "",
            "@",
            "ann",
            "ann@",
            "@example.org",
            "ann@example",
            "ann@.org",
            "ann@example.",
            "a b@example.org",
            "ann@exa mple.org",
            "<ann@example.org>",
            "ann@-x.org",
            "a@b@c..d",
        ] {
            assert_eq!(Email::parse(bad), Err(InvalidEmail), "{bad}");
        }
        let long = format!("ann@{}.org", "a".repeat(260));
        assert_eq!(Email::parse(&long), Err(InvalidEmail));
    }

    #[test]
    fn passwords_of_8_to_128_characters_are_taken() {
        assert!(choose("12345678").is_ok());
        assert!(choose(&"ß".repeat(128)).is_ok());
        assert_eq!(choose("1234567").unwrap_err(), RefusedPassword::Length);
        assert_eq!(
            choose(&"x".repeat(129)).unwrap_err(),
            RefusedPassword::Length
        );
    }

    #[test]
    fn a_password_must_not_be_the_e_mail_address_in_any_spelling() {
        assert_eq!(
            choose("ANN@example.org").unwrap_err(),
            RefusedPassword::IsEmail
        );
    }

    #[test]
    fn a_password_is_never_printed() {
        assert!(!format!("{:?}", choose("correct horse").unwrap()).contains("horse"));
    }

    proptest! {
        #[test]
        fn an_address_that_was_parsed_parses_again_to_itself(text in "\\PC{0,40}@\\PC{0,40}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(Email::parse(email.as_str()), Ok(email));
            }
        }
    }
}

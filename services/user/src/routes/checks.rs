//! Collects what is wrong with a body, so that a client learns of every field at once.

use quickbite_http::{FieldError, Problem};

/// What is wrong so far.
#[derive(Default)]
pub(super) struct Checks(Vec<FieldError>);

impl Checks {
    /// The value, or what is wrong with the field.
    pub(super) fn take<T>(&mut self, field: &str, value: Result<T, impl ToString>) -> Option<T> {
        value
            .map_err(|message| {
                self.0.push(FieldError {
                    field: field.to_owned(),
                    message: message.to_string(),
                });
            })
            .ok()
    }

    /// What was made of the fields, when nothing is wrong.
    pub(super) fn finish<T>(self, made: Option<T>) -> Result<T, Problem> {
        match made {
            Some(made) if self.0.is_empty() => Ok(made),
            _ => Err(Problem::fields(self.0)),
        }
    }
}

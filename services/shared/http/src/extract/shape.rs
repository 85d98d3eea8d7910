//! Whether a type is read from a JSON object.
//!
//! serde takes an array for a struct, field by field in order, so `[]` would reset everything that
//! has a default and `["x"]` would rename somebody. Nobody who sends that means it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

/// Whether `T` is a struct, to its deserializer.
pub(super) fn is_object<'de, T: Deserialize<'de>>() -> bool {
    matches!(T::deserialize(Question), Err(Answer::Object))
}

/// A deserializer that only hears what it is asked for.
struct Question;

#[derive(Debug)]
enum Answer {
    Object,
    Other,
}

impl<'de> Deserializer<'de> for Question {
    type Error = Answer;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Answer> {
        Err(Answer::Object)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Answer> {
        Err(Answer::Other)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

impl serde::de::Error for Answer {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Other
    }
}

impl std::error::Error for Answer {}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Object => "an object",
            Self::Other => "something else",
        })
    }
}

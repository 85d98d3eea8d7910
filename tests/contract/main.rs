//! The contract tests: what holds for the whole repository, checked without any running part.

mod directions;
mod documents;

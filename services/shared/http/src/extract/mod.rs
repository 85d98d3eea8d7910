//! Extractors whose refusals are problems.

mod body;
mod page;
mod path;
mod query;
mod shape;

pub use body::Valid;
pub(crate) use body::{read as read_body, too_large};
pub use page::{Cursor, DEFAULT_LIMIT, MAX_LIMIT, Page, Paged};
pub use path::Path;
pub use query::Query;

//! Items of a menu. A menu is embedded in its restaurant and never changes apart from it.

use uuid::Uuid;

use super::money::Price;

/// The most items on one menu: keeps a document far below MongoDB's 16 MiB, and a snapshot far
/// below what a message should carry.
pub const LARGEST_MENU: usize = 500;

/// An item of a menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MenuItem {
    /// UUIDv7.
    pub id: Uuid,
    /// What guests read.
    pub name: String,
    /// More about it.
    pub description: Option<String>,
    /// In the restaurant's currency.
    pub price: Price,
    /// Whether it can be ordered now.
    pub available: bool,
}

/// What of an item is to change; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemPatch {
    /// New name.
    pub name: Option<String>,
    /// New description; `Some(None)` removes it.
    pub description: Option<Option<String>>,
    /// New price.
    pub price: Option<Price>,
    /// New availability.
    pub available: Option<bool>,
}

impl MenuItem {
    /// The item after `patch`.
    #[must_use]
    pub fn revised(&self, patch: ItemPatch) -> Self {
        let ItemPatch {
            name,
            description,
            price,
            available,
        } = patch;
        Self {
            id: self.id,
            name: name.unwrap_or_else(|| self.name.clone()),
            description: description.unwrap_or_else(|| self.description.clone()),
            price: price.unwrap_or(self.price),
            available: available.unwrap_or(self.available),
        }
    }
}

//! What an account is and which rules it keeps. Imports neither axum nor a driver.

mod address;
mod credentials;
mod refresh_token;
mod user;

pub use address::{Address, AddressChange, SavedAddress};
pub use credentials::{Email, InvalidEmail, Password, RefusedPassword};
pub use refresh_token::RefreshToken;
pub use user::{AdminChange, ChangeRefused, PersonName, Phone, SelfRole, User};

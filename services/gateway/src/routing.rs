//! Which service a path belongs to, which limit it falls under, and whether its last good answer
//! may stand in for a broken service. No I/O.

use http::Method;

/// The services behind the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Upstream {
    /// Accounts, tokens, addresses.
    User,
    /// Restaurants and menus.
    Restaurant,
    /// Orders and sagas.
    Order,
    /// Drivers and deliveries.
    Driver,
    /// Notifications.
    Notification,
    /// Payments.
    Payment,
}

impl Upstream {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 6] = [
        Self::User,
        Self::Restaurant,
        Self::Order,
        Self::Driver,
        Self::Notification,
        Self::Payment,
    ];

    /// `user`, `restaurant`, …: in metrics, JSON and token audiences.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Restaurant => "restaurant",
            Self::Order => "order",
            Self::Driver => "driver",
            Self::Notification => "notification",
            Self::Payment => "payment",
        }
    }

    /// The `aud` of internal tokens for it.
    pub const fn audience(self) -> &'static str {
        match self {
            Self::User => "quickbite-user",
            Self::Restaurant => "quickbite-restaurant",
            Self::Order => "quickbite-order",
            Self::Driver => "quickbite-driver",
            Self::Notification => "quickbite-notification",
            Self::Payment => "quickbite-payment",
        }
    }

    /// What it owns: these paths, and everything below those that do not end in a file.
    pub const fn paths(self) -> &'static [&'static str] {
        match self {
            Self::User => &["/api/users", "/.well-known/jwks.json"],
            Self::Restaurant => &["/api/restaurants"],
            Self::Order => &["/api/orders", "/api/sagas"],
            Self::Driver => &["/api/drivers", "/api/deliveries", "/ws/drivers"],
            Self::Notification => &["/api/notifications"],
            Self::Payment => &["/api/payments"],
        }
    }
}

/// Which of the three limits a request counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Reads.
    General,
    /// Attempts to get in; successes do not count.
    Auth,
    /// Changes.
    Write,
}

impl Tier {
    /// `general`, `auth` or `write`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::General => "general",
            Self::Auth => "auth",
            Self::Write => "write",
        }
    }

    /// The tier of a request.
    pub fn of(method: &Method, path: &str) -> Self {
        match *method {
            Method::POST if is_door(path) => Self::Auth,
            Method::POST | Method::PUT | Method::PATCH | Method::DELETE => Self::Write,
            _ => Self::General,
        }
    }
}

/// Where one gets in without a token; a stale one that comes along must not lock its owner out.
fn is_door(path: &str) -> bool {
    matches!(
        path,
        "/api/users/login" | "/api/users/register" | "/api/users/refresh"
    )
}

/// Whether the answer is the same for everybody and better old than none: the public restaurant
/// reads.
pub fn may_fall_back(method: &Method, path: &str) -> bool {
    *method == Method::GET
        && path != "/api/restaurants/mine"
        && path.strip_prefix("/api/restaurants").is_some_and(|rest| {
            rest.is_empty() || (rest.starts_with('/') && !rest[1..].contains('/'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_posts_to_the_three_doors_are_attempts_to_get_in() {
        assert_eq!(Tier::of(&Method::POST, "/api/users/login"), Tier::Auth);
        assert_eq!(Tier::of(&Method::GET, "/api/users/login"), Tier::General);
        assert_eq!(Tier::of(&Method::POST, "/api/users/logout"), Tier::Write);
        assert_eq!(Tier::of(&Method::DELETE, "/api/users/login"), Tier::Write);
    }

    #[test]
    fn only_public_restaurant_reads_fall_back() {
        for path in [
            "/api/restaurants",
            "/api/restaurants/search",
            "/api/restaurants/nearby",
            "/api/restaurants/0190",
        ] {
            assert!(may_fall_back(&Method::GET, path), "{path}");
        }
        for path in [
            "/api/restaurants/mine",
            "/api/restaurantsx",
            "/api/restaurants/1/menu",
            "/api/orders",
        ] {
            assert!(!may_fall_back(&Method::GET, path), "{path}");
        }
        assert!(!may_fall_back(&Method::POST, "/api/restaurants"));
    }
}

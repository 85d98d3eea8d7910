//! The six services behind the gateway: what each may be told.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{KeyRef, Span, Workload};

/// The services behind the gateway.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
pub struct Services {
    /// Accounts, passwords, tokens, addresses.
    #[serde(default)]
    pub user: UserSpec,
    /// Restaurants, menus, search.
    #[serde(default)]
    pub restaurant: RestaurantSpec,
    /// Orders and the order saga.
    #[serde(default)]
    pub order: OrderSpec,
    /// Drivers, offers, deliveries, live positions.
    #[serde(default)]
    pub driver: DriverSpec,
    /// Who is told what, over which channel.
    #[serde(default)]
    pub notification: NotificationSpec,
    /// Authorise, capture, void, refund.
    #[serde(default)]
    pub payment: PaymentSpec,
}

fn yes() -> bool {
    true
}

/// Accounts, passwords, tokens, addresses.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct UserSpec {
    /// Whether the service runs. Turning it off removes its objects; its data stays.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Pods of the service.
    #[serde(flatten)]
    pub workload: Workload,
}

impl Default for UserSpec {
    fn default() -> Self {
        Self {
            enabled: true,
            workload: Workload::default(),
        }
    }
}

/// Restaurants, menus, search.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RestaurantSpec {
    /// Whether the service runs. Turning it off removes its objects; its data stays.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Pods of the service.
    #[serde(flatten)]
    pub workload: Workload,
    /// How long answers stay in the cache.
    #[serde(default)]
    pub cache: RestaurantCache,
}

impl Default for RestaurantSpec {
    fn default() -> Self {
        Self {
            enabled: true,
            workload: Workload::default(),
            cache: RestaurantCache::default(),
        }
    }
}

/// How long answers stay in the cache.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RestaurantCache {
    /// Lists of restaurants, in seconds, 1 to 86400.
    #[serde(default = "RestaurantCache::default_list")]
    #[schemars(range(min = 1, max = 86_400))]
    pub list_ttl_seconds: i32,
    /// A single restaurant, in seconds, 1 to 86400.
    #[serde(default = "RestaurantCache::default_item")]
    #[schemars(range(min = 1, max = 86_400))]
    pub item_ttl_seconds: i32,
    /// Search results, in seconds, 1 to 86400.
    #[serde(default = "RestaurantCache::default_search")]
    #[schemars(range(min = 1, max = 86_400))]
    pub search_ttl_seconds: i32,
}

impl RestaurantCache {
    fn default_list() -> i32 {
        300
    }

    fn default_item() -> i32 {
        600
    }

    fn default_search() -> i32 {
        120
    }
}

impl Default for RestaurantCache {
    fn default() -> Self {
        Self {
            list_ttl_seconds: Self::default_list(),
            item_ttl_seconds: Self::default_item(),
            search_ttl_seconds: Self::default_search(),
        }
    }
}

/// Orders and the order saga.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct OrderSpec {
    /// Whether the service runs. Turning it off removes its objects; its data stays.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Pods of the service.
    #[serde(flatten)]
    pub workload: Workload,
    /// How long a restaurant may take to accept an order, such as 5m.
    #[serde(default = "OrderSpec::default_acceptance")]
    pub acceptance_timeout: Span,
    /// What delivery costs, in the restaurant's currency, with two decimals.
    #[serde(default = "OrderSpec::default_fee")]
    #[schemars(length(min = 4, max = 9), regex(pattern = r"^[0-9]{1,6}\.[0-9]{2}$"))]
    pub delivery_fee: String,
}

impl OrderSpec {
    fn default_acceptance() -> Span {
        Span::new("5m")
    }

    fn default_fee() -> String {
        "2.99".into()
    }
}

impl Default for OrderSpec {
    fn default() -> Self {
        Self {
            enabled: true,
            workload: Workload::default(),
            acceptance_timeout: Self::default_acceptance(),
            delivery_fee: Self::default_fee(),
        }
    }
}

/// Drivers, offers, deliveries, live positions.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DriverSpec {
    /// Whether the service runs. Turning it off removes its objects; its data stays.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Pods of the service.
    #[serde(flatten)]
    pub workload: Workload,
    /// How long a driver may take to answer an offer, such as 30s.
    #[serde(default = "DriverSpec::default_offer")]
    pub offer_ttl: Span,
    /// How far from the restaurant drivers are looked for, in kilometres, 1 to 200.
    #[serde(default = "DriverSpec::default_radius")]
    #[schemars(range(min = 1, max = 200))]
    pub search_radius_km: i32,
}

impl DriverSpec {
    fn default_offer() -> Span {
        Span::new("30s")
    }

    fn default_radius() -> i32 {
        10
    }
}

impl Default for DriverSpec {
    fn default() -> Self {
        Self {
            enabled: true,
            workload: Workload::default(),
            offer_ttl: Self::default_offer(),
            search_radius_km: Self::default_radius(),
        }
    }
}

/// Who is told what, over which channel.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NotificationSpec {
    /// Whether the service runs. Turning it off removes its objects; its data stays.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Pods of the service.
    #[serde(flatten)]
    pub workload: Workload,
    /// Key of a Secret with the URL of a mail server, such as smtps://user:password@mail:465; no
    /// mail is sent without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smtp_secret_ref: Option<KeyRef>,
}

impl Default for NotificationSpec {
    fn default() -> Self {
        Self {
            enabled: true,
            workload: Workload::default(),
            smtp_secret_ref: None,
        }
    }
}

/// Authorise, capture, void, refund.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PaymentSpec {
    /// Whether the service runs. Turning it off removes its objects; its data stays.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Pods of the service.
    #[serde(flatten)]
    pub workload: Workload,
}

impl Default for PaymentSpec {
    fn default() -> Self {
        Self {
            enabled: true,
            workload: Workload::default(),
        }
    }
}

//! The body of an order, parsed into the domain's words.

use garde::Validate;
use quickbite_http::Problem;
use rust_decimal::Decimal;
use serde::Deserialize;
use uuid::Uuid;

use super::views::AddressView;
use crate::domain::cart::{Cart, CartItem};

/// What a customer sends to order.
#[derive(Debug, Deserialize, Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlaceOrder {
    /// Where to order.
    #[garde(skip)]
    restaurant_id: Uuid,
    /// What to order, 1 to 50 lines.
    #[garde(length(min = 1, max = 50), dive)]
    items: Vec<PlaceItem>,
    /// Where it goes; this or `addressId`.
    #[garde(dive)]
    delivery_address: Option<AddressView>,
    /// A saved address; this or `deliveryAddress`.
    #[garde(skip)]
    address_id: Option<Uuid>,
    /// How to pay.
    #[garde(dive)]
    payment_method: PaymentMethod,
    /// For the driver, at most 1000.
    #[garde(custom(is_tip))]
    #[schema(value_type = Option<String>, example = "2.00")]
    tip: Option<Decimal>,
    /// Wishes for the whole order.
    #[garde(inner(length(max = 500)))]
    notes: Option<String>,
}

#[derive(Debug, Deserialize, Validate, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct PlaceItem {
    /// The menu item.
    #[garde(skip)]
    item_id: Uuid,
    /// How many, 1 to 50.
    #[garde(range(min = 1, max = 50))]
    quantity: u32,
    /// Wishes.
    #[garde(inner(length(max = 500)))]
    notes: Option<String>,
}

#[derive(Debug, Deserialize, Validate, utoipa::ToSchema)]
struct PaymentMethod {
    /// The payment provider's token.
    #[garde(length(min = 1, max = 200))]
    token: String,
}

fn is_tip(tip: &Option<Decimal>, (): &()) -> garde::Result {
    match tip {
        Some(tip) if tip.is_sign_negative() && !tip.is_zero() => {
            Err(garde::Error::new("must not be negative"))
        }
        Some(tip) if tip.normalize().scale() > 2 => {
            Err(garde::Error::new("has more than two decimal places"))
        }
        Some(tip) if *tip > Decimal::ONE_THOUSAND => Err(garde::Error::new("is over 1000")),
        _ => Ok(()),
    }
}

/// Where an order goes.
pub(super) enum Destination {
    /// As written.
    Written(AddressView),
    /// As saved.
    Saved(Uuid),
}

/// The body in the domain's words.
pub(super) struct Wanted {
    pub(super) cart: Cart,
    pub(super) destination: Destination,
    pub(super) token: String,
    pub(super) tip: Decimal,
    pub(super) notes: Option<String>,
}

impl TryFrom<PlaceOrder> for Wanted {
    type Error = Problem;

    fn try_from(body: PlaceOrder) -> Result<Self, Problem> {
        let PlaceOrder {
            restaurant_id,
            items,
            delivery_address,
            address_id,
            payment_method,
            tip,
            notes,
        } = body;
        let destination = match (delivery_address, address_id) {
            (Some(address), None) => Destination::Written(address),
            (None, Some(id)) => Destination::Saved(id),
            _ => {
                return Err(Problem::field(
                    "deliveryAddress",
                    "give either deliveryAddress or addressId",
                ));
            }
        };
        let items = items
            .into_iter()
            .map(
                |PlaceItem {
                     item_id,
                     quantity,
                     notes,
                 }| CartItem {
                    item_id,
                    quantity,
                    notes,
                },
            )
            .collect();
        let mut tip = tip.unwrap_or_default().abs();
        tip.rescale(2);
        Ok(Self {
            cart: Cart {
                restaurant_id,
                items,
            },
            destination,
            token: payment_method.token,
            tip,
            notes,
        })
    }
}

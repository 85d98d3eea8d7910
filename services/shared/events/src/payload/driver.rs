//! Facts of driver-service about drivers.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Location, facts};

/// `driver.online`: a shift began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Online {
    /// The driver's user id.
    pub driver_id: Uuid,
    /// Where the shift began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
}

/// `driver.offline`: a shift ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offline {
    /// The driver's user id.
    pub driver_id: Uuid,
    /// Where the shift ended, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
}

facts!("driver" => Online: "driver.online", Offline: "driver.offline");

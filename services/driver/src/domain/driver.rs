//! A driver's shift: online or offline.
//!
//! Whether an online driver is free is not kept here but follows from the deliveries (at most one that is offered,
//! assigned or picked up names him), so that the two can never disagree.

use jiff::Timestamp;
use uuid::Uuid;

use super::geo::GeoPoint;

/// What driver-service knows of a driver.
#[derive(Clone, Debug, PartialEq)]
pub struct Driver {
    /// His user id.
    pub id: Uuid,
    /// Whether his shift runs.
    pub online: bool,
    /// What he drives, in his words.
    pub vehicle: Option<String>,
    /// Where he was last.
    pub location: Option<GeoPoint>,
    /// `seq` of the last position taken in this shift.
    pub last_seq: Option<i64>,
    /// Grows with each fact about him.
    pub version: i64,
    /// When the row last changed.
    pub updated_at: Timestamp,
}

/// A shift began or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShiftFact {
    /// `driver.online`.
    Online,
    /// `driver.offline`.
    Offline,
}

/// A shift cannot end while the driver has someone's food.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("finish the delivery in progress before going offline")]
pub struct DeliveryInProgress;

impl Driver {
    /// A driver seen for the first time, not yet working.
    pub fn new(id: Uuid, now: Timestamp) -> Self {
        Self {
            id,
            online: false,
            vehicle: None,
            location: None,
            last_seq: None,
            version: 0,
            updated_at: now,
        }
    }

    /// Begins a shift at `location`, or tells it anew (an app that restarted); position numbers start over.
    pub fn go_online(
        &mut self,
        location: GeoPoint,
        vehicle: Option<String>,
        now: Timestamp,
    ) -> Option<ShiftFact> {
        self.location = Some(location);
        self.vehicle = vehicle.or(self.vehicle.take());
        self.last_seq = None;
        self.updated_at = now;
        if std::mem::replace(&mut self.online, true) {
            return None;
        }
        self.version += 1;
        Some(ShiftFact::Online)
    }

    /// Ends the shift; `carrying` says whether a delivery is assigned to him or picked up.
    pub fn go_offline(
        &mut self,
        carrying: bool,
        now: Timestamp,
    ) -> Result<Option<ShiftFact>, DeliveryInProgress> {
        if !self.online {
            return Ok(None);
        }
        if carrying {
            return Err(DeliveryInProgress);
        }
        self.online = false;
        self.version += 1;
        self.updated_at = now;
        Ok(Some(ShiftFact::Offline))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> GeoPoint {
        GeoPoint::parse(52.5, 13.4).unwrap()
    }

    fn driver() -> Driver {
        Driver::new(Uuid::from_u128(1), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn going_online_twice_is_one_fact() {
        let mut driver = driver();
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(
            driver.go_online(here(), Some("bike".into()), now),
            Some(ShiftFact::Online)
        );
        assert_eq!(driver.go_online(here(), None, now), None);
        assert_eq!(
            (driver.version, driver.vehicle.as_deref()),
            (1, Some("bike"))
        );
    }

    #[test]
    fn an_app_that_restarts_may_count_its_positions_anew() {
        let mut driver = driver();
        driver.last_seq = Some(700);
        driver.go_online(here(), None, Timestamp::UNIX_EPOCH);
        assert_eq!(driver.last_seq, None);
    }

    #[test]
    fn nobody_goes_offline_with_the_food() {
        let mut driver = driver();
        let now = Timestamp::UNIX_EPOCH;
        driver.go_online(here(), None, now);
        assert_eq!(driver.go_offline(true, now), Err(DeliveryInProgress));
        assert!(driver.online);
        assert_eq!(driver.go_offline(false, now), Ok(Some(ShiftFact::Offline)));
        assert_eq!(driver.go_offline(false, now), Ok(None));
    }
}

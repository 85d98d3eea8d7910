//! Whom to ask next.
//!
//! Nearest first among the free drivers within the radius. Who declined is not asked again for the same delivery. Who
//! let an offer expire (a dead spot, a phone in a pocket) is asked again only after everybody else and after a pause,
//! so that a delivery with a single driver around neither starves nor pesters him.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::geo::GeoPoint;

/// A free driver near a pick-up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Who.
    pub driver_id: Uuid,
    /// Where.
    pub location: GeoPoint,
}

/// How a driver answered an earlier offer of the same delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Said no.
    Declined,
    /// Did not answer until then.
    Expired(Timestamp),
}

/// The numbers of dispatching.
#[derive(Clone, Copy, Debug)]
pub struct DispatchRules {
    /// How far from the pick-up a driver may be, metres.
    pub radius_m: f64,
    /// How long an offer stands; also the pause before an expired one is repeated.
    pub offer_ttl: Duration,
}

/// The drivers to ask, best first, with their distance to `pickup` in metres.
pub fn rank(
    pickup: GeoPoint,
    candidates: &[Candidate],
    answers: &HashMap<Uuid, Answer>,
    rules: DispatchRules,
    now: Timestamp,
) -> Vec<(Uuid, i64)> {
    let mut ranked: Vec<(bool, f64, Uuid)> = candidates
        .iter()
        .filter_map(|candidate| {
            let distance = candidate.location.distance_m(pickup);
            let asked = match answers.get(&candidate.driver_id) {
                None => false,
                Some(Answer::Declined) => return None,
                Some(Answer::Expired(at)) if now < *at + rules.offer_ttl => return None,
                Some(Answer::Expired(_)) => true,
            };
            (distance <= rules.radius_m).then_some((asked, distance, candidate.driver_id))
        })
        .collect();
    ranked.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
    ranked
        .into_iter()
        .map(|(_, distance, id)| (id, distance.round() as i64))
        .collect()
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    const RULES: DispatchRules = DispatchRules {
        radius_m: 10_000.0,
        offer_ttl: Duration::from_secs(30),
    };
    const NEAR: Uuid = Uuid::from_u128(1);
    const FAR: Uuid = Uuid::from_u128(2);
    const TOO_FAR: Uuid = Uuid::from_u128(3);

    fn pickup() -> GeoPoint {
        GeoPoint::parse(52.5, 13.4).unwrap()
    }

    fn around() -> Vec<Candidate> {
        [(TOO_FAR, 53.0), (FAR, 52.55), (NEAR, 52.51)]
            .map(|(driver_id, lat)| Candidate {
                driver_id,
                location: GeoPoint::parse(lat, 13.4).unwrap(),
            })
            .to_vec()
    }

    fn asked(answers: &[(Uuid, Answer)], now: i64) -> Vec<Uuid> {
        let answers = answers.iter().copied().collect();
        let now = Timestamp::UNIX_EPOCH + now.seconds();
        rank(pickup(), &around(), &answers, RULES, now)
            .into_iter()
            .map(|(id, _)| id)
            .collect()
    }

    #[test]
    fn the_nearest_within_the_radius_is_asked_first() {
        assert_eq!(asked(&[], 0), [NEAR, FAR]);
    }

    #[test]
    fn who_declined_is_not_asked_again() {
        assert_eq!(asked(&[(NEAR, Answer::Declined)], 9999), [FAR]);
    }

    #[test]
    fn who_did_not_answer_is_asked_again_last_and_after_a_pause() {
        let silent = [(NEAR, Answer::Expired(Timestamp::UNIX_EPOCH))];
        assert_eq!(asked(&silent, 29), [FAR]);
        assert_eq!(asked(&silent, 30), [FAR, NEAR]);
    }

    #[test]
    fn distances_are_whole_metres() {
        let ranked = rank(
            pickup(),
            &around(),
            &HashMap::new(),
            RULES,
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(ranked[0].1, 1112);
    }
}

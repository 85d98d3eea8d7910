//! What one stored value says about itself, and when it wants to be renewed. No I/O.
//!
//! Text `generation|fresh until|load time|body`, times in milliseconds: the store script prepends
//! the generation, so the format must be composable in Lua. An empty body is "known to be absent".

use std::time::Duration;

/// How long "there is none" is believed.
pub(super) const NEGATIVE_TTL: Duration = Duration::from_secs(30);

/// A value as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) generation: String,
    pub(super) fresh_until_ms: i64,
    pub(super) load_ms: i64,
    pub(super) body: Option<String>,
}

/// What a reader may do with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Answer with it.
    Fresh,
    /// Answer with it and renew it in the background, before it expires.
    RenewEarly,
    /// Answer with it as stale and renew it in the background.
    Stale,
    /// Not of this generation: as if it were not there.
    Void,
}

impl Entry {
    /// `None` for anything that this version did not write.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '|');
        let generation = parts.next()?.to_owned();
        let fresh_until_ms = parts.next()?.parse().ok()?;
        let load_ms = parts.next()?.parse().ok()?;
        let body = parts.next()?;
        Some(Self {
            generation,
            fresh_until_ms,
            load_ms,
            body: (!body.is_empty()).then(|| body.to_owned()),
        })
    }

    /// All but the generation, which the store script puts in front.
    pub(super) fn tail(fresh_until_ms: i64, load_ms: i64, body: Option<&str>) -> String {
        format!("{fresh_until_ms}|{load_ms}|{}", body.unwrap_or_default())
    }

    /// `dice` is uniform in (0, 1]. Early renewal is XFetch with β = 1 (Vattani et al., "Optimal
    /// Probabilistic Cache Stampede Prevention", VLDB 2015): the slower the load and the nearer
    /// the end, the likelier.
    pub(super) fn freshness(&self, generation: &str, now_ms: i64, dice: f64) -> Freshness {
        if self.generation != generation {
            return Freshness::Void;
        }
        if now_ms >= self.fresh_until_ms {
            return Freshness::Stale;
        }
        let ahead_ms = -(self.load_ms as f64) * dice.ln();
        if now_ms as f64 + ahead_ms >= self.fresh_until_ms as f64 {
            Freshness::RenewEarly
        } else {
            Freshness::Fresh
        }
    }
}

/// Spreads expiry over ± 10 %, so that what was loaded together does not expire together.
/// `dice` is uniform in [0, 1).
pub(super) fn jittered(ttl: Duration, dice: f64) -> Duration {
    ttl.mul_f64(0.9 + 0.2 * dice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(fresh_until_ms: i64, load_ms: i64) -> Entry {
        Entry {
            generation: "g1".into(),
            fresh_until_ms,
            load_ms,
            body: None,
        }
    }

    #[test]
    fn a_value_of_an_older_generation_counts_as_absent() {
        assert_eq!(entry(9_000, 5).freshness("g2", 0, 1.0), Freshness::Void);
    }

    #[test]
    fn a_value_past_its_time_is_stale() {
        assert_eq!(
            entry(1_000, 5).freshness("g1", 1_000, 1.0),
            Freshness::Stale
        );
    }

    #[test]
    fn a_slow_load_is_renewed_earlier_than_a_quick_one() {
        let dice = 0.2;
        assert_eq!(
            entry(1_000, 500).freshness("g1", 500, dice),
            Freshness::RenewEarly
        );
        assert_eq!(entry(1_000, 5).freshness("g1", 500, dice), Freshness::Fresh);
    }

    proptest! {
        #[test]
        fn an_entry_survives_being_written_and_read(
            generation in "[0-9]{0,16}", until in 0_i64.., load in 0_i64.., body in ".*",
        ) {
            let body = (!body.is_empty()).then_some(body);
            let text = format!("{generation}|{}", Entry::tail(until, load, body.as_deref()));
            let expected = Entry { generation, fresh_until_ms: until, load_ms: load, body };
            prop_assert_eq!(Entry::parse(&text), Some(expected));
        }

        #[test]
        fn garbage_never_parses_into_a_panic(text in ".*") {
            let _ = Entry::parse(&text);
        }

        #[test]
        fn jitter_stays_within_a_tenth(dice in 0.0_f64..1.0) {
            let ttl = jittered(Duration::from_secs(100), dice);
            prop_assert!(ttl >= Duration::from_secs(90) && ttl <= Duration::from_secs(110));
        }
    }
}

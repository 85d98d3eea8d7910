//! Does a live object still say what the operator wants? Decided without asking the API server, so
//! that a reconcile of an unchanged platform writes nothing, not even a dry run.
//!
//! Two questions: is it of the wanted revision (the annotation), and does every field that we set
//! still have our value? Fields that we did not set belong to others and are left alone.

use serde_json::Value;

use super::child::{ChildKind, REVISION};

/// What a live object needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Nothing.
    None,
    /// It is of an older revision: the spec changed.
    Revision,
    /// It is of the wanted revision, but somebody changed it.
    Drift,
}

/// Compares `live` with `desired`, both whole objects as JSON.
#[must_use]
pub fn difference(desired: &Value, live: &Value) -> Difference {
    if revision(live) != revision(desired) {
        return Difference::Revision;
    }
    if covers(desired, live) {
        Difference::None
    } else {
        Difference::Drift
    }
}

/// The first field that differs and that the API server never lets change: most of a StatefulSet.
/// Only an object made anew can have another value there.
#[must_use]
pub fn immutable_difference(
    kind: ChildKind,
    desired: &Value,
    live: &Value,
) -> Option<&'static str> {
    let fields: &[&str] = match kind {
        ChildKind::StatefulSet => &[
            "serviceName",
            "podManagementPolicy",
            "selector",
            "volumeClaimTemplates",
        ],
        _ => &[],
    };
    let differs = |field: &&&str| !covers(&desired["spec"][**field], &live["spec"][**field]);
    let set = |field: &&&str| !desired["spec"][**field].is_null();
    fields.iter().filter(set).find(differs).copied()
}

/// The revision annotation of an object.
#[must_use]
pub fn revision(object: &Value) -> Option<&str> {
    object["metadata"]["annotations"][REVISION].as_str()
}

/// Whether `live` has every value of `desired`.
fn covers(desired: &Value, live: &Value) -> bool {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => desired.iter().all(|(key, value)| {
            match live.get(key) {
                Some(live) => covers(value, live),
                // The API server leaves out what is empty.
                None => is_empty(value),
            }
        }),
        (Value::Array(desired), Value::Array(live)) => covers_list(desired, live),
        (Value::String(desired), Value::String(live)) => {
            desired == live || same_quantity(desired, live)
        }
        (Value::Number(_), Value::Number(_)) => desired.as_f64() == live.as_f64(),
        (desired, live) => desired == live || (is_empty(desired) && live.is_null()),
    }
}

/// Lists of named things (containers, variables, volumes, ports) are merged by name, so others may
/// add to them; every other list is ours as a whole.
fn covers_list(desired: &[Value], live: &[Value]) -> bool {
    let named =
        |list: &[Value]| !list.is_empty() && list.iter().all(|item| item["name"].is_string());
    if named(desired) && named(live) {
        return desired.iter().all(|wanted| {
            live.iter()
                .any(|found| found["name"] == wanted["name"] && covers(wanted, found))
        });
    }
    desired.len() == live.len()
        && desired
            .iter()
            .zip(live)
            .all(|(desired, live)| covers(desired, live))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

/// The API server writes quantities in its own way: 1000m becomes 1, 1024Mi becomes 1Gi.
fn same_quantity(one: &str, other: &str) -> bool {
    matches!((quantity(one), quantity(other)), (Some(one), Some(other)) if one == other)
}

/// A quantity in thousandths; `None` for text that is none.
fn quantity(text: &str) -> Option<i128> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let factor: i128 = match suffix {
        "m" => 1,
        "" => 1_000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "T" => 1_000_000_000_000_000,
        "Ki" => 1_000 << 10,
        "Mi" => 1_000 << 20,
        "Gi" => 1_000 << 30,
        "Ti" => 1_000 << 40,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || whole.len() > 15 || fraction.len() > 9 {
        return None;
    }
    let scale = 10_i128.pow(fraction.len().try_into().ok()?);
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    Some(digits * factor / scale)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_api_server_adds_is_no_difference() {
        let desired = json!({"spec": {"ports": [{"name": "http", "port": 80}], "selector": {}}});
        let live =
            json!({"spec": {"ports": [{"name": "http", "port": 80, "nodePort": 1}], "x": 1}});
        assert_eq!(difference(&desired, &live), Difference::None);
    }

    #[test]
    fn a_changed_value_is_drift() {
        let desired = json!({"spec": {"replicas": 2}});
        assert_eq!(
            difference(&desired, &json!({"spec": {"replicas": 3}})),
            Difference::Drift
        );
    }

    #[test]
    fn a_removed_variable_is_drift_and_an_added_one_is_not() {
        let desired = json!({"env": [{"name": "A", "value": "1"}]});
        let added = json!({"env": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]});
        assert_eq!(difference(&desired, &added), Difference::None);
        assert_eq!(
            difference(&desired, &json!({"env": [{"name": "B"}]})),
            Difference::Drift
        );
    }

    #[test]
    fn a_list_without_names_is_ours_as_a_whole() {
        let desired = json!({"rules": [{"host": "a"}]});
        let live = json!({"rules": [{"host": "a"}, {"host": "b"}]});
        assert_eq!(difference(&desired, &live), Difference::Drift);
    }

    #[test]
    fn equal_quantities_are_equal_however_they_are_written() {
        assert!(same_quantity("1000m", "1"));
        assert!(same_quantity("1024Mi", "1Gi"));
        assert!(same_quantity("0.5", "500m"));
        assert!(!same_quantity("1Gi", "1G"));
        assert!(!same_quantity("abc", "abd"));
    }

    #[test]
    fn only_a_field_that_can_never_change_asks_for_a_new_object() {
        let live = json!({"spec": {
            "serviceName": "a", "podManagementPolicy": "OrderedReady", "replicas": 1,
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "status": {"phase": "Pending"}}],
        }});
        let kind = ChildKind::StatefulSet;
        let desired = json!({"spec": {"serviceName": "a", "replicas": 2, "template": {"x": 1},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}});
        assert_eq!(immutable_difference(kind, &desired, &live), None);
        let desired = json!({"spec": {"serviceName": "b"}});
        assert_eq!(
            immutable_difference(kind, &desired, &live),
            Some("serviceName")
        );
        assert_eq!(
            immutable_difference(ChildKind::Service, &desired, &live),
            None
        );
    }

    #[test]
    fn another_revision_is_a_change_of_the_spec() {
        let with = |revision: &str| json!({"metadata": {"annotations": {REVISION: revision}}});
        assert_eq!(difference(&with("b"), &with("a")), Difference::Revision);
    }
}

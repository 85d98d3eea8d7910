//! Does a live object still say what the operator wants? Decided without asking the API server, so
//! that a reconcile of an unchanged platform writes nothing, not even a dry run.
//!
//! Three questions: is it of the wanted revision (the annotation), does every field that we set still
//! have our value, and has somebody added something where everything is ours? What a selector, a rule,
//! a variable or a container more does is never foreign by design; other fields that we did not set
//! belong to others and are left alone.

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

/// Compares `live` with `desired`, both whole objects of `kind` as JSON.
#[must_use]
pub fn difference(kind: ChildKind, desired: &Value, live: &Value) -> Difference {
    if revision(live) != revision(desired) {
        return Difference::Revision;
    }
    if covers(desired, live) && foreign(kind, desired, live).is_empty() {
        Difference::None
    } else {
        Difference::Drift
    }
}

/// What somebody added to `live` where everything is ours, as JSON pointers, in an order in which they
/// can be removed one after the other.
#[must_use]
pub fn foreign(kind: ChildKind, desired: &Value, live: &Value) -> Vec<String> {
    let roots: &[&str] = match kind {
        ChildKind::ConfigMap => &["/data", "/binaryData"],
        ChildKind::Secret => &["/data"],
        ChildKind::Service => &["/spec/selector", "/spec/ports"],
        ChildKind::NetworkPolicy => &["/spec"],
        ChildKind::Deployment | ChildKind::StatefulSet => &["/spec/template/spec"],
        _ => &[],
    };
    let mut found = Vec::new();
    for root in roots {
        match (desired.pointer(root), live.pointer(root)) {
            (Some(desired), Some(live)) => additions(desired, live, root, &mut found),
            (None, Some(live)) if !is_empty(live) => found.push((*root).to_owned()),
            _ => {}
        }
    }
    found
}

/// Fields that the API server fills in.
const DEFAULTED: [&str; 20] = [
    "apiVersion",
    "defaultMode",
    "dnsPolicy",
    "divisor",
    "failureThreshold",
    "imagePullPolicy",
    "nodePort",
    "periodSeconds",
    "protocol",
    "restartPolicy",
    "schedulerName",
    "scheme",
    "securityContext",
    "serviceAccount",
    "successThreshold",
    "targetPort",
    "terminationGracePeriodSeconds",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "timeoutSeconds",
];

fn additions(desired: &Value, live: &Value, path: &str, found: &mut Vec<String>) {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => {
            for (key, live) in live {
                let path = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
                match desired.get(key) {
                    // Policies of a namespace complete them.
                    _ if key == "resources" => {}
                    Some(desired) => additions(desired, live, &path, found),
                    None if is_empty(live) || DEFAULTED.contains(&key.as_str()) => {}
                    None => found.push(path),
                }
            }
        }
        (Value::Array(desired), Value::Array(live)) => {
            let is_named = |item: &Value| item["name"].is_string();
            // From the end, so that removing one does not move the next.
            for (index, item) in live.iter().enumerate().rev() {
                let path = format!("{path}/{index}");
                let wanted = if is_named(item) {
                    desired.iter().find(|wanted| is_same_item(wanted, item))
                } else {
                    desired.get(index)
                };
                match wanted {
                    Some(wanted) => additions(wanted, item, &path, found),
                    None => found.push(path),
                }
            }
        }
        _ => {}
    }
}

/// Whether two items of a list have the same key: their name, and for mounts the path.
fn is_same_item(one: &Value, other: &Value) -> bool {
    one["name"] == other["name"] && one["mountPath"] == other["mountPath"]
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
        assert_eq!(
            difference(ChildKind::Ingress, &desired, &live),
            Difference::None
        );
    }

    #[test]
    fn a_changed_value_is_drift() {
        let desired = json!({"spec": {"replicas": 2}});
        assert_eq!(
            difference(
                ChildKind::Ingress,
                &desired,
                &json!({"spec": {"replicas": 3}})
            ),
            Difference::Drift
        );
    }

    fn pods(spec: &Value) -> Value {
        json!({"spec": {"template": {"spec": spec}}})
    }

    fn added(desired: &Value, live: &Value) -> Vec<String> {
        let (desired, live) = (pods(desired), pods(live));
        foreign(ChildKind::Deployment, &desired, &live)
    }

    #[test]
    fn a_removed_variable_is_drift_and_so_is_an_added_one() {
        let with = |env: Value| pods(&json!({"containers": [{"name": "c", "env": env}]}));
        let desired = with(json!([{"name": "A", "value": "1"}]));
        for live in [
            with(json!([{"name": "B", "value": "2"}])),
            with(json!([{"name": "B", "value": "2"}, {"name": "A", "value": "1"}])),
        ] {
            let found = difference(ChildKind::Deployment, &desired, &live);
            assert_eq!(found, Difference::Drift);
        }
    }

    #[test]
    fn what_is_added_to_pods_is_named_from_the_end_and_defaults_are_not() {
        let desired = json!({"containers": [{"name": "c", "env": [{"name": "A"}]}]});
        let live = json!({"hostNetwork": true, "dnsPolicy": "ClusterFirst", "containers": [
            {"name": "mine"},
            {"name": "c", "env": [{"name": "B"}, {"name": "A"}, {"name": "C"}],
                "terminationMessagePath": "/dev/termination-log", "resources": {"limits": {"cpu": "1"}}},
            {"name": "yours"},
        ]});
        let root = "/spec/template/spec";
        let expected = [
            "/containers/2",
            "/containers/1/env/2",
            "/containers/1/env/0",
            "/containers/0",
            "/hostNetwork",
        ];
        assert_eq!(
            added(&desired, &live),
            expected.map(|path| format!("{root}{path}"))
        );
    }

    #[test]
    fn two_mounts_of_one_volume_are_two_items() {
        let mounts = json!([{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b"}]);
        let desired = json!({"containers": [{"name": "c", "volumeMounts": mounts}]});
        assert_eq!(added(&desired, &desired), Vec::<String>::new());
    }

    #[test]
    fn a_key_more_in_a_selector_is_drift() {
        let desired = json!({"spec": {"selector": {"a": "1"}}});
        let live = json!({"spec": {"selector": {"a": "1", "b/c": "2"}, "clusterIP": "1.2.3.4"}});
        let found = foreign(ChildKind::Service, &desired, &live);
        assert_eq!(found, ["/spec/selector/b~1c"]);
    }

    #[test]
    fn a_rule_more_in_a_policy_is_drift() {
        let desired = json!({"spec": {"podSelector": {}, "policyTypes": ["Ingress"]}});
        let live =
            json!({"spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}});
        let found = foreign(ChildKind::NetworkPolicy, &desired, &live);
        assert_eq!(found, ["/spec/ingress"]);
    }

    #[test]
    fn a_list_without_names_is_ours_as_a_whole() {
        let desired = json!({"rules": [{"host": "a"}]});
        let live = json!({"rules": [{"host": "a"}, {"host": "b"}]});
        assert_eq!(
            difference(ChildKind::Ingress, &desired, &live),
            Difference::Drift
        );
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
        assert_eq!(
            difference(ChildKind::Ingress, &with("b"), &with("a")),
            Difference::Revision
        );
    }
}

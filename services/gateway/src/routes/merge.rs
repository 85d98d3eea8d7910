//! Several OpenAPI documents made into one. No I/O.
//!
//! Two services may call different things by one name (`Item`); the second one is renamed
//! (`OrderItem`), in its own document's references too. What is equal is kept once.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

const SCHEMAS: &str = "#/components/schemas/";

/// Adds the documents of `services` (name, document) to `own`.
pub(super) fn merge<'a>(
    mut own: Value,
    services: impl Iterator<Item = (&'static str, &'a Value)>,
) -> Value {
    for (service, document) in services {
        let mut document = document.clone();
        let renamed = clashes(&own, &document, service);
        rename(&mut document, &renamed);
        take(
            &mut own,
            "/paths",
            document.pointer("/paths"),
            &BTreeMap::new(),
        );
        for kind in ["schemas", "securitySchemes", "responses", "parameters"] {
            let pointer = format!("/components/{kind}");
            let names = if kind == "schemas" {
                renamed.clone()
            } else {
                BTreeMap::new()
            };
            take(&mut own, &pointer, document.pointer(&pointer), &names);
        }
    }
    own
}

/// Schemas of `document` that `own` has under the same name with another content.
fn clashes(own: &Value, document: &Value, service: &str) -> BTreeMap<String, String> {
    let schemas = |value: &Value| value.pointer("/components/schemas")?.as_object().cloned();
    let known = schemas(own).unwrap_or_default();
    let mut first = service.chars();
    let prefix: String = first
        .next()
        .map(|c| c.to_ascii_uppercase())
        .into_iter()
        .chain(first)
        .collect();
    schemas(document)
        .unwrap_or_default()
        .into_iter()
        .filter(|(name, schema)| known.get(name).is_some_and(|other| other != schema))
        .map(|(name, _)| (name.clone(), format!("{prefix}{name}")))
        .collect()
}

/// Rewrites every reference to a renamed schema.
fn rename(value: &mut Value, renamed: &BTreeMap<String, String>) {
    match value {
        Value::Object(members) => members.values_mut().for_each(|v| rename(v, renamed)),
        Value::Array(items) => items.iter_mut().for_each(|v| rename(v, renamed)),
        Value::String(text) => {
            if let Some(name) = text.strip_prefix(SCHEMAS)
                && let Some(other) = renamed.get(name)
            {
                *text = format!("{SCHEMAS}{other}");
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Copies the members of `from` to `pointer` in `own`; what is there already stays.
fn take(own: &mut Value, pointer: &str, from: Option<&Value>, names: &BTreeMap<String, String>) {
    let Some(from) = from.and_then(Value::as_object) else {
        return;
    };
    let mut place = &mut *own;
    for part in pointer.split('/').skip(1) {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[part];
    }
    if !place.is_object() {
        *place = Value::Object(Map::new());
    }
    if let Some(members) = place.as_object_mut() {
        for (name, member) in from {
            let name = names.get(name).unwrap_or(name);
            members.entry(name).or_insert_with(|| member.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(path: &str, item: Value) -> Value {
        json!({
            "paths": { path: { "get": { "schema": { "$ref": "#/components/schemas/Item" } } } },
            "components": { "schemas": { "Item": item } },
        })
    }

    #[test]
    fn the_paths_of_all_services_are_there() {
        let (a, b) = (service("/a", json!({})), service("/b", json!({})));
        let union = merge(json!({}), [("user", &a), ("order", &b)].into_iter());
        let paths: Vec<_> = union["paths"].as_object().unwrap().keys().collect();
        assert_eq!(paths, ["/a", "/b"]);
    }

    #[test]
    fn one_name_for_two_things_is_told_apart() {
        let a = service("/a", json!({ "type": "string" }));
        let b = service("/b", json!({ "type": "object" }));
        let union = merge(json!({}), [("user", &a), ("order", &b)].into_iter());
        let schemas = &union["components"]["schemas"];
        assert_eq!(schemas["Item"]["type"], "string");
        assert_eq!(schemas["OrderItem"]["type"], "object");
        let reference = &union["paths"]["/b"]["get"]["schema"]["$ref"];
        assert_eq!(reference, "#/components/schemas/OrderItem");
    }

    #[test]
    fn one_thing_under_one_name_is_kept_once() {
        let (a, b) = (service("/a", json!({})), service("/b", json!({})));
        let union = merge(json!({}), [("user", &a), ("order", &b)].into_iter());
        assert_eq!(union["components"]["schemas"].as_object().unwrap().len(), 1);
    }

    #[test]
    fn a_document_of_the_wrong_shape_harms_nobody() {
        let odd = json!({ "paths": [], "components": 7 });
        assert_eq!(
            merge(json!({ "paths": {} }), [("user", &odd)].into_iter()),
            json!({ "paths": {} })
        );
    }
}

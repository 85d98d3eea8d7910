//! The chart installs what `kustomize/base` installs.
//!
//! The comparison renders the few template constructs that the chart uses by itself, so that it
//! runs where there is no Helm; a construct that it does not know fails the test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn objects(texts: impl IntoIterator<Item = String>) -> BTreeMap<String, Value> {
    let mut objects = BTreeMap::new();
    for text in texts {
        for document in serde_yaml::Deserializer::from_str(&text) {
            let mut object =
                Value::deserialize(document).unwrap_or_else(|error| panic!("{error}:\n{text}"));
            // Helm's own labels differ from kustomize's on purpose.
            object["metadata"].as_object_mut().unwrap().remove("labels");
            if let Some(pod) = object.pointer_mut("/spec/template/metadata") {
                pod.as_object_mut().unwrap().remove("labels");
            }
            objects.insert(
                format!("{} {}", object["kind"], object["metadata"]["name"]),
                object,
            );
        }
    }
    objects
}

/// The template `text` with the chart's own values.
fn render(text: &str, values: &Value) -> String {
    let mut lines = Vec::new();
    // Whether each open `if` or `with` shows its lines.
    let mut blocks: Vec<bool> = Vec::new();
    for line in text.lines() {
        let action = line
            .trim()
            .strip_prefix("{{- ")
            .and_then(|rest| rest.strip_suffix(" }}"));
        match action {
            Some("end") => {
                blocks.pop().expect("an open block");
            }
            Some(block) if block.starts_with("if ") || block.starts_with("with ") => {
                let (_, path) = block.split_once(' ').unwrap();
                let value = value(values, path);
                let empty = value.as_array().is_some_and(Vec::is_empty)
                    || value.as_object().is_some_and(serde_json::Map::is_empty);
                blocks.push(!(empty || value == &Value::Bool(false) || value == ""));
            }
            _ if blocks.contains(&false) => {}
            Some(block) => lines.push(nested(block, values)),
            None => lines.push(inline(line, values)),
        }
    }
    lines.join("\n") + "\n"
}

/// A whole line such as `include "…" . | nindent 4` or `toYaml .Values.x | nindent 12`.
fn nested(action: &str, values: &Value) -> String {
    let (what, indent) = action
        .split_once(" | nindent ")
        .unwrap_or_else(|| panic!("{action}"));
    let indent = " ".repeat(indent.parse().unwrap());
    let text = match what.strip_prefix("toYaml ") {
        Some(path) => serde_yaml::to_string(value(values, path)).unwrap(),
        None => "app.kubernetes.io/name: quickbite-operator".to_owned(),
    };
    text.trim_end()
        .lines()
        .map(|line| format!("{indent}{line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn inline(line: &str, values: &Value) -> String {
    let mut rest = line;
    let mut text = String::new();
    while let Some((before, after)) = rest.split_once("{{ ") {
        let (action, after) = after.split_once(" }}").expect("a closed action");
        text.push_str(before);
        text.push_str(&expression(action, values));
        rest = after;
    }
    text + rest
}

fn expression(action: &str, values: &Value) -> String {
    let (action, quoted) = match action.strip_suffix(" | quote") {
        Some(action) => (action, true),
        None => (action, false),
    };
    let text = match action {
        r#"include "quickbite-operator.fullname" ."# => "quickbite-operator".to_owned(),
        ".Release.Namespace" => "quickbite-system".to_owned(),
        "default .Chart.AppVersion .Values.image.tag" => "0.1.0".to_owned(),
        path => match value(values, path) {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        },
    };
    if quoted { format!("{text:?}") } else { text }
}

fn value<'a>(values: &'a Value, path: &str) -> &'a Value {
    let path = path
        .strip_prefix(".Values.")
        .unwrap_or_else(|| panic!("unknown: {path}"));
    path.split('.').fold(values, |value, part| &value[part])
}

#[test]
fn the_chart_has_the_objects_of_kustomize_base() {
    let chart = root().join("charts/quickbite-operator");
    let values: Value = serde_yaml::from_str(&read(&chart.join("values.yaml"))).unwrap();
    let templates = std::fs::read_dir(chart.join("templates")).unwrap();
    let templates = templates.map(|entry| entry.unwrap().path()).filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    let of_chart = objects(templates.map(|path| render(&read(&path), &values)));

    let base = root().join("kustomize/base");
    let kustomization: Value =
        serde_yaml::from_str(&read(&base.join("kustomization.yaml"))).unwrap();
    let files = kustomization["resources"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str);
    // Helm makes the namespace and installs the chart's crds/ by itself.
    let files = files.filter(|file| !file.starts_with("..") && *file != "namespace.yaml");
    let of_base = objects(files.map(|file| read(&base.join(file))));

    assert_eq!(of_chart, of_base);
}

#[test]
fn the_values_fit_their_schema_by_name() {
    let chart = root().join("charts/quickbite-operator");
    let values: Value = serde_yaml::from_str(&read(&chart.join("values.yaml"))).unwrap();
    let schema: Value = serde_json::from_str(&read(&chart.join("values.schema.json"))).unwrap();
    for name in values.as_object().unwrap().keys() {
        assert!(
            !schema["properties"][name].is_null(),
            "values.schema.json does not know {name}"
        );
    }
}

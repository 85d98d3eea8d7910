//! Who may depend on whom, read from the workspace's own graph.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

const SERVICES: [&str; 7] = [
    "gateway",
    "user",
    "restaurant",
    "order",
    "driver",
    "notification",
    "payment",
];

/// Every workspace member with the workspace members it depends on, tests' needs left out.
fn graph() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new()
        .no_deps()
        .exec()
        .expect("cargo metadata runs");
    let members: BTreeSet<_> = metadata
        .packages
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    let ours = |name: &str| members.contains(name);
    metadata
        .packages
        .iter()
        .map(|package| {
            let needs = package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind == DependencyKind::Normal)
                .map(|dependency| dependency.name.clone())
                .filter(|name| ours(name))
                .collect();
            (package.name.to_string(), needs)
        })
        .collect()
}

fn service_crates() -> Vec<String> {
    SERVICES
        .iter()
        .map(|service| format!("quickbite-{service}"))
        .collect()
}

#[test]
fn no_service_depends_on_another_service_or_on_the_operator() {
    let graph = graph();
    let mut forbidden: BTreeSet<_> = service_crates().into_iter().collect();
    forbidden.insert("quickbite-operator".to_owned());
    for service in service_crates() {
        let crossed: Vec<_> = graph[&service].intersection(&forbidden).collect();
        assert!(
            crossed.is_empty(),
            "{service} depends on {crossed:?}: talk by messages instead"
        );
    }
}

#[test]
fn the_operator_shares_nothing_but_telemetry_with_the_services() {
    assert_eq!(
        graph()["quickbite-operator"],
        BTreeSet::from(["quickbite-telemetry".to_owned()]),
        "the operator knows services by their images and environment, not by their code"
    );
}

#[test]
fn shared_crates_depend_only_downwards() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("quickbite-telemetry", &[][..]),
        ("quickbite-auth", &[][..]),
        ("quickbite-resilience", &["quickbite-telemetry"][..]),
        (
            "quickbite-http",
            &[
                "quickbite-auth",
                "quickbite-resilience",
                "quickbite-telemetry",
            ][..],
        ),
        (
            "quickbite-postgres",
            &["quickbite-http", "quickbite-telemetry"][..],
        ),
        ("quickbite-events", &["quickbite-telemetry"][..]),
    ]);
    let graph = graph();
    for (krate, may) in allowed {
        for needed in &graph[krate] {
            assert!(
                may.contains(&needed.as_str()),
                "{krate} must not depend on {needed}"
            );
        }
    }
}

#[test]
fn only_the_store_layer_speaks_sql_or_to_a_driver() {
    let root = root();
    let mut offenders = Vec::new();
    for service in SERVICES {
        for layer in ["routes", "domain"] {
            let folder = root.join("services").join(service).join("src").join(layer);
            for file in rust_files(&folder) {
                let text = std::fs::read_to_string(&file).expect("a source file is readable");
                let forbidden: &[&str] = match layer {
                    "domain" => &["sqlx::", "mongodb::", "redis::", "axum::", "lapin::"],
                    _ => &["sqlx::query", "mongodb::", "redis::cmd", "lapin::"],
                };
                for word in forbidden {
                    if text.contains(word) {
                        offenders.push(format!("{} uses {word}", file.display()));
                    }
                }
            }
        }
    }
    assert!(
        offenders.is_empty(),
        "routes → domain ← store is broken:\n{}",
        offenders.join("\n")
    );
}

fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the workspace")
        .to_owned()
}

fn rust_files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flatten()
        .flat_map(|entry| {
            let path = entry.path();
            if path.is_dir() {
                rust_files(&path)
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                vec![path]
            } else {
                Vec::new()
            }
        })
        .collect()
}

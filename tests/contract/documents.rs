//! What the repository says about itself is true: versions agree, each dependency has its reason,
//! every named part is there.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the workspace")
        .to_owned()
}

fn read(path: &str) -> String {
    let file = root().join(path);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[test]
fn every_part_that_the_readme_promises_is_in_the_tree() {
    let parts = [
        "Makefile",
        "Dockerfile",
        "Tiltfile",
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "LICENSE",
        ".ci/run",
        ".github/workflows/ci.yaml",
        "crds",
        "charts/quickbite-operator/Chart.yaml",
        "kustomize/base/kustomization.yaml",
        "kustomize/overlays/development/kustomization.yaml",
        "kustomize/overlays/staging/kustomization.yaml",
        "kustomize/overlays/production/kustomization.yaml",
    ];
    let missing: Vec<_> = parts
        .iter()
        .filter(|part| !root().join(part).exists())
        .collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
}

#[test]
fn each_dependency_stands_below_a_line_that_says_why() {
    let manifest = read("Cargo.toml");
    let table = manifest
        .split("[workspace.dependencies]")
        .nth(1)
        .and_then(|rest| rest.split("\n[").next())
        .expect("the workspace has dependencies");
    let mut explained = false;
    for line in table.lines().map(str::trim) {
        match line {
            "" => explained = false,
            comment if comment.starts_with('#') => explained = true,
            dependency if dependency.contains('=') => {
                assert!(
                    explained,
                    "no reason stands above {dependency:?} in Cargo.toml"
                );
            }
            _ => {}
        }
    }
}

#[test]
fn relative_links_in_the_documents_lead_somewhere() {
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
    ] {
        for target in links(&read(document)) {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            assert!(
                root().join(path).exists(),
                "{document} links to {path}, which is not there"
            );
        }
    }
}

/// The targets of Markdown links `[text](target)`.
fn links(text: &str) -> Vec<String> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .map(|target| target.trim().to_owned())
        .collect()
}

#[test]
fn the_chart_carries_the_workspace_version() {
    let manifest = read("Cargo.toml");
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("version = \""))
        .and_then(|rest| rest.split('"').next())
        .expect("the workspace has a version");
    let chart = read("charts/quickbite-operator/Chart.yaml");
    assert!(
        chart.contains(&format!("appVersion: {version}"))
            || chart.contains(&format!("appVersion: \"{version}\"")),
        "charts/quickbite-operator/Chart.yaml does not carry appVersion {version}"
    );
}

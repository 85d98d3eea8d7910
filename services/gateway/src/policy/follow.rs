//! Notices when a mounted file's content changes.
//!
//! By reading it every second and not by inotify: a ConfigMap or Secret changes by a swapped
//! symlink two directories up, and the files are small.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

const EVERY: Duration = Duration::from_secs(1);

/// The file's text. `what` names it in messages.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn read(what: &'static str, file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file)
        .with_context(|| format!("{what} {} cannot be read", file.display()))
}

/// Gives the text to `take` whenever it is no longer `known`. What `take` refuses is logged.
/// Needs a tokio runtime.
pub(crate) fn follow<T>(what: &'static str, file: PathBuf, mut known: String, mut take: T)
where
    T: FnMut(&str) -> anyhow::Result<()> + Send + 'static,
{
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(EVERY).await;
            let Ok(text) = tokio::fs::read_to_string(&file).await else {
                continue; // between two versions of the mount
            };
            if text != known {
                match take(&text) {
                    Ok(()) => tracing::info!(what, "took the changed file"),
                    Err(error) => tracing::error!(
                        what,
                        error = &*error as &dyn std::error::Error,
                        "the changed file is unusable; what was in force stays"
                    ),
                }
                known = text;
            }
        }
    });
}

//! The path of the running request, for the `instance` of a problem.

use std::future::Future;

use tokio::task_local;

task_local! {
    static PATH: String;
}

/// The path of the running request; empty outside of one.
pub(crate) fn current() -> String {
    PATH.try_with(String::clone).unwrap_or_default()
}

/// Runs `future` as the request for `path`.
pub(crate) fn scope<F: Future>(path: String, future: F) -> impl Future<Output = F::Output> {
    PATH.scope(path, future)
}

//! Which of several replicas acts: a Lease in the operator's own namespace.
//!
//! The Lease does not fence: a process that lost it could still write for a moment. So every
//! reconcile reads the Lease first, every write checks the flag, and a process that lost it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use kube_lease_manager::LeaseManagerBuilder;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Name of the Lease.
pub const LEASE: &str = "quickbite-operator";

/// How long a lease is valid after its last renewal, in seconds. A leader that dies is replaced
/// after at most this long; one that ends in order, after at most as long.
const VALID_SECONDS: u64 = 10;
/// How long before its end the lease is renewed, in seconds.
const RENEW_BEFORE_SECONDS: u64 = 5;

/// Whether this process may write.
#[derive(Clone)]
pub struct Leadership {
    held: Arc<AtomicBool>,
    lease: Option<(Api<Lease>, String)>,
}

impl Leadership {
    /// For a single replica, and for tests: always held.
    #[must_use]
    pub fn always() -> Self {
        Self {
            held: Arc::new(AtomicBool::new(true)),
            lease: None,
        }
    }

    /// Whether this process leads, as last heard.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    /// Whether this process leads, as the Lease says now.
    pub async fn confirm(&self) -> bool {
        if !self.is_held() {
            return false;
        }
        let Some((api, identity)) = &self.lease else {
            return true;
        };
        match api.get(LEASE).await {
            Ok(lease) => is_holder(&lease, identity, crate::clock::now()),
            Err(error) => {
                tracing::warn!(%error, "the lease could not be read, so nothing is written");
                false
            }
        }
    }
}

fn is_holder(lease: &Lease, identity: &str, now: Timestamp) -> bool {
    let Some(spec) = &lease.spec else {
        return false;
    };
    let valid_until = spec.renew_time.as_ref().and_then(|renewed| {
        let seconds = i64::from(spec.lease_duration_seconds.unwrap_or(0));
        renewed
            .0
            .checked_add(jiff::SignedDuration::from_secs(seconds))
            .ok()
    });
    spec.holder_identity.as_deref() == Some(identity) && valid_until.is_some_and(|end| now < end)
}

/// A running election. Keep it; `end` releases the Lease.
pub struct Election {
    /// Whether this process leads.
    pub leadership: Leadership,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

/// Takes part in the election as `identity` and returns once this process leads; `None` when
/// `shutdown` came first. When leadership is lost later, `lost` is cancelled.
///
/// # Errors
/// When the Lease can neither be read nor made.
pub async fn lead(
    client: Client,
    namespace: &str,
    identity: &str,
    shutdown: &CancellationToken,
    lost: CancellationToken,
) -> anyhow::Result<Option<Election>> {
    let manager = LeaseManagerBuilder::new(client.clone(), LEASE)
        .with_namespace(namespace)
        .with_identity(identity)
        .with_duration(VALID_SECONDS)
        .with_grace(RENEW_BEFORE_SECONDS)
        .build()
        .await
        .context("the lease could not be read or made")?;
    let held = Arc::new(AtomicBool::new(false));
    let leadership = Leadership {
        held: held.clone(),
        lease: Some((Api::namespaced(client, namespace), identity.to_owned())),
    };
    let (mut state, manager_task) = manager.watch().await;
    let first = async {
        while !*state.borrow_and_update() {
            if state.changed().await.is_err() {
                return false;
            }
        }
        true
    };
    let leads = tokio::select! {
        leads = first => leads,
        () = shutdown.cancelled() => false,
    };
    if !leads {
        drop(state);
        manager_task.await.context("the election ended badly")??;
        return Ok(None);
    }
    held.store(true, Ordering::Release);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let task = tokio::spawn(async move {
        loop {
            tokio::select! {
                () = stopped.cancelled() => break,
                changed = state.changed() => if changed.is_err() || !*state.borrow_and_update() {
                    tracing::error!("leadership was lost");
                    held.store(false, Ordering::Release);
                    lost.cancel();
                    break;
                },
            }
        }
        held.store(false, Ordering::Release);
        // Without a receiver the manager releases the Lease and ends.
        drop(state);
        manager_task.await.context("the election ended badly")??;
        Ok(())
    });
    Ok(Some(Election {
        leadership,
        stop,
        task,
    }))
}

impl Election {
    /// Releases the Lease.
    ///
    /// # Errors
    /// When it could not be released; it then runs out by itself.
    pub async fn end(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.task.await.context("the election ended badly")?
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::coordination::v1::LeaseSpec;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

    use super::*;

    #[test]
    fn a_lease_that_ran_out_is_not_held() {
        let renewed = Timestamp::UNIX_EPOCH;
        let lease = Lease {
            spec: Some(LeaseSpec {
                holder_identity: Some("me".to_owned()),
                lease_duration_seconds: Some(10),
                renew_time: Some(MicroTime(renewed)),
                ..LeaseSpec::default()
            }),
            ..Lease::default()
        };
        let after = |seconds| Timestamp::from_second(seconds).unwrap();
        assert!(is_holder(&lease, "me", after(9)));
        assert!(!is_holder(&lease, "me", after(10)));
        assert!(!is_holder(&lease, "you", after(9)));
    }
}

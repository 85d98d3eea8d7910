//! The services that this gateway knows: where they are, their circuits, their retry budgets.

use std::sync::Arc;

use http::Uri;
use http::uri::{Authority, Scheme};
use quickbite_http::Problem;
use quickbite_resilience::Clock;
use quickbite_resilience::breaker::{Breaker, Settings};
use quickbite_resilience::retry::RetryBudget;
use quickbite_telemetry::metrics::{IntCounter, counter_vec};

use crate::config::UpstreamArgs;
use crate::routing::Upstream;

/// One service.
pub(crate) struct Target {
    pub(crate) upstream: Upstream,
    pub(crate) breaker: Breaker,
    pub(crate) budget: RetryBudget,
    pub(crate) retries: IntCounter,
    authority: Authority,
}

impl Target {
    /// The same path and query at the service.
    ///
    /// # Errors
    /// A 400 problem for a request target that is no path (`*`).
    pub(crate) fn uri(&self, asked: &Uri) -> Result<Uri, Problem> {
        let path = asked
            .path_and_query()
            .filter(|path| path.as_str().starts_with('/'))
            .ok_or_else(|| Problem::bad_request("bad_target", "The request names no path"))?;
        Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.authority.clone())
            .path_and_query(path.clone())
            .build()
            .map_err(Problem::internal)
    }

    /// A path of the gateway's own choice at the service.
    pub(crate) fn own(&self, path: &'static str) -> Result<Uri, Problem> {
        self.uri(&Uri::from_static(path))
    }
}

/// Enabled services by [`Upstream`].
pub(crate) struct Upstreams([Option<Target>; Upstream::ALL.len()]);

impl Upstreams {
    /// # Errors
    /// When a URL is not `http://host[:port]`.
    pub(crate) fn new(
        args: &UpstreamArgs,
        settings: Settings,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let retries = counter_vec(
            "quickbite_gateway_retries_total",
            "Requests that were tried a second time",
            &["upstream"],
        );
        let mut targets = [const { None }; Upstream::ALL.len()];
        for upstream in Upstream::ALL {
            let Some(uri) = args.of(upstream) else {
                continue;
            };
            let name = upstream.name();
            let authority = uri
                .authority()
                .filter(|_| uri.scheme() == Some(&Scheme::HTTP) && uri.path() == "/");
            let Some(authority) = authority else {
                anyhow::bail!("the URL of the {name} service is not http://host[:port]: {uri}");
            };
            targets[upstream as usize] = Some(Target {
                upstream,
                breaker: Breaker::new(name, settings, Arc::clone(clock)),
                budget: RetryBudget::new(Arc::clone(clock)),
                retries: retries.with_label_values(&[name]),
                authority: authority.clone(),
            });
        }
        Ok(Self(targets))
    }

    pub(crate) fn get(&self, upstream: Upstream) -> Option<&Target> {
        self.0[upstream as usize].as_ref()
    }

    pub(crate) fn enabled(&self) -> impl Iterator<Item = &Target> {
        self.0.iter().flatten()
    }

    pub(crate) fn apply(&self, settings: Settings) {
        self.enabled()
            .for_each(|target| target.breaker.apply(settings));
    }
}

//! Which cluster to watch: a real one, or the simulated one.

use std::sync::Arc;

use ingress_core::source::demo::{DemoSource, InvalidDemo};
use ingress_core::source::kube::{ConfigErrorKind, KubeSource};
use ingress_core::{Cluster as _, Source};

use crate::args::Args;
use crate::failure::Failure;

/// What is watched.
pub(crate) struct Found {
    pub(crate) source: Arc<dyn Source>,
    /// The same, if it is real.
    pub(crate) kube: Option<KubeSource>,
    /// The same, if it is simulated.
    pub(crate) demo: Option<DemoSource>,
}

impl Found {
    fn simulated(source: DemoSource) -> Self {
        Self { source: Arc::new(source.clone()), kube: None, demo: Some(source) }
    }
}

/// Finds the cluster that the command line or the surroundings name, and tells which it is.
pub(crate) async fn find(args: &Args) -> Result<Found, Failure> {
    if let Some(ingresses) = args.demo {
        let source = simulated(args, ingresses)?;
        tracing::info!(detail = source.info().detail, "a simulated cluster: nothing shown is real");
        return Ok(Found::simulated(source));
    }
    let named = args.kubeconfig.is_some() || args.context.is_some();
    let builder = KubeSource::builder().kubeconfig(args.kubeconfig.clone()).context(args.context.clone());
    match builder.connect().await {
        Ok(source) => {
            let info = source.info();
            tracing::info!(
                cluster = %info.id,
                origin = info.origin.as_str(),
                detail = info.detail,
                server = info.server,
                "watching a cluster"
            );
            Ok(Found { source: Arc::new(source.clone()), kube: Some(source), demo: None })
        }
        Err(error) if error.kind() == ConfigErrorKind::NotConfigured && !named => {
            let source = simulated(args, 500)?;
            tracing::warn!(
                detail = source.info().detail,
                "no cluster is configured: showing a simulated one, nothing of which is real; --kubeconfig names a real one"
            );
            Ok(Found::simulated(source))
        }
        Err(error) => Err(Failure::configuration(error)),
    }
}

fn simulated(args: &Args, ingresses: usize) -> Result<DemoSource, Failure> {
    let mut builder = DemoSource::builder().ingresses(ingresses);
    if let Some(rate) = args.demo_changes_per_second {
        builder = builder.changes_per_second(rate);
    }
    if let Some(seed) = args.demo_seed {
        builder = builder.seed(seed);
    }
    let source = builder.build().map_err(|error| Failure::configuration(flagged(&error)))?;
    for raised in &args.demo_fault {
        source.faults().raise(raised.scope.clone(), raised.fault);
    }
    Ok(source)
}

/// The same error in the words of the command line.
fn flagged(error: &InvalidDemo) -> String {
    let flag = match error.field() {
        "changes_per_second" => "--demo-changes-per-second",
        _ => "--demo",
    };
    format!("{flag}: {error}")
}

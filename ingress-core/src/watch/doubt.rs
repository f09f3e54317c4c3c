//! Whether a quiet watch has nothing to say, or nobody who says it.
//!
//! Bookmarks come once a minute at best, so silence alone can't tell a connection that died without a word from a cluster in
//! which nothing happens. A second watch from the same resume point can, over a connection of its own.

use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use tokio::time::{sleep, timeout};

use crate::endpoint::Endpoint;
use crate::kind::Kind;
use crate::question::Question;
use crate::source::{ResourceSource, WatchEvent, WatchRequest};
use crate::stats::Outcomes;

/// How long a second watch is listened to: the API server tells at once what happened after a resume point.
pub(super) const LISTEN: Duration = Duration::from_secs(1);

/// `Some` when a second watch tells of a change. The first one, if it lives, tells of it within a moment, and whoever waits
/// for this hears that first.
pub(super) async fn missed<K: Kind>(
    source: &dyn ResourceSource<K>,
    endpoint: &Endpoint,
    request: WatchRequest,
    within: Duration,
    outcomes: &Outcomes,
) -> Option<()> {
    // One at a time for a whole cluster, so that many quiet lanes cost it a request a second and no more.
    let _turn = endpoint.doubts().acquire_owned().await.ok()?;
    let (scope, kind) = (request.scope.clone(), K::resource().kind);
    let span = Question::new(&endpoint.info().id, "watch", &kind).within(&scope).span();
    let mut stream = outcomes.ask(within, span, source.watch(request)).await.ok()?;
    let told = async {
        while let Some(Ok(batch)) = stream.next().await {
            if batch.iter().any(|event| matches!(event, WatchEvent::Applied(_) | WatchEvent::Deleted(_))) {
                return Some(());
            }
        }
        None
    };
    timeout(LISTEN, told).await.ok()??;
    sleep(LISTEN).await;
    Some(())
}

/// Whether a doubt was right, once that is known; never, while there is none.
pub(super) async fn answer(doubt: &mut Option<BoxFuture<'static, bool>>) -> bool {
    match doubt {
        Some(doubt) => doubt.await,
        None => std::future::pending().await,
    }
}

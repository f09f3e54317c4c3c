//! The seam can be mocked with mockall, for tests of what is built on it.
#![cfg(feature = "test-util")]

use std::sync::Arc;

use futures::{StreamExt, stream};
use ingress_core::source::MockResourceSource;
use ingress_core::{Ingress, LaneScope, ResourceSource, Revision, WatchEvent, WatchRequest};

#[tokio::test]
async fn a_mock_stands_in_for_a_source() {
    let mut mock = MockResourceSource::<Ingress>::new();
    mock.expect_watch()
        .withf(|request| request.scope == LaneScope::Cluster && request.resume.is_none())
        .once()
        .returning(|_| Ok(stream::iter([Ok(vec![WatchEvent::Synced(Revision::new("1"))])]).boxed()));
    let source: Arc<dyn ResourceSource<Ingress>> = Arc::new(mock);
    let mut watch = source.watch(WatchRequest::new(LaneScope::Cluster)).await.unwrap();
    assert_eq!(watch.next().await.unwrap().unwrap(), [WatchEvent::Synced(Revision::new("1"))]);
    assert!(watch.next().await.is_none());
}

//! Watches a file of ingresses, one JSON object to a line, as if it were a cluster.
//!
//! ```text
//! cargo run -p custom-source -- ingresses.jsonl
//! ```
//!
//! Implementing a source for something that is not Kubernetes takes what stands between the two lines below: say what
//! there is, and say when that is out of date. Comparing, numbering, retrying and telling readers are the engine's.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use ingress_core::source::WatchStream;
use ingress_core::{
    Cluster, ClusterId, ClusterInfo, ErrorKind, Hub, Kind, ObjectKey, Origin, ResourceSource, Revision,
    SourceError, Update, WatchEvent, WatchRequest,
};

// ---------------------------------------------------------------------------------------------------------------------

struct FileSource(PathBuf);

impl FileSource {
    fn changed(&self) -> Result<SystemTime, SourceError> {
        let metadata = std::fs::metadata(&self.0).and_then(|metadata| metadata.modified());
        metadata.map_err(|error| SourceError::new(ErrorKind::Unreachable, error.to_string()))
    }
}

#[async_trait]
impl<K: Kind> ResourceSource<K> for FileSource {
    async fn watch(&self, request: WatchRequest) -> Result<WatchStream<K>, SourceError> {
        if request.resume.is_some() {
            return Err(SourceError::new(ErrorKind::Expired, "a file keeps no history"));
        }
        let read_at = self.changed()?;
        let text = std::fs::read_to_string(&self.0)
            .map_err(|error| SourceError::new(ErrorKind::Unreachable, error.to_string()))?;
        let mut events = Vec::new();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| line.contains(&*K::resource().kind))
        {
            let object = K::decode_json(&mut serde_json::Deserializer::from_str(line))
                .map_err(|_| SourceError::new(ErrorKind::Malformed, format!("line {}", number + 1)))?;
            events.push(WatchEvent::Listed(object));
        }
        events.push(WatchEvent::Synced(Revision::new("read")));
        let until_changed = stream::unfold(Self(self.0.clone()), move |this| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let update = this.changed().and_then(|now| match now == read_at {
                true => Ok(vec![WatchEvent::Bookmark(Revision::new("read"))]),
                false => Err(SourceError::new(ErrorKind::Expired, "the file changed")),
            });
            Some((update, this))
        });
        Ok(stream::iter([Ok(events)]).chain(until_changed).boxed())
    }

    async fn get(&self, key: &ObjectKey) -> Result<Bytes, SourceError> {
        Err(SourceError::new(ErrorKind::NotFound, format!("{key}: a file has no more than what was listed")))
    }
}

#[async_trait]
impl Cluster for FileSource {
    fn info(&self) -> ClusterInfo {
        ClusterInfo::new(ClusterId::sanitized("file"), Origin::Custom)
    }

    async fn probe(&self) -> Result<(), SourceError> {
        self.changed().map(drop)
    }
}

// ---------------------------------------------------------------------------------------------------------------------

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some(file) = std::env::args_os().nth(1) else { anyhow::bail!("usage: custom-source FILE") };
    let hub = Hub::builder(FileSource(file.into())).start();
    let (_, mut deltas) = hub.ingresses().subscribe();
    while let Some(update) = deltas.next().await {
        if let Update::Changes(batch) = update {
            for (position, change) in batch.iter() {
                writeln!(std::io::stdout(), "{position} {change:?}")?;
            }
        }
    }
    Ok(())
}

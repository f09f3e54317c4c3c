//! In which version a cluster serves a kind.
//!
//! Versions differ between clusters, and a custom resource may come, go or change its version while this runs. Asking first would
//! cost every start a request for each group, so the version that a kind prefers is simply tried. Only when the server has no such
//! resource (404) is it asked, at `/apis/{group}`, which versions the group has; those that the kind can be read from are tried, the
//! best first, since a group serves its kinds in different ones. The version that answers is remembered until it answers 404 in
//! turn. Of a kind that is not there, the group is asked before the kind, and an answer counts for all kinds of the group for
//! [`FRESH`]: where nothing of a group is installed, its lanes together cost a request each time that they look.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use super::{MAX_ERROR_BODY, Shared, Wanted, read};
use crate::error::{ErrorKind, SourceError};
use crate::kind::Resource;

/// How long an answer about a group counts.
pub(super) const FRESH: Duration = Duration::from_secs(5);

type Version = Cow<'static, str>;
/// A group and the plural of a kind.
type Name = (Version, Version);

/// What is known of the versions that a cluster serves. Nothing, at first.
#[derive(Debug, Default)]
pub(super) struct Versions {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The version that a kind answered in, where it isn't the one that it prefers.
    served: HashMap<Name, Version>,
    /// The kinds that answered in no version when they were asked last.
    absent: HashSet<Name>,
    /// The versions of groups, and when they were asked.
    groups: HashMap<Version, (Instant, Arc<[String]>)>,
}

impl Versions {
    fn known(&self) -> MutexGuard<'_, Known> {
        // It holds together after every statement.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The version in which a kind is asked for first.
    pub(super) fn of(&self, resource: &Resource) -> Version {
        self.known().served.get(&name(resource)).unwrap_or(&resource.version).clone()
    }
}

fn name(resource: &Resource) -> Name {
    (resource.group.clone(), resource.plural.clone())
}

/// The versions in which a kind is asked for, one after the other.
pub(super) struct Attempts<'a> {
    shared: &'a Shared,
    resource: Resource,
    tried: Vec<Version>,
    rest: Option<std::vec::IntoIter<Version>>,
}

impl<'a> Attempts<'a> {
    pub(super) fn new(shared: &'a Shared, resource: Resource) -> Self {
        Self { shared, resource, tried: Vec::new(), rest: None }
    }

    /// The next version to ask for; `None` when the cluster serves none other.
    pub(super) async fn next(&mut self) -> Option<Version> {
        let versions = &self.shared.versions;
        if self.tried.is_empty() && self.rest.is_none() {
            let absent = versions.known().absent.contains(&name(&self.resource));
            if !absent {
                let first = versions.of(&self.resource);
                self.tried.push(first.clone());
                return Some(first);
            }
        }
        if self.rest.is_none() {
            let rest = self.others().await;
            self.rest = Some(rest.into_iter());
        }
        self.rest.as_mut()?.next()
    }

    /// The versions that the cluster serves and that were not tried yet.
    async fn others(&self) -> Vec<Version> {
        let only = self.resource.older.is_empty();
        if only && self.tried.contains(&self.resource.version) {
            return Vec::new();
        }
        let served = self.shared.group(&self.resource.group).await;
        let older = self.resource.older.iter().map(|version| Cow::Borrowed(*version));
        std::iter::once(self.resource.version.clone())
            .chain(older)
            .filter(|version| !self.tried.contains(version))
            // Where nobody says what is served, all are tried.
            .filter(|version| served.as_ref().is_none_or(|served| served.iter().any(|it| it == version)))
            .collect()
    }

    /// Notes that the kind was there in this version.
    pub(super) fn found(&self, version: &Version) {
        let name = name(&self.resource);
        let mut known = self.shared.versions.known();
        known.absent.remove(&name);
        let before = if *version == self.resource.version {
            known.served.remove(&name)
        } else {
            known.served.insert(name, version.clone())
        };
        drop(known);
        if before.as_ref().unwrap_or(&self.resource.version) != version {
            let Resource { group, plural, .. } = &self.resource;
            tracing::info!(cluster = %self.shared.info.id, %group, %plural, %version, "served in another version");
        }
    }

    /// Notes that there is no such kind; with what the server said, if it was asked.
    pub(super) fn absent(self, said: Option<SourceError>) -> SourceError {
        let name = name(&self.resource);
        let mut known = self.shared.versions.known();
        known.served.remove(&name);
        known.absent.insert(name);
        drop(known);
        said.unwrap_or_else(|| {
            let Resource { group, plural, .. } = &self.resource;
            SourceError::new(ErrorKind::NotFound, format!("the server serves no {plural} of {group}"))
        })
    }
}

#[derive(Deserialize)]
struct ApiGroup {
    #[serde(default)]
    versions: Vec<GroupVersion>,
}

#[derive(Deserialize)]
struct GroupVersion {
    version: String,
}

impl Shared {
    /// The versions in which a group is served: none where it isn't; `None` where the server doesn't tell.
    async fn group(&self, group: &Version) -> Option<Arc<[String]>> {
        if group.is_empty() {
            // The core group has one version, which is always there.
            return Some(Arc::default());
        }
        if let Some((asked, versions)) = self.versions.known().groups.get(group)
            && asked.elapsed() < FRESH
        {
            return Some(versions.clone());
        }
        let versions: Arc<[String]> = match self.ask_group(group).await {
            Ok(found) => found.versions.into_iter().map(|it| it.version).collect(),
            Err(error) if error.kind() == ErrorKind::NotFound => Arc::default(),
            Err(error) => {
                tracing::debug!(cluster = %self.info.id, %group, %error, "which versions are served is not told");
                return None;
            }
        };
        self.versions.known().groups.insert(group.clone(), (Instant::now(), versions.clone()));
        Some(versions)
    }

    async fn ask_group(&self, group: &str) -> Result<ApiGroup, SourceError> {
        let answer = self.send(&format!("/apis/{group}"), "", Wanted::Json).await?;
        let body = read(answer.chunks, MAX_ERROR_BODY).await?;
        serde_json::from_slice(&body).map_err(|error| {
            SourceError::new(ErrorKind::Malformed, format!("{group}: no list of versions: {error}"))
        })
    }
}

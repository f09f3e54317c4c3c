//! What somebody may read of the kinds that routes are judged by.
//!
//! There are some two dozen kinds, and any number of namespaces. So it is asked of each kind whether somebody may list it everywhere,
//! and of a namespace only once a judgement looked for something there: the questions follow the routes of whoever asks, not the size of the
//! cluster. Whoever may list everything everywhere costs the first sort alone.
//!
//! Answers are believed as long as those about ingresses, and held as long while the cluster can't be asked. What was not asked yet, or can't be known,
//! counts as what may not be read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt as _, stream};
use ingress_core::access::{Attributes, UserInfo};
use ingress_core::inventory::{self, MayRead, Refusal};
use ingress_core::{ClusterId, Hub, Namespace, SourceError};
use tokio::time::Instant;

use super::access::{AT_ONCE, Access};
use crate::auth::ASK_AGAIN;

/// About how many things it is remembered at most whether one person may read them in a cluster. Beyond, it begins anew.
const QUESTIONS: usize = 4096;

/// What the way of a request leads through beyond a service: asked about together with that, so that a judgement needn't be made for each to find
/// out that there is another one to be asked about. Services alone lead there, since only what may be read names them: where something is asked
/// because there is an object, nothing else must hang on it, or whoever may not read the object could tell that it is there.
const BEYOND: [&str; 4] = ["EndpointSlice", "Pod", "Secret", "NetworkPolicy"];

/// What somebody may read. Equal ones hash equally: what is judged for one serves everybody who may read the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Reads {
    /// Everything.
    All,
    /// What is said here, and nothing else.
    Some(Arc<Answers>),
}

/// What may be read, by cluster and kind. What else was asked is no part of it: that tells of what there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Answers(BTreeMap<ClusterId, BTreeMap<&'static str, OfKind>>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum OfKind {
    /// In all namespaces, or a kind that has none.
    Everywhere,
    In(BTreeSet<String>),
}

impl MayRead for Answers {
    fn may_read(&self, cluster: &ClusterId, kind: &'static str, namespace: Option<&str>) -> bool {
        match self.0.get(cluster).and_then(|kinds| kinds.get(kind)) {
            Some(OfKind::Everywhere) => true,
            Some(OfKind::In(names)) => namespace.is_some_and(|name| names.contains(name)),
            None => false,
        }
    }
}

impl Answers {
    /// Whether it is known of no cluster what may be read.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What one person may read, as far as it is known.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) reads: Reads,
    /// What was asked, in each cluster that could be asked at all.
    asked: BTreeMap<ClusterId, Arc<BTreeSet<Thing>>>,
    /// The clusters of which it is not known, and why.
    pub(crate) unknown: Arc<BTreeMap<ClusterId, SourceError>>,
    /// When to find out again.
    pub(crate) due: Instant,
}

impl Read {
    /// Whether it was asked whether this may be read.
    pub(crate) fn has(&self, refusal: &Refusal) -> bool {
        // Of every kind it is asked first whether all of it may be read; and a cluster that can't be asked is not asked about each thing in it.
        let asked = self.asked.get(&refusal.cluster).filter(|_| refusal.namespace.is_some());
        asked.is_none_or(|asked| asked.contains(&(refusal.kind, refusal.namespace.clone())))
    }
}

/// A kind, and a namespace or all.
type Thing = (&'static str, Option<String>);

/// What is known of one person in one cluster.
#[derive(Debug, Default)]
pub(super) struct Known {
    answers: BTreeMap<Thing, (bool, Instant)>,
    /// The same without the answers.
    asked: Arc<BTreeSet<Thing>>,
    /// What a judgement looked for last.
    wanted: BTreeSet<Thing>,
    failure: Option<(SourceError, Instant)>,
}

impl Known {
    /// What is to be asked: every kind, what is wanted, and what may be read so far.
    fn questions(&self, now: Instant, max_age: std::time::Duration) -> Vec<Thing> {
        let kinds = inventory::kinds().into_iter().map(|kind| (kind, None));
        let allowed =
            self.answers.iter().filter(|(_, (allowed, _))| *allowed).map(|(thing, _)| thing.clone());
        let all: BTreeSet<Thing> = kinds.chain(self.wanted.iter().cloned()).chain(allowed).collect();
        let everywhere = |kind| self.answers.get(&(kind, None)).is_some_and(|(allowed, _)| *allowed);
        let fresh = |thing: &Thing| self.answers.get(thing).is_some_and(|(_, at)| *at + max_age > now);
        let needed = |thing: &Thing| thing.1.is_none() || !everywhere(thing.0);
        all.into_iter().filter(|thing| needed(thing) && !fresh(thing)).collect()
    }

    /// What may be read, by kind.
    fn allowed(&self) -> BTreeMap<&'static str, OfKind> {
        let mut kinds = BTreeMap::new();
        for ((kind, namespace), _) in self.answers.iter().filter(|(_, (allowed, _))| *allowed) {
            let of = kinds.entry(*kind).or_insert_with(|| OfKind::In(BTreeSet::new()));
            match (namespace, of) {
                // Comes first. Who may read all of a kind is not told apart by what was asked before that was known.
                (None, of) => *of = OfKind::Everywhere,
                (Some(name), OfKind::In(names)) => drop(names.insert(name.clone())),
                (Some(_), OfKind::Everywhere) => {}
            }
        }
        kinds
    }
}

impl Access {
    /// What somebody may read. `wanted` is what was looked for and could not be read, once somebody did look.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the questions, unless somebody else waits for them, too.
    pub(crate) async fn may_read(
        &self,
        hub: &Hub,
        user: &UserInfo,
        wanted: Option<&BTreeSet<Refusal>>,
    ) -> Read {
        let (max_age, hold) = self.ages();
        let mut due = Instant::now() + max_age;
        if self.sees_all() {
            return Read { reads: Reads::All, asked: BTreeMap::new(), unknown: Arc::default(), due };
        }
        let person = self.person(user);
        let mut known = person.reads.lock().await;
        let clusters: Vec<ClusterId> = hub.clusters().into_iter().map(|status| status.info.id).collect();
        known.retain(|cluster, _| clusters.contains(cluster));
        let (mut answers, mut asked, mut unknown) = (Answers::default(), BTreeMap::new(), BTreeMap::new());
        for cluster in &clusters {
            let known = known.entry(cluster.clone()).or_default();
            if let Some(wanted) = wanted {
                let here = wanted.iter().filter(|refusal| refusal.cluster == *cluster);
                known.wanted = here.flat_map(with_the_way).collect();
            }
            let now = Instant::now();
            if known.failure.as_ref().is_none_or(|(_, at)| *at + ASK_AGAIN.min(max_age) <= now) {
                self.find_out(hub, cluster, user, known).await;
            }
            known.answers.retain(|_, (_, at)| *at + max_age + hold > now);
            if !known.answers.keys().eq(&*known.asked) {
                known.asked = Arc::new(known.answers.keys().cloned().collect());
            }
            if let (Some((error, at)), true) = (&known.failure, known.answers.is_empty()) {
                unknown.insert(cluster.clone(), error.clone());
                due = due.min(*at + ASK_AGAIN.min(max_age));
                continue;
            }
            let ends = known.answers.values().map(|(_, at)| *at + max_age).min();
            let again = known.failure.as_ref().map(|(_, at)| *at + ASK_AGAIN.min(max_age));
            due = due.min(again.or(ends).unwrap_or(due));
            asked.insert(cluster.clone(), known.asked.clone());
            answers.0.insert(cluster.clone(), known.allowed());
        }
        let everything =
            |cluster| inventory::kinds().into_iter().all(|kind| answers.may_read(cluster, kind, None));
        let all = !clusters.is_empty() && clusters.iter().all(everything);
        let reads = if all { Reads::All } else { Reads::Some(Arc::new(answers)) };
        Read { reads, asked, unknown: Arc::new(unknown), due }
    }

    /// Asks what is to be asked. A failure leaves what was known before.
    async fn find_out(&self, hub: &Hub, cluster: &ClusterId, user: &UserInfo, known: &mut Known) {
        let (max_age, _) = self.ages();
        let now = Instant::now();
        if known.answers.len() > QUESTIONS {
            tracing::warn!(%cluster, user = user.username, "there is too much that somebody may read here to remember it");
            known.answers.clear();
        }
        let mut questions = known.questions(now, max_age);
        questions.truncate(QUESTIONS);
        known.failure = None;
        let asked = questions.iter().map(attributes).enumerate().collect::<Vec<_>>();
        let mut answers = stream::iter(asked)
            .map(|(nth, attributes)| async move {
                let Some(attributes) = attributes else { return Ok((nth, false, now)) };
                let (allowed, age) = self.ask(hub, cluster, user, &attributes).await?;
                Ok::<_, SourceError>((nth, allowed, now.checked_sub(age).unwrap_or(now)))
            })
            .buffer_unordered(AT_ONCE);
        while let Some(answer) = answers.next().await {
            match answer {
                Ok((nth, allowed, at)) => {
                    known.answers.extend(questions.get(nth).map(|thing| (thing.clone(), (allowed, at))));
                }
                Err(error) => {
                    tracing::warn!(%cluster, user = user.username, %error, "nobody says what somebody may read");
                    known.failure = Some((error, now));
                    return;
                }
            }
        }
        // What nobody looks for any more is not asked again, and not told apart by.
        let is_fresh = |at: Instant| at + max_age > now;
        known.answers.retain(|_, (_, at)| is_fresh(*at));
    }
}

/// What is to be asked where something was looked for.
fn with_the_way(refusal: &Refusal) -> Vec<Thing> {
    let namespace = &refusal.namespace;
    let beyond = BEYOND.iter().filter(|_| namespace.is_some() && refusal.kind == "Service");
    [refusal.kind].iter().chain(beyond).map(|kind| (*kind, namespace.clone())).collect()
}

/// The question whether something may be listed; `None` for what can't be asked.
fn attributes((kind, namespace): &Thing) -> Option<Attributes> {
    let resource = inventory::resource_of(kind)?;
    let namespace = namespace.as_deref().map(Namespace::new).transpose().ok()?;
    Some(Attributes::Resource { verb: "list", group: resource.group, resource: resource.plural, namespace })
}

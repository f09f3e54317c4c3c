//! Finds out what somebody may see.
//!
//! Kubernetes knows: whoever may `list` ingresses in a namespace may see them here. So the cluster is asked, once whether somebody may
//! list them in all namespaces, and if not, for each namespace that is known. What comes out is believed for a bounded time
//! ([`Authorization::max_age`]), and found out once for however many requests and streams of one person want it at a time.
//!
//! A cluster that can't be asked takes nothing away at once: what it said before holds for a while longer
//! ([`Authorization::hold`]), since an outage is when people need to see what is known. After that, and for people who were not asked
//! about before, nothing of it is shown, and every answer says that this is not known.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use ingress_cache::Use;
use ingress_cache::stats::ReadStats;
use ingress_core::access::{Attributes, UserInfo};
use ingress_core::{ClusterId, Hub, Ingress, Namespace, NamespaceRecord, Scope, SourceError};
use tokio::time::Instant;

use super::grants::{Granted, Grants};
use super::reads;
use crate::auth::ASK_AGAIN;
use crate::reviews::{Reviewed, Reviews};
use crate::upstream::Upstream;

/// How long what somebody may see is believed, unless configured otherwise.
pub const DEFAULT_ACCESS_MAX_AGE: Duration = Duration::from_secs(60);
/// How much longer it is believed while the cluster can't be asked, unless configured otherwise.
pub const DEFAULT_ACCESS_HOLD: Duration = Duration::from_secs(300);

/// How many questions are asked at the same time for one person.
pub(super) const AT_ONCE: usize = 16;
/// How soon another namespace is asked about.
const NEW_NAMESPACE: Duration = Duration::from_secs(5);
/// How long an answer is believed that was found out before the hub knew which namespaces there are.
const SETTLING: Duration = Duration::from_secs(1);
/// About how many people it is remembered what they may see.
const PEOPLE: usize = 10_000;

/// Says who may do what, in place of the cluster itself.
#[async_trait]
pub trait Authorizer: Send + Sync + 'static {
    /// Whether somebody may do something in a cluster.
    ///
    /// # Errors
    ///
    /// When nobody knows; what was known before holds for [`Authorization::hold`] then.
    ///
    /// # Cancel safety
    ///
    /// Must be safe to drop: what asks goes away with its request.
    async fn is_allowed(
        &self,
        cluster: &ClusterId,
        user: &UserInfo,
        attributes: &Attributes,
    ) -> Result<bool, SourceError>;
}

/// What people may see of what the hub watches.
#[derive(Clone)]
pub struct Authorization {
    rule: Rule,
    max_age: Duration,
    hold: Duration,
}

#[derive(Clone)]
enum Rule {
    All,
    Cluster,
    Custom(Arc<dyn Authorizer>),
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = match self.rule {
            Rule::All => "all",
            Rule::Cluster => "kubernetes",
            Rule::Custom(_) => "custom",
        };
        f.debug_struct("Authorization").field("rule", &rule).field("max_age", &self.max_age).finish()
    }
}

impl Authorization {
    /// Everybody who gets in sees everything.
    #[must_use]
    pub fn all() -> Self {
        Self { rule: Rule::All, max_age: DEFAULT_ACCESS_MAX_AGE, hold: DEFAULT_ACCESS_HOLD }
    }

    /// Everybody sees the ingresses of those namespaces in which Kubernetes lets them `list` ingresses, and the namespaces
    /// themselves where it lets them `list` those; routes are judged for them by what of every kind it lets them `list`. The process needs the permission to create `subjectaccessreviews`, as in the role
    /// `system:auth-delegator`. `/metrics`, which counts everything, is for those who may `get` the path `/metrics`.
    #[must_use]
    pub fn kubernetes() -> Self {
        Self { rule: Rule::Cluster, ..Self::all() }
    }

    /// The same questions, answered by somebody else.
    #[must_use]
    pub fn custom(authorizer: impl Authorizer) -> Self {
        Self { rule: Rule::Custom(Arc::new(authorizer)), ..Self::all() }
    }

    /// Sets how long what somebody may see is believed: a permission that is taken away ends or narrows streams within this time, and one
    /// that is granted shows within it. 1 s to 10 min; [`DEFAULT_ACCESS_MAX_AGE`] unless set. Somebody who may list in a few namespaces
    /// only costs one question per namespace and period.
    ///
    /// # Errors
    ///
    /// When it is outside these bounds.
    pub fn max_age(mut self, age: Duration) -> Result<Self, crate::InvalidOption> {
        self.max_age =
            crate::InvalidOption::within("max_age", age, Duration::from_secs(1)..=Duration::from_secs(600))?;
        Ok(self)
    }

    /// Sets how much longer it is believed while the cluster can't be asked; up to an hour, [`DEFAULT_ACCESS_HOLD`] unless set. Zero
    /// shows nobody anything once it is too old.
    ///
    /// # Errors
    ///
    /// When it is longer.
    pub fn hold(mut self, time: Duration) -> Result<Self, crate::InvalidOption> {
        self.hold = crate::InvalidOption::within("hold", time, Duration::ZERO..=Duration::from_secs(3600))?;
        Ok(self)
    }

    pub(crate) fn is_all(&self) -> bool {
        matches!(self.rule, Rule::All)
    }

    /// How long an answer may be believed.
    pub(crate) fn longest(&self) -> Duration {
        self.max_age
    }
}

/// What somebody may see, as far as it is known.
#[derive(Debug, Clone)]
pub(crate) struct Sight {
    pub(crate) grants: Grants,
    /// The clusters whose namespaces may be listed.
    pub(crate) listed: Arc<BTreeSet<ClusterId>>,
    /// The clusters of which it is not known what may be seen, and why.
    pub(crate) unknown: Arc<BTreeMap<ClusterId, SourceError>>,
    /// When to find out again.
    pub(crate) due: Instant,
}

/// Whether somebody may do something in a cluster.
type Question = (ClusterId, UserInfo, Attributes);

/// What people may see.
#[derive(Debug)]
pub(crate) struct Access {
    authorization: Authorization,
    upstream: Upstream<Question, bool>,
    /// What the cluster said lately, here or to another replica.
    reviews: Reviews,
    people: Mutex<HashMap<UserInfo, Arc<Person>>>,
}

/// What one person may see in each cluster, and when that was found out.
#[derive(Debug, Default)]
pub(super) struct Person {
    // Held while it is found out: whoever comes meanwhile waits for the same answer, and takes over when the first one gives up.
    clusters: tokio::sync::Mutex<BTreeMap<ClusterId, Known>>,
    /// The same of the kinds that routes are judged by, for those who ask about routes.
    pub(super) reads: tokio::sync::Mutex<BTreeMap<ClusterId, reads::Known>>,
}

/// What is known of one cluster.
#[derive(Debug, Default)]
struct Known {
    answer: Option<Answer>,
    /// Why the last question was not answered, and when that was.
    failure: Option<(SourceError, Instant)>,
}

#[derive(Debug, Clone)]
struct Answer {
    granted: Granted,
    namespaces: bool,
    /// When the first of its questions was asked.
    at: Instant,
    /// How many namespaces there were to ask about; `None` where it makes no difference.
    of: Option<usize>,
    /// Whether the hub had found out by then which namespaces there are.
    settled: bool,
}

impl Answer {
    /// How long it is believed, other than as it is configured: while the hub is still finding out which namespaces there are, and when
    /// there is another one, this is not all that somebody may see.
    fn good_for(&self, hub: &Hub, max_age: Duration) -> Duration {
        if !self.settled {
            return max_age.min(SETTLING);
        }
        let has_more = self.of.is_some_and(|count| hub.namespaces().snapshot().len() > count);
        if has_more { max_age.min(NEW_NAMESPACE) } else { max_age }
    }
}

impl Known {
    /// When to ask.
    fn due(&self, hub: &Hub, max_age: Duration) -> Option<Instant> {
        let answered = self.answer.as_ref().map(|answer| answer.at + answer.good_for(hub, max_age));
        let failed = self.failure.as_ref().map(|(_, at)| *at + ASK_AGAIN.min(max_age));
        answered.max(failed)
    }
}

impl Access {
    pub(crate) fn new(
        authorization: Authorization,
        upstream: Upstream<Question, bool>,
        reviews: Reviews,
    ) -> Self {
        Self { authorization, upstream, reviews, people: Mutex::default() }
    }

    /// What was asked of the cache.
    pub(crate) fn reads(&self) -> (Use, ReadStats) {
        self.reviews.stats()
    }

    /// Whether what people may see can change.
    pub(super) fn asks(&self) -> bool {
        !self.authorization.is_all()
    }

    /// Whether everybody sees everything.
    pub(crate) fn sees_all(&self) -> bool {
        self.authorization.is_all()
    }

    /// What somebody may see.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the question, unless somebody else waits for it, too.
    pub(crate) async fn of(&self, hub: &Hub, user: &UserInfo) -> Sight {
        let Authorization { max_age, hold, .. } = self.authorization;
        if self.authorization.is_all() {
            let listed = hub.clusters().into_iter().map(|status| status.info.id).collect();
            return Sight {
                grants: Grants::All,
                listed: Arc::new(listed),
                unknown: Arc::default(),
                due: Instant::now() + max_age,
            };
        }
        let person = self.person(user);
        let mut known = person.clusters.lock().await;
        let now = Instant::now();
        let clusters: Vec<ClusterId> = hub.clusters().into_iter().map(|status| status.info.id).collect();
        known.retain(|cluster, _| clusters.contains(cluster));
        for cluster in &clusters {
            let known = known.entry(cluster.clone()).or_default();
            if known.due(hub, max_age).is_some_and(|due| due > now) {
                continue;
            }
            match self.ask_all(hub, cluster, user).await {
                Ok(answer) => *known = Known { answer: Some(answer), failure: None },
                Err(error) => {
                    tracing::warn!(%cluster, user = user.username, %error, "nobody says what somebody may see");
                    known.answer.take_if(|answer| answer.at + max_age + hold <= now);
                    known.failure = Some((error, now));
                }
            }
        }
        let answers = || known.iter().filter_map(|(cluster, known)| Some((cluster, known.answer.as_ref()?)));
        let granted = answers().map(|(cluster, answer)| (cluster.clone(), answer.granted.clone())).collect();
        let listed = answers().filter(|(_, answer)| answer.namespaces).map(|(cluster, _)| cluster.clone());
        let unknown =
            known.iter().filter(|(_, known)| known.answer.is_none()).filter_map(|(cluster, known)| {
                let (error, _) = known.failure.as_ref()?;
                Some((cluster.clone(), error.clone()))
            });
        Sight {
            grants: Grants::new(&clusters, granted),
            listed: Arc::new(listed.collect()),
            unknown: Arc::new(unknown.collect()),
            due: known.values().filter_map(|known| known.due(hub, max_age)).min().unwrap_or(now + max_age),
        }
    }

    /// Whether somebody may see what tells of everything, such as how many objects there are.
    pub(crate) async fn may_scrape(&self, hub: &Hub, user: &UserInfo) -> Result<bool, SourceError> {
        if self.authorization.is_all() {
            return Ok(true);
        }
        let scrape = Attributes::NonResource { verb: "get", path: "/metrics" };
        for cluster in hub.clusters() {
            let (allowed, _) = self.ask(hub, &cluster.info.id, user, &scrape).await?;
            if !allowed {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How long an answer is believed, and how much longer it is held.
    pub(super) fn ages(&self) -> (Duration, Duration) {
        (self.authorization.max_age, self.authorization.hold)
    }

    pub(super) fn person(&self, user: &UserInfo) -> Arc<Person> {
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(person) = people.get(user) {
            return person.clone();
        }
        if people.len() >= PEOPLE {
            // Those whom somebody asks for at this moment stay; all others are asked about again.
            people.retain(|_, person| Arc::strong_count(person) > 1);
        }
        people.entry(user.clone()).or_default().clone()
    }

    /// Everything about one cluster.
    async fn ask_all(&self, hub: &Hub, cluster: &ClusterId, user: &UserInfo) -> Result<Answer, SourceError> {
        let (at, settled) = (Instant::now(), is_settled(hub));
        let count = hub.namespaces().snapshot().len();
        let (namespaces, mut oldest) =
            self.ask(hub, cluster, user, &Attributes::list::<NamespaceRecord>(None)).await?;
        let (everywhere, age) = self.ask(hub, cluster, user, &Attributes::list::<Ingress>(None)).await?;
        oldest = oldest.max(age);
        // As old as the oldest of what it is made of, some of which may have been asked earlier.
        let since = |oldest| at.checked_sub(oldest).unwrap_or(at);
        if everywhere {
            let (granted, at) = (Granted::Everywhere, since(oldest));
            return Ok(Answer { granted, namespaces, at, of: None, settled: true });
        }
        let candidates = candidates(hub, cluster);
        let mut answers = stream::iter(candidates)
            .map(|namespace| async move {
                let attributes = Attributes::list::<Ingress>(Some(namespace.clone()));
                let (allowed, age) = self.ask(hub, cluster, user, &attributes).await?;
                Ok::<_, SourceError>((allowed.then_some(namespace), age))
            })
            .buffer_unordered(AT_ONCE);
        let mut granted = BTreeSet::new();
        while let Some(answer) = answers.next().await {
            let (namespace, age) = answer?;
            granted.extend(namespace);
            oldest = oldest.max(age);
        }
        Ok(Answer { granted: Granted::In(granted), namespaces, at: since(oldest), of: Some(count), settled })
    }

    /// Whether somebody may do something, and how long ago that was said.
    pub(super) async fn ask(
        &self,
        hub: &Hub,
        cluster: &ClusterId,
        user: &UserInfo,
        attributes: &Attributes,
    ) -> Result<(bool, Duration), SourceError> {
        match &self.authorization.rule {
            Rule::All => Ok((true, Duration::ZERO)),
            Rule::Cluster => self.review(hub, cluster, user, attributes).await,
            Rule::Custom(authorizer) => {
                Ok((authorizer.is_allowed(cluster, user, attributes).await?, Duration::ZERO))
            }
        }
    }

    /// What the cluster says, and how long ago it said so.
    async fn review(
        &self,
        hub: &Hub,
        cluster: &ClusterId,
        user: &UserInfo,
        attributes: &Attributes,
    ) -> Result<(bool, Duration), SourceError> {
        let text = text_of(cluster, user, attributes);
        let question = Arc::new((cluster.clone(), user.clone(), attributes.clone()));
        let (hub, upstream) = (hub.clone(), self.upstream.clone());
        let load = move || {
            let (question, hub, upstream) = (question.clone(), hub.clone(), upstream.clone());
            async move {
                let (cluster, user, attributes) = (*question).clone();
                let ask = move || async move { hub.review_access(&cluster, &user, &attributes).await };
                let allowed = upstream.call(&question.0, (*question).clone(), ask).await?;
                Ok(vec![u8::from(allowed)])
            }
        };
        let Reviewed { body, age } = self.reviews.ask(&text, load).await?;
        Ok((*body == [1], age))
    }
}

/// A question in bytes: two that differ in anything are two.
fn text_of(cluster: &ClusterId, user: &UserInfo, attributes: &Attributes) -> Vec<u8> {
    let UserInfo { username, uid, groups, extra, .. } = user;
    let what = match attributes {
        Attributes::Resource { verb, group, resource, namespace } => {
            [Some(*verb), Some(group), Some(resource), namespace.as_ref().map(Namespace::as_str)]
        }
        Attributes::NonResource { verb, path } => [Some(*verb), Some(*path), None, None],
        other => return format!("{cluster} {user:?} {other:?}").into_bytes(),
    };
    let text = serde_json::to_vec(&(cluster.as_str(), username, uid, groups, extra, what));
    text.unwrap_or_else(|_| format!("{cluster} {user:?} {attributes:?}").into_bytes())
}

/// Whether it is known which namespaces there are, as far as it can be: everybody who was asked for them has answered, or refused.
fn is_settled(hub: &Hub) -> bool {
    let namespaces = hub.namespaces().snapshot();
    let mut lanes = namespaces.lanes().peekable();
    let has_lanes = lanes.peek().is_some();
    hub.is_ready() && has_lanes && lanes.all(|lane| lane.last_sync.is_some() || lane.failures > 0)
}

/// The namespaces of a cluster that there may be something to see in: all that are known of, within what is watched.
fn candidates(hub: &Hub, cluster: &ClusterId) -> BTreeSet<Namespace> {
    let mut names = BTreeSet::new();
    let mut add = |name: &str| names.extend(Namespace::new(name));
    for (key, _) in hub.namespaces().snapshot().range(cluster, None) {
        add(key.name());
    }
    let ingresses = hub.ingresses().snapshot();
    for (key, _) in ingresses.range(cluster, None) {
        add(key.namespace().unwrap_or_default());
    }
    for lane in ingresses.lanes().filter(|lane| lane.id.cluster == *cluster) {
        add(lane.id.scope.namespace().map(Namespace::as_str).unwrap_or_default());
    }
    if let Scope::Namespaces(scope) = hub.scope() {
        names.extend(scope.iter().cloned());
        names.retain(|name| scope.contains(name));
    }
    names
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use ingress_cache::uses;
    use ingress_core::resilience::backoff::BackoffPolicy;
    use ingress_core::resilience::retry::RetryPolicy;
    use ingress_core::source::scripted::{self, ClusterHandle, Feed};
    use ingress_core::{ClusterInfo, ErrorKind, Origin};

    use super::*;
    use crate::SharedKey;
    use crate::caches::Caching;
    use crate::fixture::{cluster, namespace_record, simple};
    use crate::upstream::Budgets;

    struct Stage {
        hub: Hub,
        access: Access,
        cluster: ClusterHandle,
        namespaces: Feed<NamespaceRecord>,
        _ingresses: Feed<Ingress>,
    }

    impl Stage {
        async fn set() -> Self {
            let (source, mut cluster) = scripted::cluster(ClusterInfo::new(cluster("c"), Origin::Custom));
            let day = Duration::from_secs(24 * 3600);
            let one_try = RetryPolicy::new(1, BackoffPolicy::calls()).unwrap();
            let hub =
                Hub::builder(source).silence(day).unwrap().doubt(2 * day).unwrap().retry(one_try).start();
            let ingresses = cluster.ingresses.next_watch().await.unwrap().accept();
            let namespaces = cluster.namespaces.next_watch().await.unwrap().accept();
            ingresses.listed([simple("shop", "x", 1, "nginx", "h")], "1").await;
            hub.synced().await;
            let budgets = Budgets::new(crate::DEFAULT_UPSTREAM_RATE_LIMIT, Arc::default());
            let authorization = Authorization::kubernetes();
            let reviews = Caching::memory().reviews(
                uses::ACCESS_REVIEWS,
                authorization.longest(),
                &SharedKey::random(),
            );
            let access = Access::new(authorization, Upstream::new(Arc::new(budgets)), reviews);
            Self { hub, access, cluster, namespaces, _ingresses: ingresses }
        }

        async fn listed(&self, names: &[&str]) {
            self.namespaces.listed(names.iter().map(|name| namespace_record(name)), "1").await;
            self.hub.namespaces().wait_for(|state| state.len() == names.len()).await.unwrap();
        }

        /// Lets everybody list the ingresses of these namespaces.
        fn allow(&self, names: &'static [&'static str]) {
            self.cluster.set_access(move |_, attributes| {
                Ok(matches!(attributes, Attributes::Resource { resource, namespace: Some(namespace), .. }
                    if resource == "ingresses" && names.contains(&namespace.as_str())))
            });
        }

        fn fail(&self) {
            self.cluster.set_access(|_, _| Err(SourceError::new(ErrorKind::Unreachable, "gone")));
        }

        async fn sight(&self) -> Sight {
            self.access.of(&self.hub, &UserInfo::new("ann", ["dev"])).await
        }

        async fn sees(&self, name: &str) -> bool {
            self.sight().await.grants.sees(&cluster("c"), name)
        }
    }

    #[test]
    fn questions_that_differ_in_anything_are_two() {
        let list = |namespace: Option<&str>| {
            Attributes::list::<Ingress>(namespace.map(|name| Namespace::new(name).unwrap()))
        };
        let ann = || UserInfo::new("ann", ["dev"]);
        let mut with_uid = ann();
        with_uid.uid = "7".into();
        let mut with_extra = ann();
        with_extra.extra.insert("scopes".into(), vec!["a".into()]);
        let all = [
            text_of(&cluster("c"), &ann(), &list(None)),
            text_of(&cluster("d"), &ann(), &list(None)),
            text_of(&cluster("c"), &ann(), &list(Some("shop"))),
            text_of(&cluster("c"), &ann(), &Attributes::list::<NamespaceRecord>(None)),
            text_of(&cluster("c"), &ann(), &Attributes::NonResource { verb: "get", path: "/metrics" }),
            text_of(&cluster("c"), &UserInfo::new("ann", ["dev", "ops"]), &list(None)),
            text_of(&cluster("c"), &UserInfo::new("ann", ["dev,ops"]), &list(None)),
            text_of(&cluster("c"), &with_uid, &list(None)),
            text_of(&cluster("c"), &with_extra, &list(None)),
        ];
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_found_out_once_and_believed_for_a_while() {
        let stage = Stage::set().await;
        stage.listed(&["pay", "shop"]).await;
        stage.allow(&["shop"]);
        let all = join_all((0..50).map(|_| stage.sees("shop"))).await;
        assert!(all.into_iter().all(|sees| sees));
        assert_eq!(stage.cluster.reviews(), 4, "namespaces, all of them, and two");
        stage.allow(&["pay"]);
        tokio::time::advance(DEFAULT_ACCESS_MAX_AGE - Duration::from_secs(1)).await;
        assert!(stage.sees("shop").await && !stage.sees("pay").await);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!stage.sees("shop").await && stage.sees("pay").await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_takes_nothing_away_for_a_while_and_is_no_reason_to_ask_all_the_time() {
        let stage = Stage::set().await;
        stage.listed(&["shop"]).await;
        stage.allow(&["shop"]);
        assert!(stage.sees("shop").await);
        stage.fail();
        tokio::time::advance(DEFAULT_ACCESS_MAX_AGE).await;
        let before = stage.cluster.reviews();
        for _ in 0..20 {
            assert!(stage.sees("shop").await);
        }
        assert_eq!(stage.cluster.reviews(), before + 1);
        tokio::time::advance(DEFAULT_ACCESS_HOLD - Duration::from_secs(1)).await;
        assert!(stage.sees("shop").await);
        tokio::time::advance(ASK_AGAIN).await;
        let sight = stage.sight().await;
        assert!(sight.grants.is_none() && sight.unknown.contains_key(&cluster("c")));
        stage.allow(&["shop"]);
        tokio::time::advance(ASK_AGAIN).await;
        assert!(stage.sees("shop").await);
    }

    #[tokio::test(start_paused = true)]
    async fn whom_nobody_could_ask_about_sees_nothing() {
        let stage = Stage::set().await;
        stage.fail();
        let sight = stage.sight().await;
        assert!(sight.grants.is_none() && !sight.grants.is_all());
        assert_eq!(sight.unknown.get(&cluster("c")).unwrap().kind(), ErrorKind::Unreachable);
    }

    #[tokio::test(start_paused = true)]
    async fn namespaces_that_were_not_known_yet_are_asked_about_soon() {
        let stage = Stage::set().await;
        stage.allow(&["shop", "pay", "late"]);
        assert!(stage.sees("shop").await && !stage.sees("pay").await, "nobody has listed namespaces yet");
        stage.listed(&["pay", "shop"]).await;
        tokio::time::advance(SETTLING).await;
        assert!(stage.sees("pay").await);
        stage.namespaces.applied(namespace_record("late")).await;
        stage.hub.namespaces().wait_for(|state| state.len() == 3).await.unwrap();
        assert!(!stage.sees("late").await);
        tokio::time::advance(NEW_NAMESPACE).await;
        assert!(stage.sees("late").await, "long before the rest is asked about again");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_may_list_everywhere_sees_what_is_to_come() {
        let stage = Stage::set().await;
        stage.listed(&["shop"]).await;
        stage.cluster.set_access(|_, _| Ok(true));
        let sight = stage.sight().await;
        assert!(sight.grants.is_all() && sight.listed.contains(&cluster("c")));
        assert_eq!(stage.cluster.reviews(), 2);
    }
}

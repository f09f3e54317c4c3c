//! What stands behind the simulated ingresses: services with their pods, and certificates.
//!
//! It follows from the ingresses. What one of them names is there, but for a few that are broken, and is gone with the last that names it. A new
//! version of what an ingress serves is a new set of pods, which may fare better or worse than the one before: so what works and what
//! doesn't changes as time passes.
//!
//! It is followed from the moment on when somebody looks at it. A cluster whose ingresses alone are watched does without.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand::{RngExt as _, SeedableRng as _};

use super::character::Dice;
use super::history::What;
use super::object::{Backend, Port, Spec};
use super::plot::Plot;
use super::space::Space;

/// An object of a namespace: the namespace's name, and its own.
type Key = (Arc<str>, Arc<str>);

/// A service, and what runs behind it.
#[derive(Debug, Clone)]
pub(super) struct Workload {
    pub(super) space: Arc<Space>,
    pub(super) name: Arc<str>,
    /// The ingresses that name it.
    users: BTreeMap<Arc<str>, Use>,
    /// How many versions of it there were before this one.
    pub(super) version: u32,
    /// Seconds since 1970 when it was created, and when its pods were.
    pub(super) created: i64,
    pub(super) deployed: i64,
    /// The revisions of the last change of its ports, and of its pods.
    pub(super) ports_at: u64,
    pub(super) pods_at: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Use {
    ports: BTreeSet<Port>,
    deploys: u16,
}

/// How a workload fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Well,
    /// One of its pods isn't ready.
    Ails,
    /// Its pods crash.
    Crashes,
    /// Its image isn't there.
    NoImage,
    /// Its service selects other labels than its pods have.
    WrongLabels,
    /// Nobody made its service.
    NoService,
}

impl Workload {
    /// The ports by which it is named.
    pub(super) fn ports(&self) -> BTreeSet<Port> {
        self.users.values().flat_map(|it| it.ports.iter().copied()).collect()
    }

    /// Dice for one part of it; the same each time.
    pub(super) fn dice(&self, part: u64) -> Dice {
        dice(&self.space, &self.name, part)
    }

    pub(super) fn condition(&self) -> Condition {
        match self.dice(0).random_range(0..100) {
            0 => return Condition::NoService,
            1 | 2 => return Condition::WrongLabels,
            _ => {}
        }
        match self.dice(1 + u64::from(self.version)).random_range(0..100) {
            0 => Condition::Crashes,
            1 => Condition::NoImage,
            2..5 => Condition::Ails,
            _ => Condition::Well,
        }
    }
}

/// A certificate, in a secret of this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) hosts: Vec<String>,
    pub(super) created: i64,
    pub(super) not_after: i64,
    pub(super) revision: u64,
}

/// Something before a change and after it.
#[derive(Debug, Clone)]
pub(super) struct Changed<T> {
    pub(super) before: Option<Arc<T>>,
    pub(super) now: Option<Arc<T>>,
}

impl<T> Changed<T> {
    /// What it is, or was.
    pub(super) fn either(&self) -> Option<&Arc<T>> {
        self.now.as_ref().or(self.before.as_ref())
    }
}

/// What an ingress names.
#[derive(Debug, Default)]
struct Needs {
    services: BTreeSet<Arc<str>>,
    certificate: Option<Arc<str>>,
}

#[derive(Debug)]
pub(super) struct Backings {
    /// The revision from which on it is followed.
    pub(super) since: u64,
    base: i64,
    needs: BTreeMap<Key, Needs>,
    workloads: BTreeMap<Key, Arc<Workload>>,
    certificates: BTreeMap<Key, Arc<Certificate>>,
}

impl Backings {
    /// What stands behind these ingresses in a world that began at a time.
    pub(super) fn of<'p>(plots: impl Iterator<Item = &'p Plot>, base: i64, since: u64) -> Self {
        let mut backings = Self {
            since,
            base,
            needs: BTreeMap::new(),
            workloads: BTreeMap::new(),
            certificates: BTreeMap::new(),
        };
        for plot in plots {
            drop(backings.put(plot));
        }
        backings
    }

    /// The workloads of a namespace, or of all.
    pub(super) fn workloads(&self, namespace: Option<&str>) -> impl Iterator<Item = &Arc<Workload>> {
        of_namespace(&self.workloads, namespace)
    }

    /// The certificates of a namespace, or of all.
    pub(super) fn certificates(&self, namespace: Option<&str>) -> impl Iterator<Item = &Arc<Certificate>> {
        of_namespace(&self.certificates, namespace)
    }

    /// What a change of an ingress changes behind it.
    pub(super) fn follow(&mut self, what: &What, revision: u64) -> Vec<What> {
        match what {
            What::Ingress(plot) => self.put(plot),
            What::IngressGone { namespace, name } => {
                let key = (namespace.clone(), name.clone());
                let mut changes = Vec::new();
                let gone = self.needs.remove(&key).unwrap_or_default();
                for service in gone.services {
                    changes.extend(self.release(&key, service, revision));
                }
                changes
                    .extend(gone.certificate.and_then(|name| self.certify((namespace.clone(), name), None)));
                changes
            }
            _ => Vec::new(),
        }
    }

    fn put(&mut self, plot: &Plot) -> Vec<What> {
        let spec = plot.spec(&plot.character());
        let key = (plot.space.name.clone(), plot.name.clone());
        let mut changes = Vec::new();
        let mut needs = Needs::default();
        let before = self.needs.remove(&key).unwrap_or_default();
        for (service, ports) in services(&spec) {
            let service: Arc<str> = service.into();
            changes.extend(self.serve(plot, service.clone(), ports));
            needs.services.insert(service);
        }
        for service in before.services.difference(&needs.services) {
            changes.extend(self.release(&key, service.clone(), plot.revision));
        }
        let certificate = self.certificate(plot, &spec);
        needs.certificate = certificate.as_ref().map(|certificate| certificate.name.clone());
        if let Some(old) = before.certificate.filter(|old| needs.certificate.as_ref() != Some(old)) {
            changes.extend(self.certify((key.0.clone(), old), None));
        }
        if let Some(certificate) = certificate {
            changes.extend(self.certify((key.0.clone(), certificate.name.clone()), Some(certificate)));
        }
        self.needs.insert(key, needs);
        changes
    }

    /// An ingress names a service with these ports.
    fn serve(&mut self, plot: &Plot, name: Arc<str>, ports: BTreeSet<Port>) -> Option<What> {
        let key = (plot.space.name.clone(), name.clone());
        let before = self.workloads.get(&key).cloned();
        let mut now = before.as_deref().cloned().unwrap_or_else(|| Workload {
            space: plot.space.clone(),
            name,
            users: BTreeMap::new(),
            version: 0,
            created: plot.created,
            deployed: plot.changed,
            ports_at: plot.revision,
            pods_at: plot.revision,
        });
        let had = now.ports();
        let deploys = plot.edits.deploys;
        let used = now.users.insert(plot.name.clone(), Use { ports, deploys });
        if now.ports() != had {
            now.ports_at = plot.revision;
            now.pods_at = plot.revision;
        }
        if used.is_some_and(|used| used.deploys != deploys) {
            now.version += 1;
            now.deployed = plot.changed;
            now.pods_at = plot.revision;
        }
        self.work(key, before, Some(now))
    }

    /// An ingress names a service no more.
    fn release(&mut self, (namespace, user): &Key, name: Arc<str>, revision: u64) -> Option<What> {
        let key = (namespace.clone(), name);
        let before = self.workloads.get(&key).cloned()?;
        let mut now = Workload::clone(&before);
        let had = now.ports();
        now.users.remove(user);
        if now.ports() != had {
            now.ports_at = revision;
            now.pods_at = revision;
        }
        let now = Some(now).filter(|now| !now.users.is_empty());
        self.work(key, Some(before), now)
    }

    fn work(&mut self, key: Key, before: Option<Arc<Workload>>, now: Option<Workload>) -> Option<What> {
        let now = now.map(Arc::new);
        match &now {
            Some(now) => drop(self.workloads.insert(key, now.clone())),
            None => drop(self.workloads.remove(&key)),
        }
        let at = |it: &Option<Arc<Workload>>| it.as_ref().map(|it| (it.ports_at, it.pods_at));
        (at(&before) != at(&now)).then_some(What::Workload(Changed { before, now }))
    }

    /// The certificate that an ingress names, unless it is one of the few that nobody made.
    fn certificate(&self, plot: &Plot, spec: &Spec) -> Option<Certificate> {
        const DAY: i64 = 86_400;
        let entry = spec.tls.first()?;
        let name: Arc<str> = entry.secret_name.as_deref()?.into();
        let mut dice = dice(&plot.space, &name, 0);
        let drawn = dice.random_range(0..150);
        let left = match drawn {
            0 => return None,
            1 => -2,
            2..5 => 4,
            _ => dice.random_range(150..390),
        };
        let mut hosts = entry.hosts.clone();
        if hosts.is_empty() {
            hosts = spec.rules.iter().filter_map(|rule| rule.host.clone()).collect();
        }
        if drawn == 5 {
            hosts = hosts.into_iter().map(|host| format!("old.{host}")).collect();
        }
        Some(Certificate {
            namespace: plot.space.name.clone(),
            name,
            hosts,
            created: plot.created,
            not_after: self.base + left * DAY,
            revision: plot.revision,
        })
    }

    fn certify(&mut self, key: Key, now: Option<Certificate>) -> Option<What> {
        let before = self.certificates.get(&key).cloned();
        if let (Some(before), Some(now)) = (&before, &now)
            && before.hosts == now.hosts
        {
            return None;
        }
        let now = now.map(Arc::new);
        match &now {
            Some(now) => drop(self.certificates.insert(key, now.clone())),
            None => drop(self.certificates.remove(&key)),
        }
        Some(What::Certificate(Changed { before, now }))
    }
}

/// Dice for one part of something in a namespace; the same each time.
pub(super) fn dice(space: &Space, name: &str, part: u64) -> Dice {
    let mut seed = part.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // The first half of the namespace's bits, and FNV-1a of the name.
    seed ^= u64::try_from(space.uid >> 64).unwrap_or_default();
    for byte in name.bytes() {
        seed = (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    Dice::seed_from_u64(seed)
}

fn of_namespace<'m, T>(
    all: &'m BTreeMap<Key, Arc<T>>,
    namespace: Option<&str>,
) -> impl Iterator<Item = &'m Arc<T>> {
    let from: Key = (namespace.unwrap_or_default().into(), "".into());
    let namespace: Option<Arc<str>> = namespace.map(Into::into);
    let within = move |key: &Key| namespace.as_ref().is_none_or(|namespace| key.0 == *namespace);
    all.range(from..).take_while(move |(key, _)| within(key)).map(|(_, it)| it)
}

/// The services that an ingress names, each with the ports by which it does.
fn services(spec: &Spec) -> BTreeMap<&str, BTreeSet<Port>> {
    let mut services = BTreeMap::<&str, BTreeSet<Port>>::new();
    let paths = spec.rules.iter().flat_map(|rule| &rule.http.paths).map(|path| &path.backend);
    for backend in paths.chain(&spec.default_backend) {
        if let Backend::Service { name, port } = backend {
            services.entry(name).or_default().insert(*port);
        }
    }
    services
}

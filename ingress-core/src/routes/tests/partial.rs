//! What those are told who may read part of a cluster: as much as if the rest were not there to be looked at, and nothing wrong.

use std::collections::BTreeSet;

use super::*;
use crate::diagnose::{Verdict, diagnose_all_for};
use crate::inventory::{MayRead, every_kind};

/// May read these kinds in these namespaces.
#[derive(Debug, Clone)]
struct Part(BTreeSet<(&'static str, Option<&'static str>)>);

impl MayRead for Part {
    fn may_read(&self, _: &ClusterId, kind: &'static str, namespace: Option<&str>) -> bool {
        self.0.contains(&(kind, None))
            || self.0.iter().any(|(known, name)| *known == kind && *name == namespace)
    }
}

fn part() -> impl Strategy<Value = Part> {
    let kinds = [
        "Ingress",
        "IngressClass",
        "Service",
        "EndpointSlice",
        "Pod",
        "Gateway",
        "TLSRoute",
        "VirtualService",
        "IngressRoute",
    ];
    let places = [None, Some("ns0"), Some("ns1")];
    prop::collection::vec(prop::collection::vec(prop::bool::weighted(0.4), places.len()), kinds.len())
        .prop_map(move |chosen| {
            let each = kinds.iter().zip(&chosen).flat_map(|(kind, places_of)| {
                places.iter().zip(places_of).filter(|(_, may)| **may).map(move |(place, _)| (*kind, *place))
            });
            Part(each.collect())
        })
}

fn told<'a>(all: impl IntoIterator<Item = &'a Assessed>) -> BTreeMap<RouteId, &'a Assessed> {
    all.into_iter().map(|assessed| (assessed.route.id, assessed)).collect()
}

/// The same without all that may not be read.
fn without_the_rest(inventory: &Inventory, may_read: &Part) -> Inventory {
    let mut without = inventory.clone();
    macro_rules! remove {
        ($kind:ident) => {
            for (key, _) in inventory.objects::<crate::kind::$kind>() {
                if !may_read.may_read(key.cluster(), <crate::kind::$kind as Held>::NAME, key.namespace()) {
                    set::<crate::kind::$kind>(&mut without, None, key, &mut Touched::default());
                }
            }
        };
    }
    every_kind!(remove);
    without
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn who_may_read_part_is_told_what_that_part_says(
        steps in prop::collection::vec(happens(), 1..50),
        may_read in part(),
        rests in prop::collection::vec(any::<bool>(), 50),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let settings = Settings::default();
        let (_, latest) = watch::channel(RouteSnapshot::default());
        let routes = Routes { latest, settings: Arc::new(settings.clone()), counters: Arc::default() };
        let mut partial = routes.partial(Arc::new(may_read.clone()));
        let mut table = Table::new(live(), settings.clone());
        let mut before: Option<(u64, Vec<Assessed>, Inventory)> = None;
        for ((revision, step), rest) in (1..).zip(&steps).zip(&rests) {
            if let Some(apply) = step.apply() {
                table.apply(apply, now());
            }
            settle(&mut table, now());
            if *rest {
                continue;
            }
            let whole = RouteSnapshot { revision, ..table.snapshot() };
            runtime.block_on(partial.follow(&whole));
            let now = wall_now();
            let snapshot = partial.snapshot();
            let (kept, inventory) = (told(snapshot.iter().map(|assessed| &**assessed)), whole.inventory());

            // What is kept is what would be judged from scratch, and what would be judged if the rest were not there.
            let scratch = diagnose_all_for(inventory, &cluster(), now, &settings, &may_read);
            prop_assert_eq!(&kept, &told(&scratch));
            let without = without_the_rest(inventory, &may_read);
            let alone = diagnose_all_for(&without, &cluster(), now, &settings, &may_read);
            prop_assert_eq!(&kept, &told(&alone));

            // What is certain is so for everybody.
            let everything = diagnose_all(inventory, &cluster(), now, &settings);
            let everything = told(&everything);
            for (id, assessed) in &kept {
                let verdict = assessed.diagnosis.verdict;
                prop_assert!(!matches!(verdict, Verdict::Ok | Verdict::Broken) || everything[id].diagnosis.verdict == verdict);
            }

            // It moves when something differs that may be read, and not otherwise.
            if let Some((moves, last, known)) = &before {
                let mut touched = Touched::default();
                let same = told(last) == kept && !without.since(known, &may_read, &mut touched);
                prop_assert_eq!(partial.moves() == *moves, same);
            }
            before = Some((partial.moves(), kept.into_values().cloned().collect(), without));
        }
    }
}

#[tokio::test]
async fn what_was_looked_for_and_may_not_be_read_is_known() {
    let (_, latest) = watch::channel(RouteSnapshot::default());
    let routes = Routes { latest, settings: Arc::default(), counters: Arc::default() };
    let ingresses = Part(BTreeSet::from([("Ingress", Some("ns0"))]));
    let mut partial = routes.partial(Arc::new(ingresses));
    let mut table = Table::new(live(), Settings::default());
    for namespace in 0..2 {
        let ingress = Happens::Ingress {
            name: 0,
            namespace,
            host: 0,
            path: 0,
            service: 0,
            class: None,
            address: false,
        };
        table.apply(ingress.apply().unwrap(), now());
    }
    partial.follow(&RouteSnapshot { revision: 1, ..table.snapshot() }).await;
    assert_eq!(partial.snapshot().len(), 1);
    let refused = partial.refused();
    let refused: BTreeSet<_> = refused.iter().map(|each| (each.kind, each.namespace.as_deref())).collect();
    let place = Some;
    for wanted in
        [("IngressClass", None), ("Service", place("ns0")), ("Ingress", None), ("Ingress", place("ns1"))]
    {
        assert!(refused.contains(&wanted), "{wanted:?} {refused:?}");
    }
    assert!(!refused.contains(&("Service", place("ns1"))), "nobody looked there: {refused:?}");
}

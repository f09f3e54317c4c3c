//! What was read through caches, and how the places are doing in which they keep it.

use std::fmt;

use ingress_cache::stats::{CacheStats, ReadStats};
use ingress_cache::{Place, PlaceState, Use};

use super::family::{Families, about};

pub(super) fn encode(
    reads: &[(Use, ReadStats)],
    places: &[Place],
    families: &mut Families<'_>,
) -> fmt::Result {
    let answers = |(of, stats): &(Use, ReadStats)| {
        let of = of.as_str();
        [
            ([of, "hit"], stats.hits),
            ([of, "stale"], stats.stale),
            ([of, "stale-if-error"], stats.stale_if_error),
            ([of, "miss"], stats.misses),
        ]
    };
    families.counters(
        about("cache_answers", "Answers given through a cache, by where they came from"),
        ["use", "result"],
        reads.iter().flat_map(answers),
    )?;
    let mut of_reads = |name: &str, help: &str, count: fn(&ReadStats) -> u64| {
        let samples = reads.iter().map(|(of, stats)| ([of.as_str()], count(stats)));
        families.counters(about(name, help), ["use"], samples)
    };
    of_reads("cache_loads", "Calls to the origin, since the cache had nothing to serve", |stats| {
        stats.loads
    })?;
    of_reads("cache_load_failures", "Calls to the origin that failed", |stats| stats.failures)?;
    of_reads("cache_collapsed", "Answers that shared the call of somebody who asked before", |stats| {
        stats.collapsed
    })?;
    of_reads("cache_from_others", "Answers that another replica loaded meanwhile", |stats| {
        stats.from_others
    })?;
    let look_ups = |(place, of, stats): (&'static str, &'static str, &CacheStats)| {
        [
            ([place, of, "hit"], stats.hits),
            ([place, of, "miss"], stats.misses),
            ([place, of, "unavailable"], stats.unavailable),
        ]
    };
    families.counters(
        about("cache_lookups", "Look-ups in each place where values are kept"),
        ["place", "use", "result"],
        each_use(places).flat_map(look_ups),
    )?;
    let mut of_places = |name: &str, help: &str, count: fn(&CacheStats) -> u64| {
        let samples = each_use(places).map(|(place, of, stats)| ([place, of], count(stats)));
        families.counters(about(name, help), ["place", "use"], samples)
    };
    of_places("cache_spoiled", "Values that were there and could not be read", |stats| stats.spoiled)?;
    of_places("cache_refused", "Values that a place did not take", |stats| stats.refused)?;
    of_places("cache_evictions", "Values thrown out to make place", |stats| stats.evictions)?;
    let states = |place: &Place| {
        let (kind, now) = (place.kind, place.state);
        PlaceState::ALL.map(|state| ([kind, state.as_str()], u64::from(state == now)))
    };
    families.gauges(
        about("cache_state", "1 for the state that a place is in, and 0 for the others"),
        ["place", "state"],
        places.iter().flat_map(states),
    )?;
    families.counters(
        about("cache_commands", "Commands sent to a place"),
        ["place"],
        remote(places).map(|place| ([place.kind], place.commands)),
    )?;
    let faults = |place: &'_ Place| {
        let kind = place.kind;
        place.faults.iter().map(move |(fault, count)| ([kind, *fault], *count)).collect::<Vec<_>>()
    };
    families.counters(
        about("cache_faults", "Commands that a place did not answer as it should, or not in time"),
        ["place", "kind"],
        remote(places).flat_map(faults),
    )
}

fn each_use(places: &[Place]) -> impl Iterator<Item = (&'static str, &'static str, &CacheStats)> {
    places.iter().flat_map(|place| place.stats.iter().map(|(of, stats)| (place.kind, of.as_str(), stats)))
}

/// Those that something is sent to.
fn remote(places: &[Place]) -> impl Iterator<Item = &Place> {
    places.iter().filter(|place| !place.faults.is_empty())
}

#[cfg(test)]
mod tests {
    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::{DescriptorEncoder, text};
    use prometheus_client::registry::Registry;

    use super::*;

    #[derive(Debug)]
    struct Of(Vec<(Use, ReadStats)>, Vec<Place>);

    impl Collector for Of {
        fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
            encode(&self.0, &self.1, &mut Families::new(encoder))
        }
    }

    #[test]
    fn a_place_that_is_down_is_told_with_what_went_wrong() {
        let mut redis = Place::always("redis", vec![(Use::new("details"), CacheStats::default())]);
        (redis.state, redis.commands, redis.faults) = (PlaceState::Down, 7, vec![("timeout", 3)]);
        let places = vec![Place::always("memory", Vec::new()), redis];
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Of(vec![(Use::new("details"), ReadStats::default())], places)));
        let mut written = String::new();
        text::encode(&mut written, &registry).unwrap();
        for line in [
            "cache_answers_total{use=\"details\",result=\"stale-if-error\"} 0",
            "cache_lookups_total{place=\"redis\",use=\"details\",result=\"unavailable\"} 0",
            "cache_state{place=\"memory\",state=\"up\"} 1",
            "cache_state{place=\"redis\",state=\"down\"} 1",
            "cache_state{place=\"redis\",state=\"up\"} 0",
            "cache_commands_total{place=\"redis\"} 7",
            "cache_faults_total{place=\"redis\",kind=\"timeout\"} 3",
        ] {
            assert!(written.contains(line), "{line} is not in\n{written}");
        }
        assert!(!written.contains("cache_commands_total{place=\"memory\"}"), "{written}");
    }
}

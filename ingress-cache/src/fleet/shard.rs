//! Shards: what one replica at a time watches for all, and which one that should be.
//!
//! A shard is a bucket of one cluster. By rendezvous hashing every replica computes, without asking anybody, the same preferred holder
//! from the same list of members: the one whose hash with the shard is highest. A member that comes takes its share evenly from
//! all others, and one that goes leaves its share evenly to them; no other shard moves. It costs a SHA-256 (about 0.2 µs) for
//! each pair of shard and member.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ingress_core::ClusterId;
use sha2::{Digest as _, Sha256};

/// Into how many buckets a cluster can be cut at most.
pub const MAX_BUCKETS: u16 = 1024;

/// A name in a fleet that was refused, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} {problem}")]
pub struct InvalidFleetName {
    what: &'static str,
    value: String,
    problem: &'static str,
}

impl InvalidFleetName {
    fn new(what: &'static str, value: &str, problem: &'static str) -> Self {
        Self { what, value: value.chars().take(80).collect(), problem }
    }
}

/// The name of a fleet: all replicas that share what they know. 1 to 63 of `a-z`, `0-9` and `-`, neither first nor last a `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FleetName(Arc<str>);

impl FleetName {
    /// Parses a name.
    ///
    /// # Errors
    ///
    /// When it is not 1 to 63 of `a-z`, `0-9` and `-`, or has a `-` at an end.
    pub fn new(name: &str) -> Result<Self, InvalidFleetName> {
        let fits = (1..=63).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !name.starts_with('-')
            && !name.ends_with('-');
        let problem = "must be 1 to 63 of a-z, 0-9 and -, neither first nor last a -";
        if fits { Ok(Self(name.into())) } else { Err(InvalidFleetName::new("fleet", name, problem)) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks a name of letters, digits, `-`, `_` and `.`, not longer than `max`.
pub(super) fn check(what: &'static str, text: &str, max: usize) -> Result<(), InvalidFleetName> {
    let fits = (1..=max).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let problem = "must be letters, digits, dashes, underscores and dots, and not too many of them";
    if fits { Ok(()) } else { Err(InvalidFleetName::new(what, text, problem)) }
}

/// One run of one replica. A process that starts again is another member: what its predecessor was granted is not its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(Arc<str>);

impl MemberId {
    /// Makes the id of this run of the replica `name` (a pod's name, most often): 64 random bits are added.
    ///
    /// # Errors
    ///
    /// When the name is not 1 to 200 letters, digits, `-`, `_` and `.`.
    pub fn of_run(name: &str) -> Result<Self, InvalidFleetName> {
        check("replica", name, 200)?;
        Ok(Self(format!("{name}.{:016x}", rand::random::<u64>()).into()))
    }

    /// Parses an id as it was written.
    ///
    /// # Errors
    ///
    /// When it is not 1 to 253 letters, digits, `-`, `_` and `.`.
    pub fn new(id: &str) -> Result<Self, InvalidFleetName> {
        check("member", id, 253)?;
        Ok(Self(id.into()))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A bucket of a cluster. As text, `<cluster>#<bucket>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard {
    cluster: ClusterId,
    bucket: u16,
}

impl Shard {
    /// The shard of a bucket.
    ///
    /// # Errors
    ///
    /// When the bucket is not below [`MAX_BUCKETS`].
    pub fn new(cluster: ClusterId, bucket: u16) -> Result<Self, InvalidFleetName> {
        if bucket >= MAX_BUCKETS {
            return Err(InvalidFleetName::new("bucket", &bucket.to_string(), "must be below 1024"));
        }
        Ok(Self { cluster, bucket })
    }

    /// All shards of a cluster that is cut into this many buckets; at least one, at most [`MAX_BUCKETS`].
    pub fn all(cluster: &ClusterId, buckets: u16) -> impl Iterator<Item = Self> + use<'_> {
        (0..buckets.clamp(1, MAX_BUCKETS)).map(|bucket| Self { cluster: cluster.clone(), bucket })
    }

    /// The bucket of a namespace where there are this many: always the same one. What lies in no namespace is in the first.
    #[must_use]
    pub fn bucket_of(namespace: Option<&str>, buckets: u16) -> u16 {
        let Some(namespace) = namespace else { return 0 };
        let bucket =
            first_bits(Sha256::new().chain_update(namespace)) % u64::from(buckets.clamp(1, MAX_BUCKETS));
        u16::try_from(bucket).unwrap_or(0)
    }

    /// The cluster.
    #[must_use]
    pub fn cluster(&self) -> &ClusterId {
        &self.cluster
    }

    /// The bucket, from 0.
    #[must_use]
    pub fn bucket(&self) -> u16 {
        self.bucket
    }

    /// Who of these should hold it; nobody when there is nobody. The order of members doesn't matter.
    #[must_use]
    pub fn preferred<'a>(&self, members: impl IntoIterator<Item = &'a MemberId>) -> Option<&'a MemberId> {
        members.into_iter().max_by_key(|member| (self.weight(member), *member))
    }

    // A cluster's name and a member's hold no control characters, so 0 parts them.
    fn weight(&self, member: &MemberId) -> u64 {
        first_bits(
            Sha256::new().chain_update(self.to_string()).chain_update([0]).chain_update(member.as_str()),
        )
    }
}

fn first_bits(hash: Sha256) -> u64 {
    hash.finalize().iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.cluster.as_str(), self.bucket)
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Shard {
    type Err = InvalidFleetName;

    fn from_str(text: &str) -> Result<Self, InvalidFleetName> {
        let wrong =
            || InvalidFleetName::new("shard", text, "must be a cluster's name, # and a bucket below 1024");
        let (cluster, bucket) = text.rsplit_once('#').ok_or_else(wrong)?;
        // One text per shard: neither +1 nor 01 is a bucket.
        let plain = bucket == "0" || bucket.bytes().all(|b| b.is_ascii_digit()) && !bucket.starts_with('0');
        let bucket = bucket.parse().ok().filter(|_| plain).ok_or_else(wrong)?;
        Self::new(ClusterId::new(cluster).map_err(|_| wrong())?, bucket)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn members(names: impl IntoIterator<Item = u32>) -> Vec<MemberId> {
        names.into_iter().map(|name| MemberId::new(&format!("m{name}")).unwrap()).collect()
    }

    fn shards() -> Vec<Shard> {
        Shard::all(&ClusterId::new("east").unwrap(), MAX_BUCKETS).collect()
    }

    fn owners<'a>(shards: &'a [Shard], members: &'a [MemberId]) -> BTreeMap<&'a Shard, &'a MemberId> {
        shards.iter().map(|shard| (shard, shard.preferred(members).unwrap())).collect()
    }

    #[test]
    fn the_hash_is_the_same_in_every_release() {
        let shard: Shard = "east#7".parse().unwrap();
        assert_eq!(shard.weight(&MemberId::new("a").unwrap()), 18_189_239_824_339_305_245);
        assert_eq!(Shard::bucket_of(Some("shop"), 16), 13);
    }

    #[test]
    fn a_shard_reads_as_it_is_written() {
        let odd = Shard::new(ClusterId::new("aws:eu#1/a").unwrap(), 12).unwrap();
        assert_eq!(odd.to_string(), "aws:eu#1/a#12");
        assert_eq!("aws:eu#1/a#12".parse::<Shard>().unwrap(), odd);
        for wrong in ["", "east", "east#", "#1", "east#01", "east#+1", "east#-1", "east#1024", "a b#1"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_checked() {
        assert!(
            FleetName::new("prod-1").is_ok() && FleetName::new("").is_err() && FleetName::new("a}").is_err()
        );
        assert!(MemberId::new("pod-0.ab_c").is_ok() && MemberId::new("a b").is_err());
        let (one, other) = (MemberId::of_run("pod-0").unwrap(), MemberId::of_run("pod-0").unwrap());
        assert!(one != other && one.as_str().starts_with("pod-0."));
        assert!(MemberId::of_run("").is_err());
    }

    #[test]
    fn buckets_have_bounds() {
        assert_eq!(Shard::all(&ClusterId::new("c").unwrap(), 0).count(), 1);
        assert_eq!(Shard::all(&ClusterId::new("c").unwrap(), u16::MAX).count(), 1024);
        assert_eq!((Shard::bucket_of(None, 9), Shard::bucket_of(Some("a"), 0)), (0, 0));
    }

    #[test]
    fn the_spread_is_even() {
        for count in [2_u32, 3, 4, 8] {
            let (shards, members) = (shards(), members(0..count));
            let mut shares = BTreeMap::<_, u32>::new();
            for owner in owners(&shards, &members).into_values() {
                *shares.entry(owner).or_default() += 1;
            }
            let fair = f64::from(MAX_BUCKETS) / f64::from(count);
            for share in shares.into_values() {
                assert!((f64::from(share) / fair - 1.0).abs() < 0.35, "{share} of {fair} among {count}");
            }
        }
    }

    proptest! {
        #[test]
        fn order_does_not_matter(mut names in prop::collection::btree_set(0u32..1000, 1..8).prop_map(Vec::from_iter)) {
            let shards = shards();
            let one = members(names.clone());
            names.reverse();
            let other = members(names);
            prop_assert_eq!(owners(&shards, &one), owners(&shards, &other));
        }

        #[test]
        fn only_what_a_member_gains_or_loses_moves(names in prop::collection::btree_set(0u32..1000, 2..9)) {
            let shards = shards();
            let all = members(names);
            let (one, rest) = all.split_first().unwrap();
            let (with, without) = (owners(&shards, &all), owners(&shards, rest));
            for (shard, owner) in with {
                prop_assert!(owner == one || without[shard] == owner);
                prop_assert!(without[shard] != one);
            }
        }

        #[test]
        fn every_namespace_has_a_bucket(namespace in ".*", buckets in 1u16..=MAX_BUCKETS) {
            prop_assert!(Shard::bucket_of(Some(&namespace), buckets) < buckets);
        }
    }
}

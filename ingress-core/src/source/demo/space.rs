//! Namespaces of the simulated cluster.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::object::{Metadata, Pairs};
use super::vocabulary::{PRODUCTS, Product};

/// One namespace: all that decides how it looks.
#[derive(Debug, Clone)]
pub(super) struct Space {
    pub(super) name: Arc<str>,
    /// The product's name, and the number of its cell: the part of its hosts that all its stages share.
    pub(super) zone: Arc<str>,
    pub(super) product: &'static Product,
    pub(super) stage: Stage,
    pub(super) uid: u128,
    /// Seconds since 1970.
    pub(super) created: i64,
    pub(super) revision: u64,
    pub(super) terminating: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Production,
    Staging,
    Development,
    /// Lives as long as a pull request.
    Preview,
}

impl Stage {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Staging => "staging",
            Self::Development => "development",
            Self::Preview => "preview",
        }
    }

    /// How many ingresses it has beside a namespace in production.
    fn percent(self) -> u64 {
        match self {
            Self::Production => 100,
            Self::Staging => 45,
            Self::Development => 25,
            Self::Preview => 5,
        }
    }
}

/// A namespace that a cluster has from the beginning.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) name: Arc<str>,
    pub(super) zone: Arc<str>,
    pub(super) product: &'static Product,
    pub(super) stage: Stage,
    /// How many of the ingresses it has, relative to the others.
    pub(super) weight: u32,
}

/// The first `count` permanent namespaces. A cluster of few has products in production only; with more come their other
/// stages, and then further cells of all of them.
pub(super) fn permanent(count: usize) -> Vec<Site> {
    // Staging of the first product comes beside production of the 14th, and so on: diagonals of a table of stages.
    const LEAD: usize = 13;
    let stages = [(Stage::Production, ""), (Stage::Staging, "-staging"), (Stage::Development, "-dev")];
    let mut rows: Vec<_> = PRODUCTS
        .iter()
        .enumerate()
        .flat_map(|(place, product)| {
            stages
                .into_iter()
                .enumerate()
                .map(move |(column, stage)| (place + column * LEAD, place, product, stage))
        })
        .collect();
    rows.sort_by_key(|(order, place, ..)| (*order, *place));
    let weight = |place: usize, stage: Stage| 4000 * stage.percent() / (place as u64 + 4);
    (1_u64..)
        .flat_map(|cell| rows.iter().map(move |row| (cell, row)))
        .take(count)
        .map(|(cell, (_, place, product, (stage, suffix)))| {
            let cell = if cell == 1 { String::new() } else { format!("-{cell}") };
            Site {
                name: format!("{}{suffix}{cell}", product.name).into(),
                zone: format!("{}{cell}", product.name).into(),
                product,
                stage: *stage,
                weight: u32::try_from(weight(*place, *stage)).unwrap_or(u32::MAX),
            }
        })
        .collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'a>,
    spec: Spec,
    status: Status,
}

#[derive(Serialize)]
struct Spec {
    finalizers: [&'static str; 1],
}

#[derive(Serialize)]
struct Status {
    phase: &'static str,
}

impl Space {
    /// The whole object, as the API server would send it.
    pub(super) fn render(&self) -> serde_json::Result<Vec<u8>> {
        let labels = Pairs::from([
            ("kubernetes.io/metadata.name".into(), (&*self.name).into()),
            ("app.kubernetes.io/part-of".into(), self.product.name.into()),
            ("environment".into(), self.stage.label().into()),
            ("team".into(), self.product.team.into()),
            ("pod-security.kubernetes.io/enforce".into(), enforced(self.product).into()),
        ]);
        serde_json::to_vec(&Object {
            api_version: "v1",
            kind: "Namespace",
            metadata: Metadata {
                name: &self.name,
                namespace: None,
                uid: uid(self.uid),
                resource_version: self.revision.to_string(),
                generation: None,
                creation_timestamp: timestamp(self.created),
                labels,
                annotations: Pairs::from([(
                    "example.com/cost-center".into(),
                    cost_center(self.product).into(),
                )]),
                managed_fields: Vec::new(),
            },
            spec: Spec { finalizers: ["kubernetes"] },
            status: Status { phase: if self.terminating { "Terminating" } else { "Active" } },
        })
    }
}

fn enforced(product: &Product) -> &'static str {
    if product.inward { "baseline" } else { "restricted" }
}

fn cost_center(product: &Product) -> &'static str {
    if product.inward { "4200-platform" } else { "1100-products" }
}

/// A random UUID (version 4, RFC 9562) made of these bits.
pub(super) fn uid(bits: u128) -> String {
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
}

/// RFC 3339, whole seconds, as the API server writes it.
pub(super) fn timestamp(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permanent_namespaces_have_distinct_valid_names() {
        let sites = permanent(2000);
        let names: std::collections::BTreeSet<_> = sites.iter().map(|site| site.name.clone()).collect();
        assert_eq!(names.len(), 2000);
        for name in &names {
            crate::Namespace::new(name).unwrap();
        }
        let first: Vec<_> = sites.iter().take(24).map(|site| &*site.name).collect();
        assert_eq!(first.get(..2), Some(&["shop", "billing"][..]));
        assert!(first.contains(&"shop-staging"), "{first:?}");
    }

    #[test]
    fn uids_are_version_4() {
        assert_eq!(uid(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}

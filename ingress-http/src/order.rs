//! In which order a list comes, and which part of it is one page.
//!
//! The order is total: ties are broken by namespace, name and cluster. So a page can go on after the last item of the
//! one before, whatever was added or removed in between, without a word of state on the server.

use std::cmp::Ordering;
use std::sync::Arc;

use ingress_core::{Ingress, ObjectKey};

use crate::problem::Problem;

/// The `sort` parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Order {
    by: By,
    descending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum By {
    #[default]
    Namespace,
    Name,
    Host,
    Class,
    Creation,
}

/// Where an item stands in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rank<'a> {
    /// The value sorted by; `None` where an object has none.
    pub(crate) value: Option<&'a str>,
    pub(crate) cluster: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

/// An item with its rank.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ranked<'a> {
    pub(crate) rank: Rank<'a>,
    pub(crate) key: &'a ObjectKey,
    pub(crate) ingress: &'a Arc<Ingress>,
}

impl Order {
    /// Whether this is the order of a store that holds one cluster.
    pub(crate) fn is_of_keys(self) -> bool {
        self == Self::default()
    }

    pub(crate) fn parse(text: Option<&str>) -> Result<Self, Problem> {
        let Some(text) = text else { return Ok(Self::default()) };
        let (descending, field) = match text.strip_prefix('-') {
            Some(field) => (true, field),
            None => (false, text),
        };
        let by = match field {
            "namespace" => By::Namespace,
            "name" => By::Name,
            "host" => By::Host,
            "ingressClassName" => By::Class,
            "creationTimestamp" => By::Creation,
            _ => {
                let detail = "`sort` must be `namespace`, `name`, `host`, `ingressClassName` or `creationTimestamp`, \
                              with a leading `-` to reverse it";
                return Err(Problem::parameter("sort", detail));
            }
        };
        Ok(Self { by, descending })
    }

    pub(crate) fn rank<'a>(self, key: &'a ObjectKey, ingress: &'a Arc<Ingress>) -> Ranked<'a> {
        let namespace = key.namespace().unwrap_or_default();
        let value = match self.by {
            By::Namespace => Some(namespace),
            By::Name => Some(key.name()),
            By::Host => ingress.rules().iter().find_map(|rule| rule.host),
            By::Class => ingress.class(),
            // RFC 3339 in UTC to the second, as Kubernetes writes it: the order of the text is the order in time.
            By::Creation => ingress.creation_timestamp(),
        };
        let rank = Rank { value, cluster: key.cluster().as_str(), namespace, name: key.name() };
        Ranked { rank, key, ingress }
    }

    /// Compares two ranks of this order. What has no value comes last, whichever the direction.
    pub(crate) fn compare(self, a: &Rank<'_>, b: &Rank<'_>) -> Ordering {
        let by_value = match (a.value, b.value) {
            (Some(a), Some(b)) if self.descending => b.cmp(a),
            (Some(a), Some(b)) => a.cmp(b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        by_value.then_with(|| (a.namespace, a.name, a.cluster).cmp(&(b.namespace, b.name, b.cluster)))
    }

    /// Sorts and cuts: the first `limit` items after `after`, and whether more follow. Costs a full sort only when
    /// everything is asked for.
    pub(crate) fn page<'a>(
        self,
        mut items: Vec<Ranked<'a>>,
        after: Option<Rank<'_>>,
        limit: Option<usize>,
    ) -> (Vec<Ranked<'a>>, bool) {
        if let Some(after) = after {
            items.retain(|item| self.compare(&item.rank, &after) == Ordering::Greater);
        }
        let compare = |a: &Ranked<'_>, b: &Ranked<'_>| self.compare(&a.rank, &b.rank);
        let mut more = false;
        if let Some(limit) = limit.filter(|limit| *limit < items.len()) {
            items.select_nth_unstable_by(limit, compare);
            items.truncate(limit);
            more = true;
        }
        items.sort_unstable_by(compare);
        (items, more)
    }
}

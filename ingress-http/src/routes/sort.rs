//! In which order routes come, and which part of them is one page.
//!
//! The order is total: what is equal comes by host, path and id. So a page goes on after the last item of the one before,
//! whatever was added or removed in between.

use std::cmp::Ordering;
use std::sync::Arc;

use ingress_core::diagnose::{Assessed, Verdict};

use crate::order::Rank;
use crate::problem::Problem;

/// The `sort` parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Sort {
    by: By,
    descending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum By {
    #[default]
    Host,
    Namespace,
    Name,
    Verdict,
}

/// A route with its place in an order.
#[derive(Debug)]
pub(super) struct Placed<'a> {
    /// `None` for routes of every host where hosts are sorted by.
    value: Option<String>,
    host: String,
    id: String,
    pub(super) assessed: &'a Arc<Assessed>,
}

impl Placed<'_> {
    pub(super) fn rank(&self) -> Rank<'_> {
        let path = self.assessed.route.matches.path.text();
        Rank { value: self.value.as_deref(), cluster: &self.host, namespace: path, name: &self.id }
    }
}

impl Sort {
    pub(super) fn parse(text: Option<&str>) -> Result<Self, Problem> {
        let Some(text) = text else { return Ok(Self::default()) };
        let (descending, field) = match text.strip_prefix('-') {
            Some(field) => (true, field),
            None => (false, text),
        };
        let by = match field {
            "host" => By::Host,
            "namespace" => By::Namespace,
            "name" => By::Name,
            "verdict" => By::Verdict,
            _ => {
                let detail = "`sort` must be `host`, `namespace`, `name` or `verdict`, with a leading `-` to reverse it";
                return Err(Problem::parameter("sort", detail));
            }
        };
        Ok(Self { by, descending })
    }

    pub(super) fn place(self, assessed: &Arc<Assessed>) -> Placed<'_> {
        let route = &assessed.route;
        let host = route.host.written();
        let value = match self.by {
            By::Host => host.clone(),
            By::Namespace => Some(route.object.namespace.clone().unwrap_or_default()),
            By::Name => Some(route.object.name.clone()),
            By::Verdict => Some(worst_first(assessed.diagnosis.verdict).to_owned()),
        };
        Placed { value, host: host.unwrap_or_default(), id: route.id.to_string(), assessed }
    }

    fn compare(self, a: &Rank<'_>, b: &Rank<'_>) -> Ordering {
        let by_value = match (a.value, b.value) {
            (Some(a), Some(b)) if self.descending => b.cmp(a),
            (Some(a), Some(b)) => a.cmp(b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        by_value.then_with(|| (a.cluster, a.namespace, a.name).cmp(&(b.cluster, b.namespace, b.name)))
    }

    /// Sorts and cuts: the first `limit` items after `after`, and whether more follow.
    pub(super) fn page<'a>(
        self,
        mut items: Vec<Placed<'a>>,
        after: Option<Rank<'_>>,
        limit: Option<usize>,
    ) -> (Vec<Placed<'a>>, bool) {
        if let Some(after) = after {
            items.retain(|item| self.compare(&item.rank(), &after) == Ordering::Greater);
        }
        let compare = |a: &Placed<'_>, b: &Placed<'_>| self.compare(&a.rank(), &b.rank());
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

/// Text that sorts as verdicts do, the worst first.
fn worst_first(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Broken => "0",
        Verdict::Degraded => "1",
        Verdict::Unknown => "2",
        _ => "3",
    }
}

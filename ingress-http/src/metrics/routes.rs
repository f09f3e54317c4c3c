//! What is known of routes, and what judging them cost, as families.

use std::fmt;

use ingress_core::diagnose::CHECKS;

use super::family::{Families, about};
use crate::routes::filter::VERDICTS;
use crate::view::RouteTotals;

pub(super) fn encode(totals: &RouteTotals, families: &mut Families<'_>) -> fmt::Result {
    let RouteTotals { tally, stats, parts } = totals;
    let of =
        |counts: &std::collections::BTreeMap<&'static str, u64>, name| counts.get(name).copied().unwrap_or(0);
    families.gauges(
        about("routes", "Routes, by whether they work"),
        ["verdict"],
        VERDICTS.map(|verdict| ([verdict.as_str()], of(&tally.verdicts, verdict.as_str()))),
    )?;
    families.gauges(
        about(
            "route_findings",
            "What checks found in routes; what several routes have in common counts for each",
        ),
        ["code", "severity"],
        CHECKS.iter().map(|check| ([check.code, check.severity.as_str()], of(&tally.codes, check.code))),
    )?;
    families.counters(
        about("route_judgements", "Times that an object which makes routes was judged"),
        [],
        [([], stats.judged)],
    )?;
    families.counters(
        about(
            "route_judgement_rounds",
            "Times that something was judged: what changes within a moment is judged together",
        ),
        [],
        [([], stats.rounds)],
    )?;
    families.counters(
        about("route_judging", "Time that judging took").seconds(),
        [],
        [([], stats.took.as_secs_f64())],
    )?;
    families.gauges(
        about(
            "route_parts",
            "For how many different people, by what they may read, routes are judged apart at the moment",
        ),
        [],
        [([], *parts as u64)],
    )
}

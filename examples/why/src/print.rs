//! The answer, as text.

use std::sync::Arc;

use ingress_core::diagnose::{Assessed, Diagnosis, Finding, Step, Verdict};
use ingress_core::route::matcher::{EntryMatch, Matcher};
use ingress_core::route::{Entry, Route};
use ingress_core::routes::RouteSnapshot;

use crate::ask::Question;

/// How many of the routes that did not get the request are named.
const LOSERS: usize = 5;

/// What is said of a request.
pub(crate) struct Answer {
    pub(crate) text: String,
    /// The best of all doors; `None` when no route gets the request.
    pub(crate) verdict: Option<Verdict>,
}

pub(crate) fn answer(question: &Question, snapshot: &RouteSnapshot) -> Answer {
    let matcher: Matcher = snapshot.iter().map(|assessed| Arc::new(assessed.route.clone())).collect();
    let found = matcher.match_request(&question.request());
    let mut text = format!("{} {}\n", question.method, question.url);
    let mut verdict: Option<Verdict> = None;
    for entry in &found.entries {
        let Some(assessed) = entry.winner.as_ref().and_then(|route| snapshot.get(route.id)) else {
            nobody(&mut text, entry);
            continue;
        };
        door(&mut text, question, entry, assessed);
        let this = assessed.diagnosis.verdict;
        verdict = Some(verdict.map_or(this, |best| best.min(this)));
    }
    for route in &found.without_entry {
        let Some(assessed) = snapshot.get(route.id) else { continue };
        line(&mut text, format_args!("\nThrough no known door"));
        way(&mut text, assessed);
        let this = assessed.diagnosis.verdict;
        verdict = Some(verdict.map_or(this, |best| best.min(this)));
    }
    if found.entries.is_empty() && found.without_entry.is_empty() {
        line(&mut text, format_args!("\nNo route is for the host {}.", question.host));
        hosts(&mut text, snapshot);
    }
    unknown_kinds(&mut text, snapshot);
    Answer { text, verdict }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.push_str(&line.to_string());
    text.push('\n');
}

fn door(text: &mut String, question: &Question, found: &EntryMatch, assessed: &Assessed) {
    line(text, format_args!("\nThrough {}", named(&found.entry)));
    if question.tls && assessed.route.tls.is_none() && matches!(found.entry, Entry::IngressClass { .. }) {
        line(
            text,
            format_args!(
                "  The Ingress says nothing about TLS: clients get the controller's default certificate."
            ),
        );
    }
    way(text, assessed);
    for doubt in &found.doubts {
        line(text, format_args!("  In doubt: {}.", doubt.as_str().replace('_', " ")));
    }
    losers(text, found);
}

/// The way of the request, step by step.
fn way(text: &mut String, assessed: &Assessed) {
    let Assessed { route, diagnosis, .. } = assessed;
    for step in &diagnosis.steps {
        steps(text, route, diagnosis, step);
    }
    let end = match (diagnosis.verdict, diagnosis.fault()) {
        (Verdict::Broken, Some(step)) => format!("BROKEN: it stops at the {}.", step.kind.as_str()),
        (Verdict::Broken, None) => "BROKEN.".to_owned(),
        (Verdict::Degraded, _) => "DEGRADED: requests arrive, but not all, or not for long.".to_owned(),
        (Verdict::Unknown, _) => {
            "UNKNOWN: nothing seen stops it, but not everything could be seen.".to_owned()
        }
        _ => "OK: a request gets to a pod that is ready.".to_owned(),
    };
    line(text, format_args!("  {end}"));
}

fn steps(text: &mut String, route: &Route, diagnosis: &Diagnosis, step: &Step) {
    let mark = match step.state {
        Verdict::Ok => "ok",
        Verdict::Degraded => "!",
        Verdict::Broken => "FAILED",
        _ => "?",
    };
    // Which backend, where there are several.
    let share = step.backend.filter(|_| route.backends.len() > 1);
    let share = share.map(|at| format!(" (backend {})", at + 1)).unwrap_or_default();
    let seen = step.evidence.join(" ");
    line(text, format_args!("  {mark:<7}{:<10}{seen}{share}", step.kind.as_str()));
    for unknown in &step.unknown {
        let place = unknown.namespace.as_deref().map(|name| format!(" in {name}")).unwrap_or_default();
        line(
            text,
            format_args!(
                "         not known: {}{place} ({})",
                unknown.kind,
                unknown.why.as_str().replace('_', " ")
            ),
        );
    }
    for finding in step.findings.iter().filter_map(|at| diagnosis.findings.get(*at)) {
        finding_of(text, finding);
    }
}

fn finding_of(text: &mut String, finding: &Finding) {
    let Finding { code, severity, object, cause, action, command, .. } = finding;
    line(text, format_args!("         {code} {} {object}: {cause}", severity.as_str()));
    line(text, format_args!("           do:  {action}"));
    line(text, format_args!("           see: {command}"));
}

fn nobody(text: &mut String, found: &EntryMatch) {
    line(text, format_args!("\nThrough {}", named(&found.entry)));
    line(text, format_args!("  BROKEN: no route there gets this request."));
    losers(text, found);
}

fn losers(text: &mut String, found: &EntryMatch) {
    for loser in found.losers.iter().take(LOSERS) {
        let why = loser.why.as_str().replace('_', " ");
        line(
            text,
            format_args!("  not {} {} {}: {why}", loser.route.object, loser.route.host, loser.route.matches),
        );
    }
    let more = found.losers.len().saturating_sub(LOSERS) + found.more;
    if more > 0 {
        line(text, format_args!("  and {more} more"));
    }
}

fn named(entry: &Entry) -> String {
    match entry {
        Entry::IngressClass { class, controller } => {
            let class = class.as_deref().unwrap_or("(none)");
            let controller = controller.as_deref().unwrap_or("controller unknown");
            format!("ingress class {class} ({controller})")
        }
        Entry::Listener { namespace, gateway, listener, port, protocol, .. } => {
            format!("gateway {namespace}/{gateway}, listener {listener} ({protocol} on port {port})")
        }
        Entry::IstioGateway { namespace, gateway, .. } => format!("Istio's gateway {namespace}/{gateway}"),
        Entry::Mesh => "the sidecars of Istio's mesh".to_owned(),
        Entry::EntryPoint { name: Some(name), .. } => format!("Traefik's entry point {name}"),
        Entry::EntryPoint { .. } => "Traefik's entry points by default".to_owned(),
        _ => "another door".to_owned(),
    }
}

/// The hosts that there are, a few of them.
fn hosts(text: &mut String, snapshot: &RouteSnapshot) {
    let hosts: std::collections::BTreeSet<String> =
        snapshot.iter().map(|assessed| assessed.route.host.to_string()).collect();
    let few: Vec<&str> = hosts.iter().take(10).map(String::as_str).collect();
    let all = if hosts.len() > few.len() {
        format!(", and {} more", hosts.len() - few.len())
    } else {
        String::new()
    };
    match few.as_slice() {
        [] => line(text, format_args!("There are no routes at all.")),
        few => line(text, format_args!("There are routes for {}{all}.", few.join(", "))),
    }
}

/// Kinds of routes that could not be read: there may be others.
fn unknown_kinds(text: &mut String, snapshot: &RouteSnapshot) {
    let unread = snapshot.inventory().unread();
    if !unread.is_empty() {
        line(text, format_args!("\nNot read in time: {}.", unread.join(", ")));
    }
}

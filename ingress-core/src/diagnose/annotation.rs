//! Checks of the annotations by which an ingress' controller is told what to do.

use std::sync::Arc;

use super::backend::unknowable;
use super::check::{ING016, ING019};
use super::{Exam, Severity};
use crate::kind::Ingress;
use crate::route::setting::annotation::{Family, Form, field};
use crate::route::{Backend, BackendPort, Entry, Fact, ObjectRef, PathMatch, Route, Setting};

/// What AWS' controller takes in place of a port: the service's name is then that of an annotation.
const USE_ANNOTATION: &str = "use-annotation";

/// Looks at the annotations of an ingress, as part of the step that is about its rule.
pub(super) fn examine(exam: &mut Exam<'_, '_>, ingress: &Ingress, route: &Route) {
    let Some(entry) = route.entries.first() else { return };
    let serving = Family::of_entry(entry);
    if serving.is_none() && is_known(entry) {
        // A controller that nothing is known of may read whatever it likes.
        return;
    }
    let annotations = ingress.annotations();
    for (key, text) in &annotations {
        match serving.filter(|serving| serving.strip(key).is_some()).or_else(|| Family::of_annotation(key)) {
            Some(family) if serving.is_none_or(|serving| std::ptr::eq(serving, family)) => {
                own(exam, route, family, key, text);
            }
            Some(other) => foreign(exam, route, other, key, other.fact(key, text, &annotations)),
            None => {}
        }
    }
    rewrite(exam, route);
}

fn is_known(entry: &Entry) -> bool {
    matches!(entry, Entry::IngressClass { controller: Some(_), .. })
}

/// An annotation of the controller that serves the ingress.
fn own(exam: &mut Exam<'_, '_>, route: &Route, family: &'static Family, key: &str, text: &str) {
    let Some(name) = family.strip(key) else { return };
    if let Some(gone) = family.gone.iter().find(|gone| gone.name == name) {
        exam.find(
            ING016,
            &route.object,
            field(key),
            format!(
                "The controller is {}, which does not read this annotation of an Ingress, or no longer does.",
                family.name
            ),
            gone.instead.to_owned(),
        );
        return;
    }
    let Some(known) = family.get(name) else {
        if let (true, Some(nearest)) = (family.owns(key), family.nearest(name)) {
            exam.find(
                ING016,
                &route.object,
                field(key),
                format!("The controller, {}, knows no such annotation, but it knows {nearest}.", family.name),
                format!("Write {nearest}, if that is meant."),
            );
        }
        return;
    };
    if known.form == Form::Snippet {
        exam.find_as(
            ING016,
            Severity::Info,
            &route.object,
            field(key),
            format!("It puts a piece of configuration into {}, which may do anything, or is refused where snippets are not allowed.", family.name),
            "Use annotations that say what is meant, where there are any.".to_owned(),
        );
        return;
    }
    // What stands for a backend is that backend's business; controllers take an empty value for none.
    if text.trim().is_empty()
        || (family.is_alb() && known.name == "actions.")
        || known.form.read(text).is_some()
    {
        return;
    }
    exam.find(
        ING016,
        &route.object,
        field(key),
        format!(
            "Its value is not {}, so {} ignores it, or refuses the Ingress.",
            known.form.expected(),
            family.name
        ),
        format!("Write {}.", known.form.expected()),
    );
}

/// An annotation of another controller than the one that serves the ingress.
fn foreign(exam: &mut Exam<'_, '_>, route: &Route, other: &Family, key: &str, fact: Option<Fact>) {
    let serving =
        route.entries.first().and_then(Family::of_entry).map_or("another controller", |family| family.name);
    let said = |fact: &Fact| {
        let same = |own: &Fact| own.name() == fact.name() || matches!(own, Fact::Extension { .. });
        route.settings.iter().any(|setting| same(&setting.fact))
    };
    // Without these, requests go where they should not, or are answered to whom they should not; the rest is comfort.
    let matters = fact.is_some_and(|fact| {
        let matters = matches!(
            fact,
            Fact::Authentication { .. }
                | Fact::Allow { .. }
                | Fact::Deny { .. }
                | Fact::Rewrite { .. }
                | Fact::Redirect { .. }
                | Fact::BackendProtocol { .. }
        );
        matters && !said(&fact)
    });
    exam.find_as(
        ING016,
        if matters { ING016.severity } else { Severity::Info },
        &route.object,
        field(key),
        format!("It is for {}, but {serving} serves the Ingress and does not read it.", other.name),
        "Say the same in the words of the controller that serves it, or remove the annotation.".to_owned(),
    );
}

/// Whether what ingress-nginx makes of the path fits what the path catches.
fn rewrite(exam: &mut Exam<'_, '_>, route: &Route) {
    if !route.entries.first().and_then(Family::of_entry).is_some_and(Family::is_ingress_nginx) {
        return;
    }
    let target = |setting: &&Arc<Setting>| setting.field.ends_with("/rewrite-target]");
    let Some(target) = route.settings.iter().find(target).and_then(|setting| setting.raw.as_deref()) else {
        return;
    };
    let (path, exact) = match &route.matches.path {
        PathMatch::Any => return,
        PathMatch::Exact(path) => (path, true),
        path => (&path.text().to_owned(), false),
    };
    let groups = groups(path);
    let highest = references(target).max().unwrap_or_default();
    let place = format!("{}.path", route.field);
    if highest > groups {
        exam.find(
            ING016,
            &route.object,
            place,
            format!("The annotation rewrite-target refers to ${highest}, but the path {path} has {}, so that this part is always empty.", super::backend::plural(groups, "capture group")),
            "Put what is to be kept of the path into parentheses, such as /api(/|$)(.*).".to_owned(),
        );
    } else if highest == 0 && !exact {
        exam.find_as(
            ING016,
            Severity::Info,
            &route.object,
            place,
            format!("The annotation rewrite-target makes {target} of every path below {path}, whatever comes after."),
            "If what comes after is meant to stay, catch it with a group such as /api(/|$)(.*) and write /$2.".to_owned(),
        );
    }
}

/// How many groups of an expression catch something.
fn groups(expression: &str) -> usize {
    let (mut count, mut escaped, mut rest) = (0, false, expression.chars().peekable());
    while let Some(c) = rest.next() {
        if c == '(' && !escaped && rest.peek() != Some(&'?') {
            count += 1;
        }
        escaped = c == '\\' && !escaped;
    }
    count
}

/// The numbers of the groups that a text refers to.
fn references(text: &str) -> impl Iterator<Item = usize> {
    text.split('$').skip(1).filter_map(|after| {
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        after.get(..end)?.parse().ok()
    })
}

/// Whether a backend is an action of AWS' load balancer, and no service.
pub(super) fn is_action(route: &Route, backend: &Backend) -> bool {
    let entry = route.entries.first();
    let is_alb = |entry: &Entry| {
        // A class that was not seen may be anybody's, but nobody else has such a port.
        Family::of_entry(entry).map_or(!is_known(entry), Family::is_alb)
    };
    let port = backend.port.as_ref();
    port.is_some_and(|port| matches!(port, BackendPort::Name(name) if name == USE_ANNOTATION))
        && route.object.kind == "Ingress"
        && entry.is_some_and(is_alb)
}

/// Whether the annotation that stands for a backend is there, and says what to do.
pub(super) fn action(exam: &mut Exam<'_, '_>, route: &Route, backend: &Backend) {
    let key = format!("alb.ingress.kubernetes.io/actions.{}", backend.object.name);
    let ingress = exam.reader.get::<Ingress>(route.object.namespace.as_deref(), &route.object.name).found();
    let text = ingress.and_then(|ingress| {
        ingress.annotations().into_iter().find(|(known, _)| *known == key).map(|(_, text)| text.to_owned())
    });
    let Some(text) = text else {
        exam.find(
            ING019,
            &route.object,
            format!("{}.service.name", backend.field),
            format!("The backend is the action {}, but there is no annotation {key}.", backend.object.name),
            "Add the annotation, or correct the name.".to_owned(),
        );
        return;
    };
    match read_action(&text) {
        Ok(Action::Itself(what)) => exam.saw(format!("The load balancer answers by itself: {what}.")),
        Ok(Action::Forward(services)) => {
            exam.saw("The load balancer forwards to target groups.");
            let namespace = route.object.namespace.as_deref();
            // Whether its targets answer is told by AWS alone.
            for service in services {
                exam.unknown(unknowable(&ObjectRef::new("Service", namespace, &service)));
            }
        }
        Err(problem) => exam.find(
            ING019,
            &route.object,
            field(&key),
            format!("The action can't be read: {problem}."),
            "Write it as the controller's documentation has it: JSON with type, and what belongs to that type.".to_owned(),
        ),
    }
}

/// What an action does.
#[derive(Debug, PartialEq, Eq)]
enum Action {
    /// The load balancer answers.
    Itself(&'static str),
    /// It forwards, to these services or to groups outside the cluster.
    Forward(Vec<String>),
}

fn read_action(text: &str) -> Result<Action, &'static str> {
    let json: serde_json::Value = serde_json::from_str(text).map_err(|_| "it is no JSON")?;
    // Go reads fields whatever their case.
    let get = |of: &serde_json::Value, name: &str| {
        let fields = of.as_object()?;
        fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    };
    let kind = get(&json, "type").and_then(|kind| kind.as_str().map(str::to_owned));
    let config = |name: &str, field: &str| get(&json, name).and_then(|config| get(&config, field));
    match kind.as_deref() {
        Some("redirect") => {
            let status = config("redirectConfig", "statusCode");
            let status = status.as_ref().and_then(serde_json::Value::as_str);
            if !matches!(status, Some("HTTP_301" | "HTTP_302")) {
                return Err("redirectConfig.statusCode is neither HTTP_301 nor HTTP_302");
            }
            Ok(Action::Itself("it redirects"))
        }
        Some("fixed-response") => {
            config("fixedResponseConfig", "statusCode").ok_or("fixedResponseConfig.statusCode is missing")?;
            Ok(Action::Itself("it has a fixed answer"))
        }
        Some("forward") => {
            let one = get(&json, "targetGroupARN").or_else(|| get(&json, "targetGroupName"));
            let groups = config("forwardConfig", "targetGroups");
            let groups = groups.as_ref().and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
            if one.is_none() && groups.is_empty() {
                return Err("it names no target group");
            }
            let service = |group| get(group, "serviceName").and_then(|name| name.as_str().map(str::to_owned));
            Ok(Action::Forward(groups.iter().filter_map(service).collect()))
        }
        Some(_) => Err("its type is none of forward, redirect and fixed-response"),
        None => Err("it has no type"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_references_are_counted_as_expressions_have_them() {
        assert_eq!(groups(r"/api(/|$)(.*)"), 2);
        assert_eq!((groups(r"/a\(b\)"), groups("/(?:a|b)/(c)"), groups("/")), (0, 1, 0));
        assert_eq!(references("/$2/x$1y$").collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn an_action_says_what_it_does_or_what_it_lacks() {
        let read = |text: &str| read_action(text);
        let redirect = r#"{"Type":"redirect","RedirectConfig":{"StatusCode":"HTTP_301"}}"#;
        assert_eq!(read(redirect), Ok(Action::Itself("it redirects")));
        let forward = r#"{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"a","servicePort":80},{"targetGroupARN":"arn"}]}}"#;
        assert_eq!(read(forward), Ok(Action::Forward(vec!["a".to_owned()])));
        assert_eq!(read(r#"{"type":"forward","targetGroupARN":"arn"}"#), Ok(Action::Forward(Vec::new())));
        for text in ["", "[]", "{}", r#"{"type":"drop"}"#, r#"{"type":"redirect"}"#, r#"{"type":"forward"}"#]
        {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read(r#"{"type":"fixed-response","fixedResponseConfig":{"statusCode":"503"}}"#).is_ok());
    }
}

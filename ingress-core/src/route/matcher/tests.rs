//! The tables of the specifications, and the same answers as a matcher that knows no index.

use proptest::prelude::*;

use super::*;
use crate::clock::Timestamp;
use crate::route::{Condition, ObjectRef, PathMatch, RouteMatch, Subject, Test, TlsSource, ValueMatch};

fn nginx() -> Entry {
    Entry::ingress_class(Some("nginx"), Some("k8s.io/ingress-nginx"))
}

fn listener(name: &str, host: &str) -> Entry {
    Entry::Listener {
        namespace: "infra".into(),
        gateway: "edge".into(),
        listener: name.into(),
        port: 80,
        protocol: "HTTP".into(),
        host: HostPattern::of_gateway(Some(host)),
    }
}

fn route(name: &str, entry: Entry, host: HostPattern, matches: RouteMatch) -> Route {
    let cluster = ClusterId::new("c").unwrap();
    let (kind, precedence) = match entry {
        Entry::IngressClass { .. } => ("Ingress", Precedence::Specificity),
        Entry::Listener { .. } => ("HTTPRoute", Precedence::Specificity),
        Entry::IstioGateway { .. } | Entry::Mesh => ("VirtualService", Precedence::Position),
        Entry::EntryPoint { .. } => ("IngressRoute", Precedence::Priority(0)),
    };
    let object = ObjectRef::new(kind, Some("shop"), name);
    Route {
        id: RouteId::derive(&cluster, &object, &host, &matches, 0),
        cluster,
        object,
        field: String::new(),
        host,
        matches,
        entries: vec![entry],
        backends: Vec::new(),
        answers: false,
        addresses: Vec::new(),
        tls: None,
        settings: Vec::new(),
        owner: None,
        precedence,
        order: (0, 0),
        created: None,
    }
}

fn ingress(name: &str, host: &str, path: (&str, &str)) -> Route {
    let path = PathMatch::of_ingress(Some(path.1), Some(path.0));
    route(name, nginx(), HostPattern::of_ingress(Some(host)), RouteMatch::path(path))
}

fn prefix(path: &str) -> RouteMatch {
    RouteMatch::path(PathMatch::Prefix(path.into()))
}

fn http(name: &str, host: &str, matches: RouteMatch) -> Route {
    route(name, listener("any", ""), HostPattern::of_gateway(Some(host)), matches)
}

/// A route of a virtual service, at a place of it.
fn virtual_service(name: &str, host: &str, place: usize, matches: RouteMatch) -> Route {
    let entry = Entry::IstioGateway { namespace: "infra".into(), gateway: "edge".into() };
    let mut route = route(name, entry, HostPattern::of_gateway(Some(host)), matches);
    route.order = (place, 0);
    route.id = RouteId::derive(&route.cluster, &route.object, &route.host, &route.matches, place);
    route
}

/// A route of an ingress route, with a priority.
fn ingress_route(name: &str, host: &str, priority: i64, matches: RouteMatch) -> Route {
    let entry = Entry::EntryPoint { name: Some("web".into()) };
    let mut route = route(name, entry, HostPattern::of_ingress(Some(host)), matches);
    route.precedence = Precedence::Priority(priority);
    route
}

fn text_prefix(path: &str) -> RouteMatch {
    RouteMatch::path(PathMatch::TextPrefix(path.into()))
}

fn asked(routes: &[Route], request: &Request) -> Match {
    routes.iter().cloned().map(Arc::new).collect::<Matcher>().match_request(request)
}

/// The only door's winner, and the others with their reasons.
fn won(routes: &[Route], request: &Request) -> (Option<String>, Vec<(String, Lost)>) {
    let mut found = asked(routes, request).entries;
    assert!(found.len() < 2, "one door: {found:?}");
    let Some(found) = found.pop() else { return (None, Vec::new()) };
    let losers = found.losers.into_iter().map(|loser| (loser.route.object.name.clone(), loser.why));
    (found.winner.map(|winner| winner.object.name.clone()), losers.collect())
}

fn get(path: &str) -> Request {
    Request::new("shop.example.com", path)
}

#[test]
fn paths_of_an_ingress_are_chosen_as_its_specification_says() {
    // The rows of its table that have several paths: types and paths, the request, the path that wins.
    type Row = (&'static [(&'static str, &'static str)], &'static str, Option<&'static str>);
    let rows: [Row; 8] = [
        (&[("Prefix", "/"), ("Prefix", "/aaa")], "/aaa/ccc", Some("/aaa")),
        (&[("Prefix", "/"), ("Prefix", "/aaa"), ("Prefix", "/aaa/bbb")], "/aaa/bbb", Some("/aaa/bbb")),
        (&[("Prefix", "/"), ("Prefix", "/aaa"), ("Prefix", "/aaa/bbb")], "/ccc", Some("/")),
        (&[("Prefix", "/aaa")], "/ccc", None),
        (&[("Prefix", "/foo"), ("Exact", "/foo")], "/foo", Some("/foo")),
        (&[("Exact", "/foo")], "/foo/", None),
        (&[("Prefix", "/aaa/bb")], "/aaa/bbb", None),
        (&[("Prefix", "/aaa/bbb/")], "/aaa/bbb", Some("/aaa/bbb/")),
    ];
    for (paths, request, expected) in rows {
        let routes: Vec<_> = paths.iter().map(|path| ingress("web", "shop.example.com", *path)).collect();
        let found = asked(&routes, &get(request)).entries.pop().and_then(|entry| entry.winner);
        assert_eq!(
            found.as_ref().map(|route| route.matches.path.text()),
            expected,
            "{paths:?} for {request}"
        );
        if paths.iter().any(|(path_type, _)| *path_type == "Exact") && expected.is_some() {
            assert_eq!(found.unwrap().matches.path.type_name(), "Exact");
        }
    }
}

#[test]
fn hosts_of_an_ingress_are_chosen_as_its_specification_says() {
    let routes = [
        ingress("exact", "bar.foo.com", ("Prefix", "/")),
        ingress("wildcard", "*.foo.com", ("Prefix", "/")),
        ingress("any", "", ("Prefix", "/")),
    ];
    let winner = |host: &str| won(&routes, &Request::new(host, "/x"));
    let less = |name: &str| (name.to_owned(), Lost::LessSpecificHost);
    assert_eq!(winner("bar.foo.com"), (Some("exact".into()), vec![less("wildcard"), less("any")]));
    assert_eq!(winner("baz.foo.com:8080"), (Some("wildcard".into()), vec![less("any")]));
    let labels = ("wildcard".to_owned(), Lost::WildcardLabels);
    assert_eq!(winner("baz.bar.foo.com"), (Some("any".into()), vec![labels]));
    assert_eq!(winner("foo.com"), (Some("any".into()), Vec::new()));
}

#[test]
fn routes_of_gateway_api_are_chosen_by_all_that_its_specification_names() {
    let method = RouteMatch { method: Some("GET".into()), ..prefix("/cart") };
    let header = |count: usize| RouteMatch {
        headers: (0..count).map(|nth| ValueMatch::exact(&format!("x-{nth}"), "1")).collect(),
        ..prefix("/cart")
    };
    let param = RouteMatch { query_params: vec![ValueMatch::exact("q", "1")], ..prefix("/cart") };
    let mut older = http("older", "*.example.com", prefix("/cart"));
    older.created = Some(Timestamp::from_second(5).unwrap());
    let mut younger = http("another", "*.example.com", prefix("/cart/"));
    younger.created = Some(Timestamp::from_second(9).unwrap());
    let mut second = http("plain-a", "*.example.com", prefix("/cart"));
    (second.order, second.matches) = ((1, 0), prefix("/cart/"));
    second.id = RouteId::derive(&second.cluster, &second.object, &second.host, &second.matches, 1);
    let mut routes = vec![
        http("any", "", RouteMatch::path(PathMatch::Exact("/cart/1".into()))),
        http("shorter-wildcard", "*.com", RouteMatch::path(PathMatch::Exact("/cart/1".into()))),
        http("short", "*.example.com", prefix("/")),
        http("plain-b", "*.example.com", prefix("/cart")),
        http("plain-a", "*.example.com", prefix("/cart")),
        second,
        younger,
        older,
        http("param", "*.example.com", param),
        http("one-header", "*.example.com", header(1)),
        http("two-headers", "*.example.com", header(2)),
        http("method", "*.example.com", method),
        http("exact-path", "*.example.com", RouteMatch::path(PathMatch::Exact("/cart/1".into()))),
        http("host", "shop.example.com", prefix("/")),
    ];
    let request = get("/cart/1?q=1").header("X-0", "1").header("x-1", "1");
    let expected = [
        ("exact-path", Lost::LessSpecificHost),
        ("method", Lost::LessSpecificPath),
        ("two-headers", Lost::WithoutMethod),
        ("one-header", Lost::FewerHeaders),
        ("param", Lost::FewerHeaders),
        ("older", Lost::FewerQueryParams),
        ("another", Lost::Younger),
        ("plain-a", Lost::Younger),
        ("plain-a", Lost::LaterRule),
        ("plain-b", Lost::LaterName),
        ("short", Lost::LessSpecificPath),
        ("shorter-wildcard", Lost::LessSpecificHost),
        ("any", Lost::LessSpecificHost),
    ];
    // With each winner gone, the next one wins, and the one after it lost to it for the reason named.
    routes.reverse();
    let mut winner = "host".to_owned();
    for (next, why) in expected {
        let (won, losers) = won(&routes, &request);
        assert_eq!(won.as_deref(), Some(winner.as_str()));
        assert_eq!(losers.first(), Some(&(next.to_owned(), why)));
        let first = asked(&routes, &request).entries.pop().unwrap().winner.unwrap();
        routes.retain(|route| route.id != first.id);
        winner = next.to_owned();
    }
}

#[test]
fn whoever_does_not_fit_says_why() {
    let with = |change: &dyn Fn(&mut RouteMatch)| {
        let mut matches = prefix("/");
        change(&mut matches);
        let name = matches.to_string();
        http(&name, "", matches)
    };
    let expression = |text: &str| ValueMatch { regular_expression: true, ..ValueMatch::exact("x", text) };
    let reason =
        |route: Route| won(&[route], &get("/a?q=1&q=2").header("x", "12")).1.pop().map(|loser| loser.1);
    assert_eq!(reason(with(&|m| m.method = Some("POST".into()))), Some(Lost::Method));
    assert_eq!(
        reason(with(&|m| m.headers.push(ValueMatch::exact("y", "1")))),
        Some(Lost::Header("y".into()))
    );
    assert_eq!(reason(with(&|m| m.headers.push(expression("1")))), Some(Lost::Header("x".into())));
    assert_eq!(reason(with(&|m| m.headers.push(expression("[0-9]+")))), None);
    assert!(matches!(reason(with(&|m| m.headers.push(expression("(")))), Some(Lost::InvalidExpression(_))));
    assert_eq!(reason(with(&|m| m.query_params.push(ValueMatch::exact("q", "1")))), None);
    assert_eq!(
        reason(with(&|m| m.query_params.push(ValueMatch::exact("q", "2")))),
        Some(Lost::QueryParam("q".into()))
    );
    assert_eq!(reason(with(&|m| m.path = PathMatch::Exact("/b".into()))), Some(Lost::Path));
    assert_eq!(reason(with(&|m| m.path = PathMatch::RegularExpression("/[b-z]".into()))), Some(Lost::Path));
    assert_eq!(reason(with(&|m| m.path = PathMatch::RegularExpression("/[a-z]".into()))), None);
}

#[test]
fn what_the_specifications_leave_open_is_said() {
    let doubts = |routes: &[Route], path: &str| asked(routes, &get(path)).entries.pop().unwrap().doubts;
    let host = "shop.example.com";
    let specific = ingress("specific", host, ("ImplementationSpecific", "/cart"));
    let plain = ingress("plain", host, ("Prefix", "/"));
    let exact = ingress("exact", host, ("Exact", "/cart"));
    let both = [specific.clone(), plain.clone()];
    assert_eq!(doubts(&both, "/cart/1"), [Doubt::ImplementationSpecific]);
    assert_eq!(doubts(&both, "/other"), [Doubt::ImplementationSpecific], "it may be an expression");
    assert_eq!(doubts(&[specific, exact.clone()], "/cart"), []);
    let mut same = exact.clone();
    same.object.name = "same".into();
    same.id = RouteId::derive(&same.cluster, &same.object, &same.host, &same.matches, 0);
    assert_eq!(doubts(&[exact.clone(), same], "/cart"), [Doubt::Tie]);
    let wildcard = ingress("wildcard", "*.example.com", ("Prefix", "/"));
    assert_eq!(doubts(&[exact, wildcard], "/elsewhere"), [Doubt::OtherHost]);
    let expression = http("expression", host, RouteMatch::path(PathMatch::RegularExpression("/c.*".into())));
    assert_eq!(
        doubts(&[expression, http("rest", host, prefix("/cart"))], "/cart"),
        [Doubt::RegularExpression]
    );
}

#[test]
fn a_request_enters_by_the_most_specific_listener_of_a_port() {
    let host = HostPattern::of_gateway(Some("shop.example.com"));
    let wide = route("wide", listener("wide", "*.example.com"), host.clone(), prefix("/long/path"));
    let narrow = route("narrow", listener("narrow", "shop.example.com"), host, prefix("/"));
    let found = asked(&[wide, narrow], &get("/long/path")).entries;
    let shown: Vec<_> = found
        .iter()
        .map(|door| {
            (
                door.winner.as_ref().map(|route| route.object.name.as_str()),
                door.losers.first().map(|l| &l.why),
            )
        })
        .collect();
    assert_eq!(shown, [(Some("narrow"), None), (None, Some(&Lost::LessSpecificListener))]);
}

#[test]
fn doors_are_answered_apart_and_routes_without_one_are_told() {
    let mut other = ingress("other", "shop.example.com", ("Prefix", "/"));
    other.entries = vec![Entry::ingress_class(Some("traefik"), None)];
    let mut lost = http("lost", "shop.example.com", prefix("/"));
    lost.entries.clear();
    let found = asked(&[ingress("web", "shop.example.com", ("Prefix", "/")), other, lost.clone()], &get("/"));
    assert_eq!(found.entries.len(), 2);
    assert!(found.entries.iter().all(|door| door.winner.is_some() && door.losers.is_empty()));
    assert_eq!(found.without_entry, [Arc::new(lost)]);
}

#[test]
fn what_was_removed_wins_no_more_and_answers_are_bounded() {
    let mut matcher = Matcher::default();
    let all: Vec<_> = (0..200).map(|nth| Arc::new(http(&format!("r{nth:03}"), "", prefix("/")))).collect();
    for route in &all {
        matcher.insert(route.clone());
    }
    let found = matcher.match_request(&get("/")).entries.pop().unwrap();
    assert_eq!(
        (found.winner.unwrap().object.name.as_str(), found.losers.len(), found.more),
        ("r000", NEAR, 135)
    );
    for route in &all {
        matcher.remove(route);
    }
    assert_eq!(matcher.match_request(&get("/")), Match::default());
    assert!(matcher.hosts.is_empty());
}

#[test]
fn istio_takes_the_first_that_fits_of_the_most_specific_host() {
    let exact = |path: &str| RouteMatch::path(PathMatch::Exact(path.into()));
    let routes = [
        virtual_service("shop", "shop.example.com", 0, text_prefix("/ca")),
        virtual_service("shop", "shop.example.com", 1, exact("/cart")),
        virtual_service("wild", "*.example.com", 0, exact("/cart")),
        virtual_service("wild", "*.example.com", 1, text_prefix("/")),
    ];
    let (winner, losers) = won(&routes, &get("/cart"));
    assert_eq!(winner.as_deref(), Some("shop"));
    let whys: Vec<_> = losers.into_iter().map(|(_, why)| why).collect();
    assert_eq!(whys, [Lost::LaterRule, Lost::LessSpecificHost, Lost::LessSpecificHost]);
    // By text, not by element; and what no rule of the host's own is for, those of wildcards don't get.
    assert_eq!(won(&routes, &get("/cabin")).0.as_deref(), Some("shop"));
    assert_eq!(won(&routes, &get("/elsewhere")).0, None);
    assert_eq!(won(&routes, &Request::new("b.a.example.com", "/elsewhere")).0.as_deref(), Some("wild"));
    let doubts = |routes: &[Route]| asked(routes, &get("/cart")).entries.pop().unwrap().doubts;
    assert_eq!(doubts(&routes), []);
    let another = virtual_service("another", "shop.example.com", 0, text_prefix("/cart"));
    assert_eq!(doubts(&[routes[0].clone(), another]), [Doubt::Tie]);
}

#[test]
fn traefik_takes_the_highest_priority_whatever_the_host() {
    let any = ingress_route("any", "", 100, text_prefix("/"));
    let shop = ingress_route("shop", "shop.example.com", 20, text_prefix("/cart"));
    let (winner, losers) = won(&[shop.clone(), any.clone()], &get("/cartoon"));
    assert_eq!((winner.as_deref(), losers), (Some("any"), vec![("shop".into(), Lost::LowerPriority)]));
    let doubts = |routes: &[Route]| asked(routes, &get("/cart")).entries.pop().unwrap().doubts;
    assert_eq!(doubts(&[shop.clone(), any.clone()]), []);
    assert_eq!(doubts(&[shop.clone(), ingress_route("other", "", 20, text_prefix("/"))]), [Doubt::Tie]);
    let mut secure = shop.clone();
    secure.tls = Some(TlsSource { secrets: Vec::new(), object: shop.object.clone(), field: String::new() });
    assert_eq!(won(&[secure.clone()], &get("/cart").tls(false)).1, [("shop".into(), Lost::NeedsTls)]);
    assert_eq!(won(&[secure], &get("/cart").tls(true)).0.as_deref(), Some("shop"));
}

#[test]
fn routes_of_default_entry_points_are_in_the_running_at_each_that_is_named() {
    let named = ingress_route("named", "shop.example.com", 5, text_prefix("/"));
    let mut default = ingress_route("default", "shop.example.com", 9, text_prefix("/cart"));
    default.entries = vec![Entry::EntryPoint { name: None }];
    let winners = |path: &str| -> Vec<_> {
        let found = asked(&[named.clone(), default.clone()], &get(path)).entries;
        found
            .into_iter()
            .map(|door| (door.winner.map(|route| route.object.name.clone()), door.doubts))
            .collect()
    };
    let by_default = Some("default".to_owned());
    let doubts = vec![Doubt::DefaultEntryPoint];
    assert_eq!(winners("/cart"), [(by_default.clone(), Vec::new()), (by_default, doubts)]);
    assert_eq!(winners("/x"), [(None, Vec::new()), (Some("named".to_owned()), Vec::new())]);
}

#[test]
fn what_a_request_does_not_tell_is_a_doubt_and_what_it_does_is_not() {
    let with = |condition: Condition| {
        let mut matches = text_prefix("/");
        matches.conditions.push(condition);
        ingress_route("r", "", 1, matches)
    };
    let unseen = with(Condition::Unseen("ClientIP(`10.0.0.0/8`)".into()));
    let found = asked(&[unseen], &get("/")).entries.pop().unwrap();
    assert_eq!((found.winner.is_some(), found.doubts), (true, vec![Doubt::UnseenCondition]));
    // Of a rule's alternatives, one that the request tells all about is enough.
    let unseen = with(Condition::Unseen("ClientIP(`10.0.0.0/8`)".into()));
    let mut certain = with(Condition::IsNot(Subject::Path, Test::Prefix("/b".into())));
    certain.order = (0, 1);
    assert_eq!(asked(&[unseen, certain], &get("/a")).entries.pop().unwrap().doubts, []);
    let not_here = with(Condition::IsNot(Subject::Path, Test::Prefix("/a".into())));
    assert_eq!(
        won(std::slice::from_ref(&not_here), &get("/a")).1,
        [("r".into(), Lost::Condition("!path=/a…".into()))]
    );
    assert_eq!(asked(&[not_here], &get("/b")).entries.pop().unwrap().doubts, []);
    let broken = with(Condition::Unreadable { text: "Host(".into(), why: "it ends".into() });
    assert_eq!(won(&[broken], &get("/")).1, [("r".into(), Lost::InvalidExpression("it ends".into()))]);
}

#[test]
fn a_tls_listener_is_a_door_of_its_own() {
    let host = HostPattern::of_gateway(Some("shop.example.com"));
    let mut entry = listener("pass", "shop.example.com");
    if let Entry::Listener { port, protocol, .. } = &mut entry {
        (*port, *protocol) = (443, "TLS".into());
    }
    let pass = route("pass", entry, host.clone(), RouteMatch::path(PathMatch::Any));
    let plain = route("plain", listener("web", ""), host, prefix("/"));
    let winners = |request: &Request| -> Vec<_> {
        let found = asked(&[pass.clone(), plain.clone()], request).entries;
        found.into_iter().filter_map(|door| Some(door.winner?.object.name.clone())).collect()
    };
    assert_eq!(winners(&get("/").tls(true)), ["pass", "plain"]);
    assert_eq!(winners(&get("/").tls(false)), ["plain"]);
}

/// The winner at each door, found the slow way: whoever fits and comes before all others that fit, said once more from the words of the
/// specifications.
fn naive(routes: &[Route], request: &Request) -> Vec<(Entry, RouteId)> {
    use std::cmp::Reverse;
    let host = |route: &Route| match &route.host {
        HostPattern::Any => Some((0, 0)),
        HostPattern::Exact(name) => (*name == request.host).then_some((name.len(), name.len())),
        HostPattern::OneLabel(suffix) | HostPattern::Labels(suffix) => {
            let labels: Vec<_> = request.host.split('.').collect();
            let wanted: Vec<_> = suffix.split('.').collect();
            let more = labels.len().checked_sub(wanted.len()).filter(|more| *more > 0)?;
            let enough = more == 1 || matches!(route.host, HostPattern::Labels(_));
            (enough && labels[more..] == wanted[..]).then_some((0, suffix.len() + 2))
        }
    };
    let elements =
        |path: &str| path.split('/').filter(|e| !e.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let path = |route: &Route| match &route.matches.path {
        PathMatch::Exact(path) => (*path == request.path).then_some((1, path.len())),
        PathMatch::Prefix(prefix) => {
            let prefix = elements(prefix);
            let length = prefix.iter().map(|element| element.len() + 1).sum();
            elements(&request.path).starts_with(&prefix).then_some((0, length))
        }
        PathMatch::TextPrefix(prefix) => (request.path.get(..prefix.len()) == Some(prefix)).then_some((0, 0)),
        _ => None,
    };
    let condition = |condition: &Condition| match condition {
        Condition::IsNot(Subject::Path, Test::Prefix(text)) => request.path.get(..text.len()) != Some(text),
        Condition::IsNot(Subject::Host, Test::Exact(name)) => request.host != *name,
        Condition::Is(Subject::Header(name), Test::Prefix(text)) => request
            .headers
            .iter()
            .any(|(known, value)| known == name && value.get(..text.len()) == Some(text)),
        other => panic!("not made here: {other:?}"),
    };
    let rest = |route: &Route| {
        let matches = &route.matches;
        matches.method.as_ref().is_none_or(|method| *method == request.method)
            && matches
                .headers
                .iter()
                .all(|wanted| request.headers.contains(&(wanted.name.clone(), wanted.value.clone())))
            && matches.conditions.iter().all(condition)
    };
    let age = |route: &Route| (route.created.is_none(), route.created);
    let name = |route: &Route| (route.object.name.clone(), route.order);
    let mut doors: Vec<Entry> = routes.iter().flat_map(|route| route.entries.clone()).collect();
    doors.sort();
    doors.dedup();
    let winner = |door: Entry| {
        let there: Vec<_> = routes.iter().filter(|route| route.entries.contains(&door)).collect();
        let for_host = there.iter().filter(|route| host(route).is_some()).copied();
        let fits = for_host.clone().filter(|route| path(route).is_some() && rest(route));
        let best = match &door {
            Entry::IstioGateway { .. } => {
                let host_of_door = for_host.filter_map(host).max()?;
                fits.filter(|route| host(route) == Some(host_of_door))
                    .min_by_key(|route| (age(route), name(route)))
            }
            Entry::EntryPoint { .. } => {
                fits.min_by_key(|route| (Reverse(route.precedence), age(route), name(route)))
            }
            _ => fits.max_by_key(|route| {
                let matches = &route.matches;
                let more = (host(route), path(route), matches.method.is_some(), matches.headers.len());
                (more, Reverse((age(route), name(route))))
            }),
        };
        Some((door, best?.id))
    };
    doors.into_iter().filter_map(winner).collect()
}

fn any_condition() -> impl Strategy<Value = Option<Condition>> {
    prop::option::of(prop::sample::select(vec![
        Condition::IsNot(Subject::Path, Test::Prefix("/a".into())),
        Condition::IsNot(Subject::Host, Test::Exact("a.b.c".into())),
        Condition::Is(Subject::Header("x".into()), Test::Prefix("1".into())),
    ]))
}

/// Of which object a route is, where that decides.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sort {
    Ingress,
    GatewayApi,
    Istio,
    Traefik,
}

fn any_route() -> impl Strategy<Value = Route> {
    let host = prop::sample::select(vec!["", "a.b.c", "b.c", "*.b.c", "*.c", "x.b.c", "*.a.b.c"]);
    let path = prop::sample::select(vec!["/", "/a", "/a/", "/a/b", "/ab", "/a/b/c", "/b"]);
    let method = prop::option::of(prop::sample::select(vec!["GET", "POST"]));
    let headers = prop::collection::btree_map(prop::sample::select(vec!["x", "y"]), "[12]", 0..3);
    let created = prop::option::of(0_i64..3);
    let sort = prop::sample::select(vec![Sort::Ingress, Sort::GatewayApi, Sort::Istio, Sort::Traefik]);
    let more = (sort, any::<bool>(), 0_usize..2, 0_usize..4, -2_i64..3, any_condition());
    (host, path, method, headers, created, more).prop_map(|(host, path, method, headers, created, more)| {
        let (sort, exact, door, order, priority, condition) = more;
        let by_text = matches!(sort, Sort::Istio | Sort::Traefik);
        let path = match (exact, by_text) {
            (true, _) => PathMatch::Exact(path.into()),
            (false, true) => PathMatch::TextPrefix(path.into()),
            (false, false) => PathMatch::Prefix(path.into()),
        };
        let plain = sort == Sort::Ingress;
        let matches = RouteMatch {
            method: method.map(str::to_owned).filter(|_| !plain),
            headers: headers
                .iter()
                .filter(|_| !plain)
                .map(|(name, value)| ValueMatch::exact(name, value))
                .collect(),
            conditions: condition.into_iter().filter(|_| by_text).collect(),
            ..RouteMatch::path(path)
        };
        let name = ["one", "two"][door];
        let (entry, host) = match sort {
            Sort::Ingress => (Entry::ingress_class(Some(name), None), HostPattern::of_ingress(Some(host))),
            Sort::GatewayApi => (listener(name, ""), HostPattern::of_gateway(Some(host))),
            Sort::Istio => {
                let entry = Entry::IstioGateway { namespace: "infra".into(), gateway: name.into() };
                (entry, HostPattern::of_gateway(Some(host)))
            }
            Sort::Traefik => {
                (Entry::EntryPoint { name: Some(name.into()) }, HostPattern::of_ingress(Some(host)))
            }
        };
        let mut route = route("r", entry, host, matches);
        route.created = created.map(|second| Timestamp::from_second(second).unwrap());
        route.order = (order, 0);
        if sort == Sort::Traefik {
            route.precedence = Precedence::Priority(priority);
        }
        route
    })
}

proptest! {
    #[test]
    fn agrees_with_the_words_of_the_specifications(
        mut routes in prop::collection::vec(any_route(), 0..24),
        host in prop::sample::select(vec!["a.b.c", "b.c", "x.b.c", "y.a.b.c", "c", "z"]),
        path in prop::sample::select(vec!["/", "/a", "/a/", "/a/b", "/a/b/c/d", "/ab", "/zz"]),
        post in any::<bool>(),
        x in "[12]",
    ) {
        // Names are told apart, and so are ids; those that are taken in order share objects.
        for (nth, route) in routes.iter_mut().enumerate() {
            if route.precedence == Precedence::Position {
                route.object.name = format!("v{}", nth % 3);
                route.created = [None, Some(2), Some(1)][nth % 3].map(|second| Timestamp::from_second(second).unwrap());
                route.order = (nth / 3, 0);
            } else {
                route.object.name = format!("r{nth:02}");
            }
            route.id = RouteId::derive(&route.cluster, &route.object, &route.host, &route.matches, nth);
        }
        let request = Request::new(host, path).method(if post { "POST" } else { "GET" }).header("x", &x);
        let found = asked(&routes, &request);
        let winners: Vec<_> = found
            .entries
            .iter()
            .filter_map(|door| Some((door.entry.clone(), door.winner.as_ref()?.id)))
            .collect();
        prop_assert_eq!(winners, naive(&routes, &request));
        for door in &found.entries {
            let by_host_alone = matches!(door.entry, Entry::IstioGateway { .. });
            prop_assert!(by_host_alone || door.winner.is_some()
                || door.losers.iter().all(|loser| loser.why != Lost::LessSpecificHost));
        }
    }
}

//! Which route gets a request, at Istio's and Traefik's doors: from objects as a cluster has them, through the reader of Traefik's rules, the model
//! of routes and the matcher.
//!
//! A case is made of syntax trees. They are written as rules, and, for the oracle, evaluated as they are: it knows neither alternatives nor an index,
//! and takes the first of all that hold.

use std::cmp::Reverse;

use arbitrary::{Result, Unstructured};
use ingress_core::clock::Timestamp;
use ingress_core::diagnose::{Settings, diagnose_all};
use ingress_core::inventory::Inventory;
use ingress_core::kind::{IngressRoute, VirtualService};
use ingress_core::route::Entry;
use ingress_core::route::matcher::{Doubt, EntryMatch, Matcher, Request};
use ingress_core::{ClusterId, Kind};
use serde_json::{Value, json};

const HOSTS: [&str; 4] = ["a.example", "b.a.example", "c.example", "d"];
const PATTERNS: [&str; 5] = ["a.example", "*.a.example", "*.example", "*", "b.a.example"];
const PATHS: [&str; 6] = ["/", "/a", "/ab", "/a/b", "/a/", "/b"];
const METHODS: [&str; 2] = ["GET", "POST"];
const NAMES: [&str; 2] = ["x", "y"];
const VALUES: [&str; 3] = ["1", "12", "a1"];
/// Expressions, with what they mean where they are looked for anywhere in a text.
const EXPRESSIONS: [(&str, fn(&str) -> bool); 4] = [
    ("^/?a", |text| text.starts_with('a') || text.starts_with("/a")),
    ("[1b]$", |text| text.ends_with(['1', 'b'])),
    ("a|2", |text| text.contains(['a', '2'])),
    ("^d$|^/$|^1$", |text| ["d", "/", "1"].contains(&text)),
];
/// How old objects are, in seconds; the younger one comes later, and one without an age last.
const AGES: [Option<i64>; 3] = [Some(20), Some(10), None];

/// Runs one case: whatever `arbitrary` makes of it.
pub fn check(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    if let Ok(case) = Case::read(&mut bytes) {
        case.check();
    }
}

#[derive(Debug)]
struct Case {
    rules: Vec<Rule>,
    services: Vec<Service>,
    ask: Ask,
}

/// What is asked.
#[derive(Debug)]
struct Ask {
    host: &'static str,
    path: &'static str,
    method: &'static str,
    header: Option<(&'static str, &'static str)>,
    query: Vec<(&'static str, &'static str)>,
}

/// A rule of an ingress route.
#[derive(Debug)]
struct Rule {
    object: usize,
    tree: Tree,
    text: String,
    priority: i64,
}

#[derive(Debug)]
enum Tree {
    Test(What),
    Not(Box<Tree>),
    All(Vec<Tree>),
    Any(Vec<Tree>),
}

#[derive(Debug)]
enum What {
    Host(&'static str),
    HostRegexp(usize),
    Path(&'static str),
    PathPrefix(&'static str),
    PathRegexp(usize),
    Method(&'static str),
    Header(&'static str, &'static str),
    HeaderRegexp(&'static str, usize),
    Query(&'static str, &'static str),
    QueryRegexp(&'static str, usize),
    ClientIp,
}

/// A rule of a virtual service.
#[derive(Debug)]
struct Service {
    object: usize,
    uri: Option<(&'static str, &'static str)>,
    method: Option<&'static str>,
    header: Option<(&'static str, &'static str, &'static str)>,
    without: Option<&'static str>,
}

fn pick<T: Copy>(bytes: &mut Unstructured<'_>, of: &[T]) -> Result<T> {
    bytes.choose(of).copied()
}

fn maybe<T>(
    bytes: &mut Unstructured<'_>,
    read: impl FnOnce(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Option<T>> {
    Ok(if bytes.arbitrary()? { Some(read(bytes)?) } else { None })
}

impl Case {
    fn read(bytes: &mut Unstructured<'_>) -> Result<Self> {
        let ask = Ask::read(bytes)?;
        let mut rules = Vec::new();
        for _ in 0..bytes.int_in_range(0..=5)? {
            rules.push(Rule::read(bytes)?);
        }
        let mut services = Vec::new();
        for _ in 0..bytes.int_in_range(0..=5)? {
            services.push(Service::read(bytes)?);
        }
        Ok(Self { rules, services, ask })
    }

    /// The rules of an object, in order, with their places in it.
    fn of<T>(all: &[T], object: usize, number: impl Fn(&T) -> usize) -> impl Iterator<Item = (usize, &T)> {
        all.iter().filter(move |rule| number(rule) == object).enumerate()
    }

    fn inventory(&self, cluster: &ClusterId) -> Inventory {
        let mut inventory = Inventory::new();
        for (object, age) in AGES.into_iter().enumerate() {
            let mut metadata = json!({"name": format!("n{object}"), "namespace": "shop"});
            if let Some(age) = age {
                metadata["creationTimestamp"] =
                    Timestamp::from_second(age).expect("a time").to_string().into();
            }
            let rule = |(_, rule): (usize, &Rule)| json!({"match": rule.text, "priority": rule.priority});
            let routes: Vec<_> = Self::of(&self.rules, object, |rule| rule.object).map(rule).collect();
            let points = if object == 2 { vec![] } else { vec!["web"] };
            let route = json!({"metadata": metadata, "spec": {"entryPoints": points, "routes": routes}});
            inventory.insert(cluster, decode::<IngressRoute>(&route));
            let http: Vec<_> =
                Self::of(&self.services, object, |rule| rule.object).map(|(_, rule)| rule.json()).collect();
            let service = json!({"metadata": metadata,
                "spec": {"hosts": hosts(object), "gateways": ["edge"], "http": http}});
            inventory.insert(cluster, decode::<VirtualService>(&service));
        }
        inventory
    }

    fn check(&self) {
        let cluster = ClusterId::new("c").expect("a name");
        let all =
            diagnose_all(&self.inventory(&cluster), &cluster, Timestamp::UNIX_EPOCH, &Settings::default());
        for assessed in &all {
            let codes: Vec<_> = assessed.diagnosis.findings.iter().map(|finding| finding.code).collect();
            assert!(!codes.contains(&"RT013") && !codes.contains(&"RT010"), "{codes:?}: {self:?}");
        }
        let matcher: Matcher = all.into_iter().map(|assessed| assessed.route.into()).collect();
        let found = matcher.match_request(&self.ask.request());
        assert!(found.without_entry.is_empty(), "{self:?}");
        let door = |entry: &Entry| found.entries.iter().find(|door| door.entry == *entry);
        for entry in [entry_point(Some("web")), entry_point(None)] {
            self.check_traefik(&entry, door(&entry));
        }
        let edge = json_entry();
        assert_eq!(door(&edge).and_then(winner), self.first_of_istio(), "{self:?}");
    }

    fn check_traefik(&self, entry: &Entry, door: Option<&EntryMatch>) {
        let here = |rule: &Rule| rule.object == 2 || *entry == entry_point(Some("web"));
        let named = matches!(entry, Entry::EntryPoint { name: Some(_), .. });
        // A door that no route names is none.
        if named && !self.rules.iter().any(|rule| rule.object != 2 && rule.tree.may_be_near(&self.ask)) {
            return;
        }
        let mut holding = Vec::new();
        for object in 0..AGES.len() {
            for (at, rule) in Self::of(&self.rules, object, |rule| rule.object) {
                if here(rule) && rule.tree.holds(&self.ask, false, true) {
                    let priority = if rule.priority == 0 { rule.text.len() as i64 } else { rule.priority };
                    let age = AGES[object];
                    holding.push((Reverse(priority), age.is_none(), age, object, at, rule));
                }
            }
        }
        holding.sort_by_key(|(priority, none, age, object, at, _)| (*priority, *none, *age, *object, *at));
        let first = holding.first();
        let expected = first.map(|(.., object, at, _)| (format!("n{object}"), *at));
        assert_eq!(door.and_then(winner).map(|(name, at, _)| (name, at)), expected, "{entry:?}: {self:?}");
        let (Some((priority, .., object, _, rule)), Some(door)) = (first, door) else { return };
        let has = |doubt| door.doubts.contains(&doubt);
        let ties = holding.iter().filter(|(other, ..)| other == priority).count();
        assert_eq!(has(Doubt::Tie), ties > 1, "{entry:?}: {self:?}");
        assert_eq!(has(Doubt::DefaultEntryPoint), named && *object == 2, "{entry:?}: {self:?}");
        // Certain only if one of its alternatives holds whatever the client's address.
        assert_eq!(
            has(Doubt::UnseenCondition),
            !rule.tree.holds(&self.ask, false, false),
            "{entry:?}: {self:?}"
        );
    }

    /// The first rule that holds, of those objects that have the host's most specific pattern.
    fn first_of_istio(&self) -> Option<(String, usize, usize)> {
        let mut objects: Vec<usize> = (0..AGES.len()).collect();
        objects.sort_by_key(|object| (AGES[*object].is_none(), AGES[*object]));
        let pattern = |object: usize| {
            let has_rules = self.services.iter().any(|rule| rule.object == object);
            let fits = hosts(object).into_iter().filter(|pattern| is_for(pattern, self.ask.host));
            fits.map(|pattern| (!pattern.starts_with('*'), pattern.len())).max().filter(|_| has_rules)
        };
        let best = objects.iter().filter_map(|object| pattern(*object)).max()?;
        for object in objects.into_iter().filter(|object| pattern(*object) == Some(best)) {
            for (at, rule) in Self::of(&self.services, object, |rule| rule.object) {
                if rule.holds(&self.ask) {
                    return Some((format!("n{object}"), at, 0));
                }
            }
        }
        None
    }
}

/// The winner, with its place in its object.
fn winner(door: &EntryMatch) -> Option<(String, usize, usize)> {
    let winner = door.winner.as_ref()?;
    // Which alternative of a rule it is does not matter.
    Some((
        winner.object.name.clone(),
        winner.order.0,
        if winner.object.kind == "IngressRoute" { 0 } else { winner.order.1 },
    ))
}

fn decode<K: Kind>(value: &Value) -> K {
    let text = value.to_string();
    let read: K =
        K::decode_json(&mut serde_json::Deserializer::from_str(&text)).expect("a well-formed object");
    let restored = K::restore(&read.stored()).expect("what was stored");
    assert_eq!(read, restored);
    read
}

fn hosts(object: usize) -> Vec<&'static str> {
    match object {
        0 => vec![PATTERNS[0], PATTERNS[1]],
        1 => vec![PATTERNS[2], PATTERNS[4]],
        _ => vec![PATTERNS[3], PATTERNS[0]],
    }
}

fn is_for(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        None => pattern == host,
    }
}

/// Doors have no constructors; they are those of routes that are made for it.
fn entry_of<K: Kind>(spec: Value, insert: impl Fn(&mut Inventory, &ClusterId, K)) -> Entry {
    let cluster = ClusterId::new("c").expect("a name");
    let mut inventory = Inventory::new();
    insert(
        &mut inventory,
        &cluster,
        decode(&json!({"metadata": {"name": "n", "namespace": "shop"}, "spec": spec})),
    );
    let all = diagnose_all(&inventory, &cluster, Timestamp::UNIX_EPOCH, &Settings::default());
    all[0].route.entries[0].clone()
}

fn entry_point(name: Option<&str>) -> Entry {
    let spec = json!({"entryPoints": Vec::from_iter(name), "routes": [{"match": "Host(`a`)"}]});
    entry_of(spec, |inventory, cluster, object: IngressRoute| inventory.insert(cluster, object))
}

fn json_entry() -> Entry {
    let spec = json!({"hosts": ["a"], "gateways": ["edge"], "http": [{}]});
    entry_of(spec, |inventory, cluster, object: VirtualService| inventory.insert(cluster, object))
}

impl Ask {
    fn read(bytes: &mut Unstructured<'_>) -> Result<Self> {
        let mut query = Vec::new();
        for _ in 0..bytes.int_in_range(0..=2)? {
            query.push((pick(bytes, &NAMES)?, pick(bytes, &VALUES)?));
        }
        Ok(Self {
            host: pick(bytes, &HOSTS)?,
            path: pick(bytes, &PATHS)?,
            method: pick(bytes, &METHODS)?,
            header: maybe(bytes, |bytes| Ok((pick(bytes, &NAMES)?, pick(bytes, &VALUES)?)))?,
            query,
        })
    }

    fn request(&self) -> Request {
        let query: Vec<String> = self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request =
            Request::new(self.host, &format!("{}?{}", self.path, query.join("&"))).method(self.method);
        match self.header {
            Some((name, value)) => request.header(name, value),
            None => request,
        }
    }

    fn header(&self, name: &str, passes: impl Fn(&str) -> bool) -> bool {
        self.header.is_some_and(|(known, value)| known == name && passes(value))
    }

    fn query(&self, name: &str, passes: impl Fn(&str) -> bool) -> bool {
        self.query.iter().any(|(known, value)| *known == name && passes(value))
    }
}

impl Rule {
    fn read(bytes: &mut Unstructured<'_>) -> Result<Self> {
        let (object, priority) = (bytes.int_in_range(0..=2)?, bytes.int_in_range(-1..=2)?);
        // With all parentheses, or only those that are needed.
        let (tree, all) = (Tree::read(bytes, 3)?, bytes.arbitrary()?);
        let text = tree.text(all);
        Ok(Self { object, tree, text, priority })
    }
}

impl Tree {
    fn read(bytes: &mut Unstructured<'_>, depth: usize) -> Result<Self> {
        let sort = if depth == 0 { 0 } else { bytes.int_in_range(0..=5)? };
        let two = |bytes: &mut Unstructured<'_>| {
            Ok(vec![Self::read(bytes, depth - 1)?, Self::read(bytes, depth - 1)?])
        };
        Ok(match sort {
            3 => Self::Not(Box::new(Self::read(bytes, depth - 1)?)),
            4 => Self::All(two(bytes)?),
            5 => Self::Any(two(bytes)?),
            _ => Self::Test(What::read(bytes)?),
        })
    }

    fn text(&self, all: bool) -> String {
        let inner = |tree: &Self, needs: bool| {
            let text = tree.text(all);
            if needs || all { format!("( {text} )") } else { text }
        };
        match self {
            Self::Test(what) => what.text(),
            Self::Not(tree) => format!("!{}", inner(tree, matches!(**tree, Self::All(_) | Self::Any(_)))),
            Self::All(trees) => {
                let parts: Vec<_> =
                    trees.iter().map(|tree| inner(tree, matches!(tree, Self::Any(_)))).collect();
                parts.join(" && ")
            }
            Self::Any(trees) => trees.iter().map(|tree| inner(tree, false)).collect::<Vec<_>>().join("||"),
        }
    }

    /// Whether it holds, or, negated, whether it does not, where what a request doesn't tell is `unseen`, either way.
    fn holds(&self, ask: &Ask, negated: bool, unseen: bool) -> bool {
        let holds = |tree: &Self| tree.holds(ask, negated, unseen);
        match self {
            Self::Test(What::ClientIp) => unseen,
            Self::Test(what) => what.holds(ask) != negated,
            Self::Not(tree) => tree.holds(ask, !negated, unseen),
            Self::All(trees) if negated => trees.iter().any(holds),
            Self::Any(trees) if negated => trees.iter().all(holds),
            Self::All(trees) => trees.iter().all(holds),
            Self::Any(trees) => trees.iter().any(holds),
        }
    }

    /// Whether one of its alternatives is for the host, so that the rule is told of at its door at all: there is one without a `Host`, or for this one.
    fn may_be_near(&self, ask: &Ask) -> bool {
        let host = |tree: &Self, negated| tree.host_may_fit(ask, negated);
        host(self, false)
    }

    fn host_may_fit(&self, ask: &Ask, negated: bool) -> bool {
        let fits = |tree: &Self| tree.host_may_fit(ask, negated);
        match self {
            Self::Test(What::Host(host)) if !negated => *host == ask.host,
            Self::Test(_) => true,
            Self::Not(tree) => tree.host_may_fit(ask, !negated),
            Self::All(trees) if !negated => trees.iter().all(fits),
            Self::Any(trees) if negated => trees.iter().all(fits),
            Self::All(trees) | Self::Any(trees) => trees.iter().any(fits),
        }
    }
}

impl What {
    fn read(bytes: &mut Unstructured<'_>) -> Result<Self> {
        let expression = 0..=EXPRESSIONS.len() - 1;
        Ok(match bytes.int_in_range(0..=10)? {
            0 => Self::Host(pick(bytes, &HOSTS)?),
            1 => Self::HostRegexp(bytes.int_in_range(expression)?),
            2 => Self::Path(pick(bytes, &PATHS)?),
            3 => Self::PathPrefix(pick(bytes, &PATHS)?),
            4 => Self::PathRegexp(bytes.int_in_range(expression)?),
            5 => Self::Method(pick(bytes, &METHODS)?),
            6 => Self::Header(pick(bytes, &NAMES)?, pick(bytes, &VALUES)?),
            7 => Self::HeaderRegexp(pick(bytes, &NAMES)?, bytes.int_in_range(expression)?),
            8 => Self::Query(pick(bytes, &NAMES)?, pick(bytes, &VALUES)?),
            9 => Self::QueryRegexp(pick(bytes, &NAMES)?, bytes.int_in_range(expression)?),
            _ => Self::ClientIp,
        })
    }

    fn text(&self) -> String {
        let expression = |at: &usize| EXPRESSIONS[*at].0;
        match self {
            Self::Host(host) => format!("Host(`{}`)", host.to_ascii_uppercase()),
            Self::HostRegexp(at) => format!("HostRegexp(`{}`)", expression(at)),
            Self::Path(path) => format!("Path(\"{path}\")"),
            Self::PathPrefix(path) => format!("PathPrefix( `{path}` )"),
            Self::PathRegexp(at) => format!("PathRegexp(`{}`)", expression(at)),
            Self::Method(method) => format!("method(`{method}`)"),
            Self::Header(name, value) => format!("Header(`{}`,`{value}`)", name.to_ascii_uppercase()),
            Self::HeaderRegexp(name, at) => format!("HeaderRegexp(`{name}`, `{}`)", expression(at)),
            Self::Query(name, value) => format!("Query(`{name}`, \"{value}\")"),
            Self::QueryRegexp(name, at) => format!("QueryRegexp(`{name}`,\n`{}`)", expression(at)),
            Self::ClientIp => "ClientIP(`10.0.0.0/8`)".to_owned(),
        }
    }

    fn holds(&self, ask: &Ask) -> bool {
        let fits = |at: &usize, text: &str| EXPRESSIONS[*at].1(text);
        match self {
            Self::Host(host) => *host == ask.host,
            Self::HostRegexp(at) => fits(at, ask.host),
            Self::Path(path) => *path == ask.path,
            Self::PathPrefix(path) => ask.path.starts_with(path),
            Self::PathRegexp(at) => fits(at, ask.path),
            Self::Method(method) => *method == ask.method,
            Self::Header(name, value) => ask.header(name, |known| known == *value),
            Self::HeaderRegexp(name, at) => ask.header(name, |known| fits(at, known)),
            Self::Query(name, value) => ask.query(name, |known| known == *value),
            Self::QueryRegexp(name, at) => ask.query(name, |known| fits(at, known)),
            Self::ClientIp => unreachable!("nobody evaluates what is not seen"),
        }
    }
}

impl Service {
    fn read(bytes: &mut Unstructured<'_>) -> Result<Self> {
        Ok(Self {
            object: bytes.int_in_range(0..=2)?,
            uri: maybe(bytes, |bytes| Ok((pick(bytes, &["exact", "prefix"])?, pick(bytes, &PATHS)?)))?,
            method: maybe(bytes, |bytes| pick(bytes, &METHODS))?,
            header: maybe(bytes, |bytes| {
                let test = pick(bytes, &["exact", "prefix", "present"])?;
                Ok((pick(bytes, &NAMES)?, test, pick(bytes, &VALUES)?))
            })?,
            without: maybe(bytes, |bytes| pick(bytes, &NAMES))?,
        })
    }

    fn json(&self) -> Value {
        let mut wanted = json!({});
        if let Some((test, path)) = self.uri {
            wanted["uri"] = json!({test: path});
        }
        if let Some(method) = self.method {
            wanted["method"] = json!({"exact": method});
        }
        if let Some((name, test, value)) = self.header {
            wanted["headers"] =
                json!({name: if test == "present" { json!({}) } else { json!({test: value}) }});
        }
        if let Some(name) = self.without {
            wanted["withoutHeaders"] = json!({name: {}});
        }
        json!({"match": [wanted], "redirect": {"uri": "/"}})
    }

    fn holds(&self, ask: &Ask) -> bool {
        let uri = |(test, path): (&str, &str)| {
            if test == "exact" { ask.path == path } else { ask.path.starts_with(path) }
        };
        let header = |(name, test, wanted): (&str, &str, &str)| {
            ask.header(name, |value| match test {
                "exact" => value == wanted,
                "prefix" => value.starts_with(wanted),
                _ => true,
            })
        };
        self.uri.is_none_or(uri)
            && self.method.is_none_or(|method| method == ask.method)
            && self.header.is_none_or(header)
            && self.without.is_none_or(|name| !ask.header(name, |_| true))
    }
}

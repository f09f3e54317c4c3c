use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn check(selector: &str, labels: &[(&str, &str)], expected: bool) {
    let parsed = Selector::parse(selector).unwrap_or_else(|error| panic!("{selector}: {error}"));
    assert_eq!(parsed.matches(labels), expected, "{selector} on {labels:?}");
}

#[test]
fn matches_as_kubernetes_does() {
    let labels = [("app", "shop"), ("tier", "front"), ("example.com/Team_1", "A.b-c"), ("empty", "")];
    let cases = [
        ("", true),
        ("  ", true),
        ("app", true),
        ("!app", false),
        ("! app", false),
        ("!other", true),
        ("app=shop", true),
        ("app == shop", true),
        ("app=Shop", false),
        ("app!=shop", false),
        ("app != cart", true),
        ("other!=shop", true),
        ("other=shop", false),
        ("app in (cart, shop)", true),
        ("app in(shop)", true),
        ("app notin (cart,shop)", false),
        ("other notin (cart)", true),
        ("other in (cart)", false),
        ("example.com/Team_1=A.b-c", true),
        ("empty=", true),
        ("empty", true),
        ("empty in ()", true),
        ("empty in (a,)", true),
        ("empty in (,a)", true),
        ("app=,tier=front", false),
        ("app=shop,tier!=cache,env notin (prod,staging),!canary", true),
        ("app=shop,tier=back", false),
        ("in=x", false),
        ("notin", false),
        ("app=in", false),
    ];
    for (selector, expected) in cases {
        check(selector, &labels, expected);
    }
    check("in in (in,notin)", &[("in", "notin")], true);
}

#[test]
fn nonsense_is_refused() {
    let long = "x".repeat(64);
    let long_key = format!("{long}=a");
    let long_value = format!("a={long}");
    for bad in [
        ",",
        "a,",
        ",a",
        "a,,b",
        "a b",
        "a=b c",
        "a==b==c",
        "=b",
        "!",
        "!a=b",
        "!!a",
        "a!b",
        "a in",
        "a in b",
        "a in (b",
        "a in b)",
        "a in (b c)",
        "a notin",
        "a=(b)",
        "a>1",
        "a<1",
        "(a)",
        "a in (b))",
        "-a",
        "a-",
        "a=-b",
        "a=b.",
        "a/b/c",
        "/a",
        "a/",
        "A.com/x",
        "a..b/x",
        "ä=b",
        "a=ä",
        "a=b/c",
        "a='b'",
        &long_key,
        &long_value,
    ] {
        assert!(Selector::parse(bad).is_err(), "{bad}");
    }
}

/// A requirement, and how it may be written.
#[derive(Debug, Clone)]
struct Wanted {
    key: String,
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    Exists,
    Absent,
    Equals(&'static str, String),
    NotEquals(String),
    Set(&'static str, Vec<String>),
}

impl Wanted {
    fn written(&self, gap: &str) -> String {
        let key = &self.key;
        match &self.form {
            Form::Exists => format!("{gap}{key}{gap}"),
            Form::Absent => format!("{gap}!{gap}{key}"),
            Form::Equals(sign, value) => format!("{key}{gap}{sign}{gap}{value}"),
            Form::NotEquals(value) => format!("{key}{gap}!={gap}{value}{gap}"),
            Form::Set(word, values) => {
                format!("{key} {word}{gap}({gap}{}{gap})", values.join(&format!("{gap},{gap}")))
            }
        }
    }

    // The naive oracle: straight from the sentences of the documentation.
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match &self.form {
            Form::Exists => value.is_some(),
            Form::Absent => value.is_none(),
            Form::Equals(_, wanted) => value == Some(wanted),
            Form::NotEquals(wanted) => value != Some(wanted),
            Form::Set("in", wanted) => value.is_some_and(|value| wanted.contains(value)),
            Form::Set(_, wanted) => value.is_none_or(|value| !wanted.contains(value)),
        }
    }
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![Just("a"), Just("b"), Just("x.io/a"), Just("in"), Just("notin")].prop_map(String::from)
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![Just(""), Just("a"), Just("b"), Just("in"), Just("A_1.z")].prop_map(String::from)
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let form = prop_oneof![
        Just(Form::Exists),
        Just(Form::Absent),
        (prop_oneof![Just("="), Just("==")], value()).prop_map(|(sign, value)| Form::Equals(sign, value)),
        value().prop_map(Form::NotEquals),
        (prop_oneof![Just("in"), Just("notin")], proptest::collection::vec(value(), 1..4))
            .prop_map(|(word, values)| Form::Set(word, values)),
    ];
    (key(), form).prop_map(|(key, form)| Wanted { key, form })
}

proptest! {
    #[test]
    fn agrees_with_the_oracle(
        wanted in proptest::collection::vec(wanted(), 1..5),
        labels in proptest::collection::btree_map(key(), value(), 0..5),
        gap in prop_oneof![Just(""), Just(" "), Just("\t ")],
    ) {
        let text: Vec<String> = wanted.iter().map(|wanted| wanted.written(gap)).collect();
        let text = text.join(",");
        let parsed = Selector::parse(&text);
        prop_assert!(parsed.is_ok(), "{text}: {parsed:?}");
        let pairs: Vec<(&str, &str)> = labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let expected = wanted.iter().all(|wanted| wanted.holds(&labels));
        prop_assert_eq!(parsed.unwrap().matches(&pairs), expected, "{}", text);
    }

    #[test]
    fn any_text_parses_or_is_refused(text in "[a-c=!,() inot<>/.\\-ä]{0,24}") {
        let _parsed: Result<Selector, String> = Selector::parse(&text);
    }
}

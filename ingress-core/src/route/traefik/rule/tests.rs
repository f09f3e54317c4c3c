use super::*;

fn host(name: &str) -> Rule {
    Rule::Test(What::Host(name.into()))
}

#[test]
fn operators_bind_as_in_go() {
    let rule =
        parse("Host(`a`) || Host(`b`) && !Host(`c`) || (Host(`d`) || Host(`e`)) && Host(\"f\")").unwrap();
    let expected = Rule::Any(vec![
        host("a"),
        Rule::All(vec![host("b"), Rule::Not(Box::new(host("c")))]),
        Rule::All(vec![Rule::Any(vec![host("d"), host("e")]), host("f")]),
    ]);
    assert_eq!(rule, expected);
    assert_eq!(parse("  Host ( `a` ,\n`b`)\n").unwrap(), Rule::Any(vec![host("a"), host("b")]));
}

#[test]
fn tests_are_read_in_the_words_of_both_versions() {
    let two = |what: fn(String, String) -> What| Rule::Test(what("k".into(), "v".into()));
    for (text, expected) in [
        ("HostRegexp(`^[a-z]{2}\\.x$`)", Rule::Test(What::HostRegexp("^[a-z]{2}\\.x$".into()))),
        ("Path(`/a`)", Rule::Test(What::Path("/a".into()))),
        ("PATHPREFIX(`/a`)", Rule::Test(What::PathPrefix("/a".into()))),
        ("pathregexp(`\\.js$`)", Rule::Test(What::PathRegexp("\\.js$".into()))),
        ("Method(`GET`)", Rule::Test(What::Method("GET".into()))),
        ("Header(`k`, `v`)", two(What::Header)),
        ("Headers(`k`, `v`)", two(What::Header)),
        ("HeaderRegexp(`k`, `v`)", two(What::HeaderRegexp)),
        ("Query(`k`, `v`)", two(What::Query)),
        ("QueryRegexp(`k`, `v`)", two(What::QueryRegexp)),
        ("Host(\"a\\\"b\\\\\")", host("a\"b\\")),
    ] {
        assert_eq!(parse(text).as_ref(), Ok(&expected), "{text}");
    }
}

#[test]
fn what_a_request_does_not_decide_is_kept_as_written() {
    for text in [
        "ClientIP(`10.0.0.0/8`)",
        "Query(`a=b`)",
        "Query(`a`)",
        "HostRegexp(`{sub:[a-z]+}.example.com`)",
        "Path(`/a/{id}`)",
        "SomethingNew(`a`, `b`)",
    ] {
        assert_eq!(parse(text), Ok(Rule::Test(What::Unseen(text.into()))), "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_said() {
    for (text, why) in [
        ("", "it ends where a test such as Host(`…`) is expected"),
        ("Host(`a`", "it ends where a comma or a closing parenthesis is expected"),
        ("Host(`a)", "a backquote is not closed"),
        ("Host(\"a)", "a quote is not closed"),
        ("Host(\"\\d\")", "after a backslash in quotes"),
        ("Host()", "Host needs an argument"),
        ("Host(a)", "text in backquotes is expected at character 6"),
        ("Host(`ä`) & Path(`/`)", "&& or || is expected at character 11"),
        ("Host(`a`) && ", "it ends where a test"),
        ("(Host(`a`)", "it ends where &&, || or a closing parenthesis is expected"),
        ("Host(`a`))", "&& or || is expected at character 10"),
        ("Host", "it ends where an opening parenthesis is expected"),
        ("Path(`a`)", "the path \"a\" of Path does not begin with a slash"),
        ("Header(`a`, `b`, `c`)", "Header takes a name and a value"),
    ] {
        let said = parse(text).unwrap_err();
        assert!(said.starts_with(why), "{text}: {said}");
    }
    let deep = |levels: usize| format!("{}Host(`a`){}", "(".repeat(levels), ")".repeat(levels));
    assert!(parse(&deep(DEPTH)).is_ok());
    assert!(parse(&deep(DEPTH + 1)).unwrap_err().contains("nested more than 32 deep"));
    assert!(parse(&"!".repeat(100_000)).is_err());
}

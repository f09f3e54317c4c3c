//! What the values of annotations are, and how their texts are read.
//!
//! Each reader is as strict as the controller's own where that is known, and never stricter: a value that is called wrong here is one that its
//! controller refuses, or ignores.

use std::net::IpAddr;

use super::PathChange;

/// What a value has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Any text.
    Text,
    /// Any text, of which nothing is kept or told: it may hold a credential.
    Secretive,
    /// A piece of configuration.
    Snippet,
    /// A boolean, as Go reads one.
    Flag,
    /// A boolean, as Go reads one, or `on`, `off`, `enabled`, `disabled`.
    Switch,
    /// A whole number.
    Number,
    /// A number of seconds.
    Seconds,
    /// A number of milliseconds.
    Milliseconds,
    /// A duration of Go, such as `1m30s`, or `infinity`.
    OrInfinity,
    /// A time of HAProxy: `5s`, or a number of milliseconds.
    Time,
    /// A size: a number with `k`, `m` or `g`, or a number of bytes.
    Size,
    /// Addresses and ranges of them (CIDR), separated by commas.
    Ranges,
    /// The same, or the name of a file of patterns.
    RangesOrFile,
    /// Words, separated by commas.
    List,
    /// Whole numbers, separated by commas.
    Numbers,
    /// `key=value`, separated by commas.
    Pairs,
    /// JSON.
    Json,
    /// One of these, whatever their case.
    OneOf(&'static [&'static str]),
}

/// A value that was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'t> {
    Text(&'t str),
    Flag(bool),
    Number(u64),
    /// `None` is no limit.
    Milliseconds(Option<u64>),
    Bytes(u64),
    List(Vec<&'t str>),
    Json(serde_json::Value),
}

impl Form {
    /// Reads a text; `None` if it is no such value.
    pub(crate) fn read(self, text: &str) -> Option<Value<'_>> {
        let text = text.trim();
        Some(match self {
            Self::Text | Self::Secretive | Self::Snippet => Value::Text(text),
            Self::Flag => Value::Flag(flag(text)?),
            Self::Switch => Value::Flag(flag(text).or_else(|| switch(text))?),
            // Some are -1 for "without".
            Self::Number if text.strip_prefix('-').is_some_and(is_number) => Value::Text(text),
            Self::Number => Value::Number(number(text)?),
            Self::Seconds => Value::Milliseconds(Some(number(text)?.checked_mul(1000)?)),
            Self::Milliseconds => Value::Milliseconds(Some(number(text)?)),
            Self::OrInfinity if matches!(text, "infinity" | "infinite") => Value::Milliseconds(None),
            Self::OrInfinity => Value::Milliseconds(Some(duration(text)?)),
            Self::Time => Value::Milliseconds(Some(time(text)?)),
            Self::Size => Value::Bytes(size(text)?),
            Self::RangesOrFile if is_file(text) => Value::Text(text),
            Self::Ranges | Self::RangesOrFile => {
                Value::List(words(text).map(|range| is_range(range).then_some(range)).collect::<Option<_>>()?)
            }
            Self::List => Value::List(words(text).collect()),
            Self::Numbers => {
                Value::List(words(text).map(|each| is_number(each).then_some(each)).collect::<Option<_>>()?)
            }
            Self::Pairs => Value::List(
                words(text).map(|pair| pair.contains('=').then_some(pair)).collect::<Option<_>>()?,
            ),
            Self::Json => Value::Json(serde_json::from_str(text).ok()?),
            Self::OneOf(known) => {
                Value::Text(known.iter().find(|each| each.eq_ignore_ascii_case(text)).map(|_| text)?)
            }
        })
    }

    /// What a value has to be, in words.
    pub(crate) fn expected(self) -> String {
        match self {
            Self::Text | Self::Secretive | Self::Snippet => "a text",
            Self::Flag => "true or false",
            Self::Switch => "true, false, on or off",
            Self::Number => "a number",
            Self::Seconds => "a number of seconds, without a unit",
            Self::Milliseconds => "a number of milliseconds, without a unit",
            Self::OrInfinity => "a duration such as 1m30s, or infinity",
            Self::Time => "a time such as 5s, or a number of milliseconds",
            Self::Size => "a size such as 8m",
            Self::Ranges => "a list of addresses and ranges of them such as 10.0.0.0/8",
            Self::RangesOrFile => {
                "a list of addresses and ranges of them such as 10.0.0.0/8, or the name of a file of patterns"
            }
            Self::List => "a list",
            Self::Numbers => "a list of numbers",
            Self::Pairs => "a list such as key=value,key=value",
            Self::Json => "JSON",
            Self::OneOf(known) => return format!("one of {}", known.join(", ")),
        }
        .to_owned()
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

pub(crate) fn number(text: &str) -> Option<u64> {
    is_number(text).then(|| text.parse().ok()).flatten()
}

/// A boolean, as Go's `strconv.ParseBool` reads it.
fn flag(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "enabled" => Some(true),
        "off" | "disabled" => Some(false),
        _ => None,
    }
}

/// A duration, as Go's `time.ParseDuration` reads it, in milliseconds: what is shorter is none.
pub(crate) fn duration(text: &str) -> Option<u64> {
    const UNITS: [(&str, u128); 7] = [
        ("ns", 1),
        ("us", 1_000),
        ("\u{b5}s", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(0);
    }
    let mut total: u128 = 0;
    loop {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (digits, after) = rest.split_at_checked(end)?;
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit)?;
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total.checked_add(whole.checked_mul(*scale)?)?;
        let fraction: String = fraction.chars().take(9).collect();
        if !fraction.is_empty() {
            let parts: u128 = fraction.parse().ok()?;
            let of = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
            total = total.checked_add(parts.checked_mul(*scale)?.checked_div(of)?)?;
        }
        rest = after;
        if rest.is_empty() {
            return u64::try_from(total / 1_000_000).ok();
        }
    }
}

/// A time of HAProxy, in milliseconds.
fn time(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end)?;
    let number = number(digits)?;
    match unit {
        "us" => Some(number / 1000),
        "" | "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "d" => number.checked_mul(86_400_000),
        _ => None,
    }
}

/// A size of nginx or HAProxy, in bytes.
fn size(text: &str) -> Option<u64> {
    let text: String = text.chars().filter(|c| *c != ' ').collect();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end)?;
    let number = number(digits)?;
    match unit.to_ascii_lowercase().as_str() {
        "" | "b" => Some(number),
        "k" => number.checked_mul(1 << 10),
        "m" => number.checked_mul(1 << 20),
        "g" => number.checked_mul(1 << 30),
        _ => None,
    }
}

fn is_range(text: &str) -> bool {
    text.parse::<ipnet::IpNet>().is_ok() || text.parse::<IpAddr>().is_ok()
}

fn is_file(text: &str) -> bool {
    text.starts_with("patterns/") || text.starts_with("pattern/")
}

/// A URL without what may be a credential: user name, password, query and fragment.
pub(crate) fn bare(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (host, path) =
        rest.find('/').map_or((rest, ""), |at| rest.split_at_checked(at).unwrap_or((rest, "")));
    let host = host.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

/// The parts of a URL to which clients are sent.
pub(crate) struct Target {
    pub(crate) scheme: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) path: Option<PathChange>,
}

impl Target {
    pub(crate) fn of(url: &str) -> Self {
        let url = bare(url);
        let (scheme, rest) = url
            .split_once("://")
            .map_or((None, url.as_str()), |(scheme, rest)| (Some(scheme.to_owned()), rest));
        if scheme.is_none() {
            let path = Some(rest).filter(|rest| !rest.is_empty()).map(change);
            return Self { scheme, host: None, port: None, path };
        }
        let (host, path) =
            rest.find('/').map_or((rest, ""), |at| rest.split_at_checked(at).unwrap_or((rest, "")));
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if is_number(port) => (name, port.parse().ok()),
            _ => (host, None),
        };
        Self {
            scheme,
            host: Some(name.to_owned()).filter(|name| !name.is_empty()),
            port,
            path: Some(path).filter(|path| !path.is_empty()).map(change),
        }
    }
}

/// What a text says becomes of a path: with references to what was caught, or with the proxy's variables, it is a template.
pub(crate) fn change(text: &str) -> PathChange {
    if text.contains(['$', '\\', '%']) {
        PathChange::Template(text.to_owned())
    } else {
        PathChange::Whole(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, wanted) in [
            ("0", Some(0)),
            ("1m30s", Some(90_000)),
            ("1.5s", Some(1500)),
            (".5s", Some(500)),
            ("100us", Some(0)),
            ("1h", Some(3_600_000)),
            ("10", None),
            ("", None),
            ("s", None),
            ("5x", None),
            ("-1s", None),
            ("999999999999999999999999999999h", None),
        ] {
            assert_eq!(duration(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn sizes_times_and_ranges_have_their_units() {
        assert_eq!(size("8m"), Some(8 << 20));
        assert_eq!((size("10K"), size("0"), size("1gb"), size("m")), (Some(10 << 10), Some(0), None, None));
        assert_eq!(
            (time("5s"), time("250"), time("1d"), time("5x")),
            (Some(5000), Some(250), Some(86_400_000), None)
        );
        let list = |text| Form::Ranges.read(text).is_some();
        assert!(list("10.0.0.0/8, 2001:db8::/32,192.0.2.1") && !list("10.0.0.0/33") && !list("office"));
        assert!(Form::RangesOrFile.read("patterns/office").is_some());
        assert_eq!(Form::Flag.read("True"), Some(Value::Flag(true)));
        assert_eq!((Form::Flag.read("yes"), Form::Switch.read("off")), (None, Some(Value::Flag(false))));
    }

    #[test]
    fn a_url_is_told_without_credentials() {
        assert_eq!(
            bare("https://me:hush@auth.example.com/verify?token=hush#x"),
            "https://auth.example.com/verify"
        );
        assert_eq!(bare("/login?next=1"), "/login");
        let target = Target::of("https://www.example.com:8443/$1");
        assert_eq!((target.host.as_deref(), target.port), (Some("www.example.com"), Some(8443)));
        assert_eq!(target.path, Some(PathChange::Template("/$1".into())));
    }

    proptest! {
        #[test]
        fn nothing_that_is_read_panics(text in "\\PC{0,40}|[0-9.]{1,30}[a-z]{0,3}|[-+0-9a-z:/,.@?%$]{0,40}") {
            for form in [
                Form::Text, Form::Flag, Form::Switch, Form::Number, Form::Seconds, Form::Milliseconds,
                Form::OrInfinity, Form::Time, Form::Size, Form::Ranges, Form::RangesOrFile, Form::List, Form::Numbers,
                Form::Pairs, Form::Json, Form::OneOf(&["a"]),
            ] {
                drop(form.read(&text));
            }
            drop((bare(&text), Target::of(&text).host));
        }
    }
}

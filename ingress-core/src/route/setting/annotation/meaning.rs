//! What annotations mean, whoever they are for.

use super::super::value::{Target, Value, bare, change};
use super::super::{AffinityBy, AuthenticationBy, Fact, HeadersOf, PathChange, Protocol, TimeoutOf};
use super::Beside;

/// How many times over its rate ingress-nginx lets a client come at once, unless told otherwise.
const NGINX_BURST: u64 = 5;

type Meaning = Option<Fact>;

fn text<'v>(value: &'v Value<'_>) -> Option<&'v str> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

fn flag(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::Flag(flag) => Some(*flag),
        _ => None,
    }
}

fn number(value: &Value<'_>) -> Option<u64> {
    match value {
        Value::Number(number) => Some(*number),
        _ => None,
    }
}

fn small(value: &Value<'_>) -> Option<u32> {
    number(value).and_then(|number| u32::try_from(number).ok())
}

fn list(value: &Value<'_>) -> Option<Vec<String>> {
    match value {
        Value::List(list) => Some(list.iter().map(|&each| each.to_owned()).collect()),
        _ => None,
    }
}

fn timeout(of: TimeoutOf, value: &Value<'_>) -> Meaning {
    match value {
        Value::Milliseconds(milliseconds) => Some(Fact::Timeout { of, milliseconds: *milliseconds }),
        _ => None,
    }
}

pub(super) fn connect_timeout(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    timeout(TimeoutOf::Connect, value)
}

pub(super) fn read_timeout(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    timeout(TimeoutOf::Read, value)
}

pub(super) fn send_timeout(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    timeout(TimeoutOf::Send, value)
}

pub(super) fn request_timeout(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    timeout(TimeoutOf::Request, value)
}

pub(super) fn try_timeout(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    timeout(TimeoutOf::BackendRequest, value)
}

pub(super) fn idle_timeout(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    timeout(TimeoutOf::Idle, value)
}

/// 0 is no limit.
pub(super) fn body_size(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    match value {
        Value::Bytes(bytes) => Some(Fact::MaxBodySize { bytes: Some(*bytes).filter(|bytes| *bytes > 0) }),
        _ => None,
    }
}

/// 0 is no limit.
pub(super) fn retries(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    let attempts = small(value)?;
    let attempts = Some(attempts).filter(|attempts| *attempts > 0);
    Some(Fact::Retries { attempts, on: Vec::new(), milliseconds: None })
}

pub(super) fn retry_on(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    let on = text(value)?.split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    Some(Fact::Retries { attempts: None, on, milliseconds: None })
}

pub(super) fn retry_timeout(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    match value {
        Value::Milliseconds(milliseconds) => {
            Some(Fact::Retries { attempts: None, on: Vec::new(), milliseconds: *milliseconds })
        }
        _ => None,
    }
}

/// Another host; variables of the proxy's own stay as they are written.
pub(super) fn rewrite_host(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    Some(Fact::Rewrite { host: Some(text(value)?.to_owned()), path: None })
}

pub(super) fn rewrite_path(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    Some(Fact::Rewrite { host: None, path: Some(change(text(value)?)) })
}

pub(super) fn rewrite_template(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    Some(Fact::Rewrite { host: None, path: Some(PathChange::Template(text(value)?.to_owned())) })
}

pub(super) fn rewrite_prefix(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    Some(Fact::Rewrite { host: None, path: Some(PathChange::Prefix(text(value)?.to_owned())) })
}

/// Whether what the route matched is cut off.
pub(super) fn strip(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    flag(value)?.then(|| Fact::Rewrite { host: None, path: Some(PathChange::Prefix("/".to_owned())) })
}

fn redirect(value: &Value<'_>, status: Option<u16>) -> Meaning {
    let Target { scheme, host, port, path } = Target::of(text(value)?);
    Some(Fact::Redirect { scheme, host, port, path, status })
}

pub(super) fn permanent_redirect(value: &Value<'_>, beside: &Beside<'_>) -> Meaning {
    redirect(value, Some(beside.status("permanent-redirect-code").unwrap_or(301)))
}

pub(super) fn temporal_redirect(value: &Value<'_>, beside: &Beside<'_>) -> Meaning {
    redirect(value, Some(beside.status("temporal-redirect-code").unwrap_or(302)))
}

/// To a host, or to a URL.
pub(super) fn request_redirect(value: &Value<'_>, beside: &Beside<'_>) -> Meaning {
    let status = Some(beside.status("request-redirect-code").unwrap_or(302));
    if text(value)?.contains("://") {
        return redirect(value, status);
    }
    let host = Some(text(value)?.to_owned());
    Some(Fact::Redirect { scheme: None, host, port: None, path: None, status })
}

pub(super) fn redirect_to(value: &Value<'_>, beside: &Beside<'_>) -> Meaning {
    redirect(value, beside.status("redirect-to-code"))
}

pub(super) fn tls_redirect(value: &Value<'_>, beside: &Beside<'_>) -> Meaning {
    let port = beside.number("ssl-redirect-port").and_then(|port| u16::try_from(port).ok());
    Some(Fact::TlsRedirect { on: flag(value)?, status: beside.status("ssl-redirect-code"), port })
}

/// The port that clients are sent to.
pub(super) fn tls_redirect_port(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    let port = u16::try_from(number(value)?).ok();
    Some(Fact::TlsRedirect { on: true, status: Some(301), port })
}

/// Kong sends clients to `https` where it is told a status to do it with.
pub(super) fn tls_redirect_status(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    let status = u16::try_from(number(value)?).ok();
    let on = status.is_some_and(|status| (300..400).contains(&status));
    on.then_some(Fact::TlsRedirect { on, status, port: None })
}

fn rate(requests: Option<u64>, period: u64, burst: Option<u64>) -> Meaning {
    requests.filter(|requests| *requests > 0)?;
    Some(Fact::RateLimit {
        requests,
        period_milliseconds: Some(period),
        burst,
        connections: None,
        bytes_per_second: None,
    })
}

fn nginx_rate(value: &Value<'_>, beside: &Beside<'_>, period: u64) -> Meaning {
    let requests = number(value)?;
    let times = beside.number("limit-burst-multiplier").unwrap_or(NGINX_BURST);
    rate(Some(requests), period, requests.checked_mul(times))
}

pub(super) fn nginx_rate_per_second(value: &Value<'_>, beside: &Beside<'_>) -> Meaning {
    nginx_rate(value, beside, 1000)
}

pub(super) fn nginx_rate_per_minute(value: &Value<'_>, beside: &Beside<'_>) -> Meaning {
    nginx_rate(value, beside, 60_000)
}

pub(super) fn rate_per_second(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    rate(number(value), 1000, None)
}

/// HAProxy's, with a period beside it.
pub(super) fn rate_per_period(value: &Value<'_>, beside: &Beside<'_>) -> Meaning {
    let period = beside.text("rate-limit-period").and_then(|text| super::Form::Time.read(text));
    let period = match period {
        Some(Value::Milliseconds(Some(milliseconds))) => milliseconds,
        _ => 1000,
    };
    rate(number(value), period, None)
}

pub(super) fn connections(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    let connections = number(value).filter(|connections| *connections > 0)?;
    Some(Fact::RateLimit {
        requests: None,
        period_milliseconds: None,
        burst: None,
        connections: Some(connections),
        bytes_per_second: None,
    })
}

/// In kilobytes a second.
pub(super) fn bandwidth(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    let bytes = number(value).filter(|kilobytes| *kilobytes > 0)?.checked_mul(1024)?;
    Some(Fact::RateLimit {
        requests: None,
        period_milliseconds: None,
        burst: None,
        connections: None,
        bytes_per_second: Some(bytes),
    })
}

/// Name and password, or a provider of the cloud's.
pub(super) fn authentication(value: &Value<'_>, beside: &Beside<'_>) -> Meaning {
    let by = match text(value)?.to_ascii_lowercase().as_str() {
        "basic" | "basic-auth" => AuthenticationBy::Basic,
        "digest" => AuthenticationBy::Digest,
        "oidc" | "cognito" => AuthenticationBy::Oidc,
        _ => return None,
    };
    let secret = beside.text("auth-secret").filter(|secret| !secret.is_empty()).map(str::to_owned);
    Some(Fact::Authentication { by, at: None, secret })
}

/// Name and password, by the secret alone.
pub(super) fn basic_secret(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    let secret = Some(text(value)?.to_owned());
    Some(Fact::Authentication { by: AuthenticationBy::Basic, at: None, secret })
}

pub(super) fn external_authentication(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    let at = Some(bare(text(value)?));
    Some(Fact::Authentication { by: AuthenticationBy::External, at, secret: None })
}

pub(super) fn oauth(_: &Value<'_>, _: &Beside<'_>) -> Meaning {
    Some(Fact::Authentication { by: AuthenticationBy::Oidc, at: None, secret: None })
}

pub(super) fn client_certificate(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    let secret = Some(text(value)?.to_owned());
    Some(Fact::Authentication { by: AuthenticationBy::ClientCertificate, at: None, secret })
}

pub(super) fn allow(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    Some(Fact::Allow { ranges: ranges(value)? })
}

pub(super) fn deny(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    Some(Fact::Deny { ranges: ranges(value)? })
}

/// As they are written, or the name of the file that has them.
fn ranges(value: &Value<'_>) -> Option<Vec<String>> {
    list(value).or_else(|| text(value).map(|file| vec![file.to_owned()]))
}

pub(super) fn canary(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    Some(Fact::Canary { on: Some(flag(value)?), weight: None, total: None, header: None, cookie: None })
}

pub(super) fn canary_weight(value: &Value<'_>, beside: &Beside<'_>) -> Meaning {
    let total = beside.number("canary-weight-total").and_then(|total| u32::try_from(total).ok());
    let total = Some(total.unwrap_or(100));
    Some(Fact::Canary { on: None, weight: Some(small(value)?), total, header: None, cookie: None })
}

pub(super) fn canary_header(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    let header = Some(text(value)?.to_owned());
    Some(Fact::Canary { on: None, weight: None, total: None, header, cookie: None })
}

pub(super) fn canary_cookie(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    let cookie = Some(text(value)?.to_owned());
    Some(Fact::Canary { on: None, weight: None, total: None, header: None, cookie })
}

/// What is said of nothing yet.
fn cors() -> Fact {
    Fact::Cors {
        on: None,
        origins: Vec::new(),
        methods: Vec::new(),
        headers: Vec::new(),
        exposed: Vec::new(),
        credentials: None,
        max_age_seconds: None,
    }
}

pub(super) fn cors_on(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    let mut fact = cors();
    if let Fact::Cors { on, .. } = &mut fact {
        *on = Some(flag(value)?);
    }
    Some(fact)
}

pub(super) fn cors_origins(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    let mut fact = cors();
    if let Fact::Cors { origins, .. } = &mut fact {
        *origins = list(value)?;
    }
    Some(fact)
}

pub(super) fn cors_methods(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    let mut fact = cors();
    if let Fact::Cors { methods, .. } = &mut fact {
        *methods = list(value)?;
    }
    Some(fact)
}

pub(super) fn cors_headers(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    let mut fact = cors();
    if let Fact::Cors { headers, .. } = &mut fact {
        *headers = list(value)?;
    }
    Some(fact)
}

pub(super) fn cors_exposed(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    let mut fact = cors();
    if let Fact::Cors { exposed, .. } = &mut fact {
        *exposed = list(value)?;
    }
    Some(fact)
}

pub(super) fn cors_credentials(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    let mut fact = cors();
    if let Fact::Cors { credentials, .. } = &mut fact {
        *credentials = Some(flag(value)?);
    }
    Some(fact)
}

pub(super) fn cors_max_age(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    let seconds = match value {
        Value::Milliseconds(milliseconds) => milliseconds.map(|milliseconds| milliseconds / 1000),
        value => number(value),
    };
    let mut fact = cors();
    if let Fact::Cors { max_age_seconds, .. } = &mut fact {
        *max_age_seconds = Some(seconds?);
    }
    Some(fact)
}

pub(super) fn backend_protocol(value: &Value<'_>, beside: &Beside<'_>) -> Meaning {
    let protocol = match text(value)?.to_ascii_lowercase().as_str() {
        "http" => Protocol::Http,
        "h1" if beside.text("secure-backends") != Some("true") => Protocol::Http,
        "https" | "h1" | "h1-ssl" | "h2-ssl" => Protocol::Https,
        "h2" => Protocol::H2c,
        "grpc" => Protocol::Grpc,
        "grpcs" => Protocol::Grpcs,
        "fcgi" => Protocol::Fcgi,
        "ajp" => Protocol::Ajp,
        // `AUTO_HTTP` decides by itself.
        _ => return None,
    };
    Some(Fact::BackendProtocol { protocol })
}

/// AWS says in one annotation whether there is TLS, and in another which version of HTTP.
pub(super) fn backend_version(value: &Value<'_>, beside: &Beside<'_>) -> Meaning {
    let tls = beside.text("backend-protocol").is_some_and(|of| of.eq_ignore_ascii_case("https"));
    let protocol = match (text(value)?.to_ascii_lowercase().as_str(), tls) {
        ("http2", false) => Protocol::H2c,
        ("grpc", false) => Protocol::Grpc,
        ("grpc", true) => Protocol::Grpcs,
        _ => return None,
    };
    Some(Fact::BackendProtocol { protocol })
}

pub(super) fn backend_tls(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    flag(value)?.then_some(Fact::BackendProtocol { protocol: Protocol::Https })
}

pub(super) fn backend_h2(_: &Value<'_>, beside: &Beside<'_>) -> Meaning {
    let tls = beside.text("server-ssl") == Some("true");
    (!tls).then_some(Fact::BackendProtocol { protocol: Protocol::H2c })
}

pub(super) fn affinity(value: &Value<'_>, beside: &Beside<'_>) -> Meaning {
    let cookie = text(value)?.eq_ignore_ascii_case("cookie");
    let key = beside.text("session-cookie-name").filter(|name| !name.is_empty()).map(str::to_owned);
    cookie.then_some(Fact::SessionAffinity { by: AffinityBy::Cookie, key })
}

pub(super) fn affinity_cookie(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    Some(Fact::SessionAffinity { by: AffinityBy::Cookie, key: Some(text(value)?.to_owned()) })
}

pub(super) fn affinity_hash(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    Some(Fact::SessionAffinity { by: AffinityBy::Hash, key: Some(text(value)?.to_owned()) })
}

/// `stickiness.enabled=true` among the attributes of AWS' target groups.
pub(super) fn affinity_attribute(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    let sticky = list(value)?.iter().any(|pair| pair.replace(' ', "") == "stickiness.enabled=true");
    sticky.then_some(Fact::SessionAffinity { by: AffinityBy::Cookie, key: None })
}

/// Lines of a name and a value, of which the name is kept.
fn headers(of: HeadersOf, value: &Value<'_>) -> Meaning {
    let name = |line: &str| line.split([' ', ':', '\t']).next().unwrap_or_default().trim().to_owned();
    let set = text(value)?.lines().map(|line| name(line.trim())).filter(|name| !name.is_empty()).collect();
    Some(Fact::Headers { of, set, add: Vec::new(), remove: Vec::new() })
}

pub(super) fn request_headers(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    headers(HeadersOf::Request, value)
}

pub(super) fn response_headers(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    headers(HeadersOf::Response, value)
}

pub(super) fn forwarded_prefix(_: &Value<'_>, _: &Beside<'_>) -> Meaning {
    let set = vec!["X-Forwarded-Prefix".to_owned()];
    Some(Fact::Headers { of: HeadersOf::Request, set, add: Vec::new(), remove: Vec::new() })
}

pub(super) fn mirror(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    Some(Fact::Mirror { to: bare(text(value)?), percent: None })
}

pub(super) fn snippet(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    Some(Fact::Snippet { bytes: text(value)?.len() })
}

pub(super) fn expressions(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    Some(Fact::RegularExpressions { on: flag(value)? })
}

/// A type of matching paths, of which one is by expressions.
pub(super) fn path_matcher(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    let matcher = text(value)?.to_ascii_lowercase();
    Some(Fact::RegularExpressions { on: matches!(matcher.as_str(), "pathregexp" | "regex") })
}

pub(super) fn extension(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    Some(Fact::Extension { names: list(value)? })
}

/// AWS' actions stand for backends.
pub(super) fn action(value: &Value<'_>, _: &Beside<'_>) -> Meaning {
    let Value::Json(json) = value else { return None };
    let field = |of: &serde_json::Value, name: &str| {
        let fields = of.as_object()?;
        fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    };
    if !field(json, "type")?.as_str()?.eq_ignore_ascii_case("redirect") {
        return None;
    }
    let config = field(json, "redirectConfig")?;
    // What is left out, and what stands for the request's own, stays as it is.
    let part = |name: &str| {
        let value = field(&config, name)?;
        value.as_str().filter(|text| !text.starts_with("#{")).map(str::to_owned)
    };
    let status = part("statusCode").and_then(|code| code.trim_start_matches("HTTP_").parse().ok());
    Some(Fact::Redirect {
        scheme: part("protocol").map(|protocol| protocol.to_ascii_lowercase()),
        host: part("host"),
        port: part("port").and_then(|port| port.parse().ok()),
        path: part("path").filter(|path| path != "/#{path}").map(PathChange::Whole),
        status,
    })
}

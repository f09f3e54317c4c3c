//! The command line. Each flag is also an environment variable.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Parser, ValueEnum};
use ingress_core::source::demo::Fault;
use ingress_core::{LaneScope, Namespace};
use ingress_http::client::TrustedProxies;
use ingress_http::{
    DEFAULT_MAX_STREAMS, DEFAULT_MAX_STREAMS_PER_ADDRESS, DEFAULT_MAX_STREAMS_PER_USER, Hosts, Origins,
    RateLimit,
};

pub(crate) mod access;
pub(crate) mod oidc;
#[cfg(feature = "otel")]
pub(crate) mod otlp;
pub(crate) mod redis;
pub(crate) mod state;

use access::AccessArgs;
#[cfg(feature = "otel")]
use otlp::OtlpEndpoint;
use redis::RedisArgs;
use state::StateArgs;

/// A live view of a Kubernetes cluster's ingresses, in the browser.
///
/// Reads the cluster that --kubeconfig, $KUBECONFIG, the pod's service account, ~/.kube/config, RKE2's or kubeadm's
/// kubeconfig names, whichever is there first; without any of them, a simulated cluster. It never writes.
#[derive(Debug, Parser)]
#[command(version, args_override_self = true, after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Where to listen. More than this computer needs --authentication.
    #[arg(long, env = "DASHBOARD_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,

    /// Serve HTTPS with this certificate (PEM, followed by its chain), which is read again when the file changes.
    #[arg(long, env = "DASHBOARD_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The certificate's private key (PEM).
    #[arg(long, env = "DASHBOARD_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Read this kubeconfig and look nowhere else.
    #[arg(long, env = "DASHBOARD_KUBECONFIG", value_name = "FILE", conflicts_with = "demo")]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// Use this context of the kubeconfig instead of its current one.
    #[arg(long, env = "DASHBOARD_CONTEXT", value_name = "NAME", conflicts_with = "demo")]
    pub(crate) context: Option<String>,

    /// Watch these namespaces only, each by itself; all of them unless given.
    #[arg(
        long,
        env = "DASHBOARD_NAMESPACES",
        value_name = "NAME",
        value_delimiter = ',',
        value_parser = namespace
    )]
    pub(crate) namespaces: Vec<Namespace>,

    /// Show a simulated cluster of about N ingresses; 500 unless given.
    #[arg(long, env = "DASHBOARD_DEMO", value_name = "N", num_args = 0..=1, default_missing_value = "500")]
    pub(crate) demo: Option<usize>,

    /// How many changes the simulated cluster makes per second; 2 unless given.
    #[arg(
        long,
        env = "DASHBOARD_DEMO_CHANGES_PER_SECOND",
        value_name = "R",
        requires = "demo",
        allow_negative_numbers = true
    )]
    pub(crate) demo_changes_per_second: Option<f64>,

    /// Which simulated cluster: the same number gives the same one; 1 unless given.
    #[arg(long, env = "DASHBOARD_DEMO_SEED", value_name = "NUMBER", requires = "demo")]
    pub(crate) demo_seed: Option<u64>,

    /// Break the simulated cluster, or one namespace of it; may be given several times. KIND is outage, stall,
    /// unauthorized, forbidden, server-error or throttled.
    #[arg(
        long,
        env = "DASHBOARD_DEMO_FAULT",
        value_name = "KIND[:NAMESPACE]",
        value_delimiter = ',',
        requires = "demo"
    )]
    pub(crate) demo_fault: Vec<RaisedFault>,

    /// How log lines look on standard error; text on a terminal and JSON otherwise, unless given.
    #[arg(long, env = "DASHBOARD_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,

    /// Send traces to this OpenTelemetry collector (OTLP over HTTP; spans go to /v1/traces under it), such as
    /// http://localhost:4318; to none unless given.
    #[cfg(feature = "otel")]
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub(crate) otlp_endpoint: Option<OtlpEndpoint>,

    /// Open the page in the browser.
    #[arg(long, env = "DASHBOARD_OPEN", value_parser = BoolishValueParser::new())]
    pub(crate) open: bool,

    /// Watch what routes depend on, too (services, endpoints, pods, the public part of TLS secrets, gateways, …), and say of every route
    /// whether it works, and if not, why: on the page, and under `/api/routes`. What may not be read is told as unknown. Of the simulated
    /// cluster it is done unless this is `false`.
    #[arg(long, env = "DASHBOARD_ROUTES", value_name = "BOOL", value_parser = BoolishValueParser::new(), conflicts_with = "fleet")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) routes: Option<bool>,

    /// How long to wait before asking again for a namespace that the cluster refuses, such as 500ms, 2s or 5m; 2 s at
    /// first and ever longer, up to 5 minutes, unless given.
    #[arg(long, env = "DASHBOARD_DENIED_RETRY", value_name = "DURATION", value_parser = duration)]
    pub(crate) denied_retry: Option<Duration>,

    #[command(flatten)]
    pub(crate) access: AccessArgs,

    #[command(flatten)]
    pub(crate) state: StateArgs,

    #[command(flatten)]
    pub(crate) protection: Protection,

    #[command(flatten)]
    pub(crate) redis: RedisArgs,
}

/// Whom the program answers, and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct Protection {
    /// Believe these proxies when they tell who sent a request, in Forwarded or X-Forwarded-For, and whether by TLS. Only
    /// those that append to these headers; none unless given.
    #[arg(long, env = "DASHBOARD_TRUSTED_PROXIES", value_name = "CIDR", value_delimiter = ',', value_parser = proxy)]
    pub(crate) trusted_proxies: Vec<String>,

    /// Answer requests for this host, too. On loopback only this computer's own names are answered, unless given; elsewhere
    /// all are, unless given.
    #[arg(long, env = "DASHBOARD_ALLOW_HOST", value_name = "HOST", value_delimiter = ',', value_parser = host)]
    pub(crate) allow_host: Vec<String>,

    /// Let scripts of this origin, such as `https://portal.example.com`, read the answers; none unless given.
    #[arg(long, env = "DASHBOARD_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',', value_parser = origin)]
    pub(crate) allow_origin: Vec<String>,

    /// How often each user, or each address, may ask: so many times at once, and so many per second; or off.
    #[arg(
        long,
        env = "DASHBOARD_RATE_LIMIT",
        value_name = "BURST:PER_SECOND",
        default_value = "100:10",
        value_parser = rate
    )]
    pub(crate) rate_limit: Rate,

    /// How often each of them may open a stream; or off.
    #[arg(
        long,
        env = "DASHBOARD_STREAM_RATE_LIMIT",
        value_name = "BURST:PER_SECOND",
        default_value = "20:2",
        value_parser = rate
    )]
    pub(crate) stream_rate_limit: Rate,

    /// How many streams may be open at a time.
    #[arg(long, env = "DASHBOARD_MAX_STREAMS", value_name = "N", default_value_t = DEFAULT_MAX_STREAMS)]
    pub(crate) max_streams: usize,

    /// How many of them may be of one user.
    #[arg(
        long,
        env = "DASHBOARD_MAX_STREAMS_PER_USER",
        value_name = "N",
        default_value_t = DEFAULT_MAX_STREAMS_PER_USER
    )]
    pub(crate) max_streams_per_user: usize,

    /// How many of them may be of one address.
    #[arg(
        long,
        env = "DASHBOARD_MAX_STREAMS_PER_ADDRESS",
        value_name = "N",
        default_value_t = DEFAULT_MAX_STREAMS_PER_ADDRESS
    )]
    pub(crate) max_streams_per_address: usize,
}

// Checked here, so that what is wrong is said before anything starts.

fn proxy(text: &str) -> Result<String, String> {
    TrustedProxies::new([text]).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn host(text: &str) -> Result<String, String> {
    Hosts::loopback_and([text]).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn origin(text: &str) -> Result<String, String> {
    Origins::new([text]).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// A limit, or none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Rate {
    Limit(RateLimit),
    Off,
}

impl From<Rate> for Option<RateLimit> {
    fn from(rate: Rate) -> Self {
        match rate {
            Rate::Limit(limit) => Some(limit),
            Rate::Off => None,
        }
    }
}

/// `BURST:PER_SECOND`, or `off`.
fn rate(text: &str) -> Result<Rate, String> {
    if text == "off" {
        return Ok(Rate::Off);
    }
    let expected = || "expected a burst and a rate per second, such as 100:10, or off".to_owned();
    let (burst, per_second) = text.split_once(':').ok_or_else(expected)?;
    let (burst, per_second) =
        (burst.parse().map_err(|_| expected())?, per_second.parse().map_err(|_| expected())?);
    RateLimit::new(burst, per_second).map(Rate::Limit).map_err(|error| error.to_string())
}

const AFTER_HELP: &str = "\
RUST_LOG chooses what is logged, such as RUST_LOG=debug.

Exit codes: 0 after SIGTERM or SIGINT, 1 when something fails, 2 for a bad flag or configuration, 3 when the address is
in use.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// A fault and what it strikes.
#[derive(Debug, Clone)]
pub(crate) struct RaisedFault {
    pub(crate) fault: Fault,
    pub(crate) scope: LaneScope,
}

impl FromStr for RaisedFault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, scope) = match text.split_once(':') {
            Some((kind, name)) => (kind, LaneScope::Namespace(namespace(name)?)),
            None => (text, LaneScope::Cluster),
        };
        Ok(Self { fault: kind.parse().map_err(|error| format!("{error}"))?, scope })
    }
}

fn namespace(name: &str) -> Result<Namespace, String> {
    Namespace::new(name).map_err(|error| error.to_string())
}

/// A number and `ms`, `s`, `m` or `h`; between 100 ms, below which it would be an attack, and a day.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u32 = number.parse().map_err(|_| "expected a number and a unit, such as 500ms, 2s or 5m")?;
    let unit = match unit {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3600),
        _ => return Err("the unit must be ms, s, m or h".to_owned()),
    };
    let bounds = Duration::from_millis(100)..=Duration::from_secs(24 * 3600);
    unit.checked_mul(number)
        .filter(|duration| bounds.contains(duration))
        .ok_or_else(|| "must be 100ms to 24h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn parse(arguments: &[&str]) -> Result<Args, String> {
        Args::try_parse_from(std::iter::once(&"dashboard").chain(arguments))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn demo_takes_a_number_or_none() {
        assert_eq!(parse(&[]).unwrap().demo, None);
        assert_eq!(parse(&["--demo"]).unwrap().demo, Some(500));
        assert_eq!(parse(&["--demo", "--open"]).unwrap().demo, Some(500));
        assert_eq!(parse(&["--demo", "40"]).unwrap().demo, Some(40));
        assert!(parse(&["--demo", "--kubeconfig", "x"]).unwrap_err().contains("cannot be used with"));
        assert!(parse(&["--demo-seed", "4"]).unwrap_err().contains("--demo"));
    }

    #[test]
    fn routes_are_asked_for_or_not_or_left_open() {
        assert_eq!(parse(&["--demo"]).unwrap().routes, None);
        assert_eq!(parse(&["--routes", "--demo"]).unwrap().routes, Some(true));
        assert_eq!(parse(&["--demo", "--routes=false"]).unwrap().routes, Some(false));
        assert!(parse(&["--routes=maybe"]).is_err());
    }

    #[test]
    fn a_flag_given_again_replaces_the_one_before() {
        let args = parse(&["--listen", "127.0.0.1:1", "--listen", "[::1]:2"]).unwrap();
        assert_eq!(args.listen.to_string(), "[::1]:2");
        let args = parse(&["--demo", "--demo-fault", "outage:shop", "--demo-fault", "stall"]).unwrap();
        assert_eq!(args.demo_fault.last().unwrap().scope, LaneScope::Cluster);
        assert_eq!(args.demo_fault.len(), 2, "but faults add up");
    }

    #[test]
    fn durations_have_units_and_bounds() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        for bad in ["", "5", "s", "-1s", "1.5s", "1ms", "25h", "99999999999s", "1d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_certificate_has_a_key() {
        assert!(parse(&["--tls-cert", "a", "--tls-key", "b"]).is_ok());
        assert!(parse(&["--tls-cert", "a"]).unwrap_err().contains("--tls-key"));
        assert!(parse(&["--tls-key", "b"]).unwrap_err().contains("--tls-cert"));
    }

    #[test]
    fn limits_have_bounds_or_are_off() {
        let limits = |arguments: &[&str]| parse(arguments).map(|args| args.protection);
        let usual = limits(&[]).unwrap();
        assert_eq!(usual.rate_limit, Rate::Limit(ingress_http::DEFAULT_RATE_LIMIT));
        assert_eq!(usual.stream_rate_limit, Rate::Limit(ingress_http::DEFAULT_STREAM_RATE_LIMIT));
        assert_eq!(limits(&["--rate-limit", "off"]).unwrap().rate_limit, Rate::Off);
        let slow = Rate::Limit(RateLimit::new(5, 0.5).unwrap());
        assert_eq!(limits(&["--rate-limit", "5:0.5"]).unwrap().rate_limit, slow);
        for bad in ["", "5", "5:", ":5", "0:1", "5:0", "-1:1", "5:nan", "5:1:1", "on"] {
            assert!(limits(&["--rate-limit", bad]).is_err(), "{bad}");
        }
        assert_eq!(limits(&["--trusted-proxies", "10.0.0.0/8,fd00::/8"]).unwrap().trusted_proxies.len(), 2);
        for (flag, bad) in [
            ("--trusted-proxies", "proxy.example.com"),
            ("--allow-host", "https://a.example"),
            ("--allow-origin", "*"),
        ] {
            let error = limits(&[flag, bad]).unwrap_err();
            assert!(error.contains(flag) && error.contains(&format!("`{bad}`")), "{error}");
        }
    }

    #[test]
    fn names_and_faults_are_checked() {
        assert_eq!(parse(&["--namespaces", "a,b"]).unwrap().namespaces.len(), 2);
        assert!(parse(&["--namespaces", "A"]).unwrap_err().contains("RFC 1123"));
        assert!(parse(&["--demo", "--demo-fault", "flood"]).unwrap_err().contains("outage, stall"));
        assert!(parse(&["--demo", "--demo-fault", "stall:A"]).unwrap_err().contains("RFC 1123"));
    }
}

//! Flags for who may see what.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::oidc::OidcArgs;

/// Who may see what.
#[derive(Debug, Clone, Args)]
pub(crate) struct AccessArgs {
    /// How people say who they are; nobody is asked unless given, which is refused when others than this computer can connect.
    #[arg(long, env = "DASHBOARD_AUTHENTICATION", value_name = "HOW")]
    pub(crate) authentication: Option<Authentication>,

    /// The file with the hashes of tokens: `sha256:HASH user [group,group]` in each line.
    #[arg(
        long,
        env = "DASHBOARD_TOKEN_FILE",
        value_name = "FILE",
        required_if_eq("authentication", "token-file")
    )]
    pub(crate) token_file: Option<PathBuf>,

    /// Take only tokens that are meant for one of these; those for the cluster itself, unless given.
    #[arg(long, env = "DASHBOARD_TOKEN_AUDIENCES", value_name = "AUDIENCE", value_delimiter = ',')]
    pub(crate) token_audiences: Vec<String>,

    /// The addresses of the proxies whose word is taken for who somebody is.
    #[arg(
        long,
        env = "DASHBOARD_AUTHENTICATING_PROXIES",
        value_name = "CIDR",
        value_delimiter = ',',
        value_parser = super::proxy,
        required_if_eq("authentication", "proxy-headers")
    )]
    pub(crate) authenticating_proxies: Vec<String>,

    #[command(flatten)]
    pub(crate) oidc: OidcArgs,

    /// A secret of at least 32 bytes that session cookies are encrypted with, so that sessions outlive a restart; one of the
    /// process's own, unless given.
    #[arg(long, env = "DASHBOARD_COOKIE_KEY_FILE", value_name = "FILE")]
    pub(crate) cookie_key_file: Option<PathBuf>,

    /// What people may see: all of it, or the namespaces in which Kubernetes lets them list ingresses.
    #[arg(
        long,
        env = "DASHBOARD_AUTHORIZATION",
        value_name = "WHAT",
        default_value = "all",
        conflicts_with = "demo"
    )]
    pub(crate) authorization: Authorization,

    /// How long it is believed what somebody may see, 1s to 10m; a minute unless given.
    #[arg(long, env = "DASHBOARD_ACCESS_MAX_AGE", value_name = "DURATION", value_parser = super::duration)]
    pub(crate) access_max_age: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Authentication {
    /// Nobody is asked.
    None,
    /// By bearer tokens whose hashes lie in a file.
    TokenFile,
    /// By bearer tokens that the cluster knows.
    TokenReview,
    /// By headers that an authenticating proxy sets.
    ProxyHeaders,
    /// By an OpenID Connect provider, with which they sign in.
    Oidc,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Authorization {
    /// Everybody sees everything.
    All,
    /// Everybody sees what Kubernetes lets them list.
    Kubernetes,
}

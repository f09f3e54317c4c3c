//! Flags for people who sign in with an OpenID Connect provider. Where the API server has the same flag, it is called and means the same.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use ingress_http::auth::{InvalidOpenIdConnect, OpenIdConnect};

use crate::failure::Failure;

/// An OpenID Connect provider.
#[derive(Debug, Clone, Args)]
pub(crate) struct OidcArgs {
    /// The provider's issuer URL, exactly as it writes it itself.
    #[arg(long, env = "DASHBOARD_OIDC_ISSUER", value_name = "URL", required_if_eq("authentication", "oidc"))]
    pub(crate) oidc_issuer: Option<String>,

    /// The id under which the provider knows this program.
    #[arg(
        long,
        env = "DASHBOARD_OIDC_CLIENT_ID",
        value_name = "ID",
        required_if_eq("authentication", "oidc")
    )]
    pub(crate) oidc_client_id: Option<String>,

    /// The file with the client's secret; a public client has none.
    #[arg(long, env = "DASHBOARD_OIDC_CLIENT_SECRET_FILE", value_name = "FILE")]
    pub(crate) oidc_client_secret_file: Option<PathBuf>,

    /// Where the provider sends browsers back to: the URL of /auth/callback as they reach it. On a loopback address it need not be
    /// given.
    #[arg(long, env = "DASHBOARD_OIDC_REDIRECT_URL", value_name = "URL")]
    pub(crate) oidc_redirect_url: Option<String>,

    /// What to ask for besides openid, such as groups,offline_access; the provider says what it has.
    #[arg(long, env = "DASHBOARD_OIDC_SCOPES", value_name = "SCOPE", value_delimiter = ',')]
    pub(crate) oidc_scopes: Vec<String>,

    /// The claim that holds the name.
    #[arg(long, env = "DASHBOARD_OIDC_USERNAME_CLAIM", value_name = "CLAIM", default_value = "sub")]
    pub(crate) oidc_username_claim: String,

    /// What comes before the name, or - for nothing; unless given, the issuer and #, but nothing before an email.
    #[arg(long, env = "DASHBOARD_OIDC_USERNAME_PREFIX", value_name = "PREFIX", allow_hyphen_values = true)]
    pub(crate) oidc_username_prefix: Option<String>,

    /// The claim that holds the groups; nobody is in any, unless given.
    #[arg(long, env = "DASHBOARD_OIDC_GROUPS_CLAIM", value_name = "CLAIM")]
    pub(crate) oidc_groups_claim: Option<String>,

    /// What comes before each group.
    #[arg(long, env = "DASHBOARD_OIDC_GROUPS_PREFIX", value_name = "PREFIX", default_value = "")]
    pub(crate) oidc_groups_prefix: String,

    /// Certificates (PEM) of authorities that are believed when the provider shows its own, besides the system's.
    #[arg(long, env = "DASHBOARD_OIDC_CA_FILE", value_name = "FILE")]
    pub(crate) oidc_ca_file: Option<PathBuf>,
}

impl OidcArgs {
    /// The provider, for a program that is reached at this address.
    pub(crate) fn provider(&self, address: SocketAddr, is_tls: bool) -> Result<OpenIdConnect, Failure> {
        let redirect = match &self.oidc_redirect_url {
            Some(url) => url.clone(),
            None if address.ip().is_loopback() => {
                let scheme = if is_tls { "https" } else { "http" };
                format!("{scheme}://{address}/auth/callback")
            }
            None => {
                return Err(Failure::configuration(
                    "--oidc-redirect-url is needed: others reach this program at an address that it does not know",
                ));
            }
        };
        // Clap has seen to it that both are given.
        let issuer = self.oidc_issuer.clone().unwrap_or_default();
        let mut builder =
            OpenIdConnect::builder(issuer, self.oidc_client_id.clone().unwrap_or_default(), redirect)
                .scopes(self.oidc_scopes.iter().cloned())
                .username_claim(self.oidc_username_claim.as_str())
                .groups_prefix(self.oidc_groups_prefix.as_str());
        if let Some(prefix) = &self.oidc_username_prefix {
            builder = builder.username_prefix(prefix.as_str());
        }
        if let Some(claim) = &self.oidc_groups_claim {
            builder = builder.groups_claim(claim.as_str());
        }
        if let Some(path) = &self.oidc_client_secret_file {
            builder = builder.client_secret_file(path).map_err(flagged)?;
        }
        if let Some(path) = &self.oidc_ca_file {
            builder = builder.ca_file(path).map_err(flagged)?;
        }
        builder.build().map_err(flagged)
    }
}

/// An option by the name of its flag.
#[expect(clippy::needless_pass_by_value, reason = "as map_err has it")]
fn flagged(error: InvalidOpenIdConnect) -> Failure {
    Failure::configuration(format!("--oidc-{}: {}", error.option.replace('_', "-"), error.problem()))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::args;

    fn provider(listen: &str, more: &[&str]) -> Result<(), String> {
        let needed = ["dashboard", "--authentication", "oidc", "--oidc-client-id", "c"];
        let args =
            args::Args::try_parse_from(needed.iter().chain(more)).map_err(|error| error.to_string())?;
        let provider = args.access.oidc.provider(listen.parse().unwrap(), false);
        provider.map(drop).map_err(|failure| failure.to_string())
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_by_its_flag() {
        let issuer = ["--oidc-issuer", "https://id.example"];
        assert_eq!(provider("127.0.0.1:8080", &issuer), Ok(()));
        assert_eq!(provider("[::1]:8080", &issuer), Ok(()));
        assert!(provider("127.0.0.1:1", &[]).unwrap_err().contains("--oidc-issuer"));
        assert!(provider("0.0.0.0:1", &issuer).unwrap_err().contains("--oidc-redirect-url"));
        let redirect = [&issuer[..], &["--oidc-redirect-url", "https://here.example/auth/callback"]].concat();
        assert_eq!(provider("0.0.0.0:1", &redirect), Ok(()));
        let bad = provider("127.0.0.1:1", &["--oidc-issuer", "http://id.example"]).unwrap_err();
        assert!(bad.starts_with("--oidc-issuer: ") && bad.contains("https://"), "{bad}");
        for flag in ["--oidc-client-secret-file", "--oidc-ca-file"] {
            let bad = provider("127.0.0.1:1", &[&issuer[..], &[flag, "/nonexistent"]].concat()).unwrap_err();
            assert!(bad.starts_with(&format!("{flag}: /nonexistent: ")), "{bad}");
        }
        assert_eq!(
            provider("127.0.0.1:1", &[&issuer[..], &["--oidc-username-prefix", "-"]].concat()),
            Ok(())
        );
    }
}

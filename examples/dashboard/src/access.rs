//! Who may see what, as the command line says.

use std::net::SocketAddr;

use ingress_core::Hub;
use ingress_http::auth::{CookieKey, OpenIdConnect, ProxyHeaders, StaticTokens, TokenReviews};
use ingress_http::client::TrustedProxies;
use ingress_http::{Authorization, DashboardBuilder, SharedKey};

use crate::args::access::{self, AccessArgs, Authentication};
use crate::cache::SharedCache;
use crate::failure::Failure;

/// Tells the dashboard who finds out who asks, and what they may see.
pub(crate) fn configure(
    args: &AccessArgs,
    hub: &Hub,
    oidc: Option<OpenIdConnect>,
    shared: Option<&SharedCache>,
    mut builder: DashboardBuilder,
) -> Result<DashboardBuilder, Failure> {
    let mut shared_key = None;
    if let Some(path) = &args.cookie_key_file {
        let key = CookieKey::read(path).map_err(|error| flagged("--cookie-key-file", error))?;
        let secret = SharedKey::read(path).map_err(|error| flagged("--cookie-key-file", error))?;
        builder = builder.cookie_key(key).shared_key(secret.clone());
        shared_key = Some(secret);
    }
    let mut authorization = match args.authorization {
        access::Authorization::All => Authorization::all(),
        access::Authorization::Kubernetes => Authorization::kubernetes(),
    };
    if let Some(age) = args.access_max_age {
        authorization = authorization.max_age(age).map_err(|error| flagged("--access-max-age", error))?;
    }
    builder = builder.authorization(authorization);
    Ok(match args.authentication {
        None | Some(Authentication::None) => builder,
        Some(Authentication::TokenFile) => {
            let path = args.token_file.as_deref().unwrap_or_else(|| "".as_ref());
            builder.authentication(StaticTokens::read(path).map_err(|error| flagged("--token-file", error))?)
        }
        Some(Authentication::TokenReview) => {
            let cluster = hub.clusters().into_iter().next();
            let cluster = cluster.ok_or_else(|| flagged("--authentication", "there is no cluster to ask"))?;
            let reviews = TokenReviews::new(hub.clone(), cluster.info.id);
            let reviews = reviews.audiences(args.token_audiences.iter().cloned());
            builder.authentication(match (shared, shared_key) {
                (Some(shared), Some(key)) => reviews.cache(shared.cache(), &key),
                // Without a key of theirs, replicas could not tell what one of them put there from what somebody else did.
                _ => reviews,
            })
        }
        Some(Authentication::ProxyHeaders) => {
            let proxies = TrustedProxies::new(&args.authenticating_proxies)
                .map_err(|error| flagged("--authenticating-proxies", error))?;
            builder.authentication(ProxyHeaders::from(proxies))
        }
        Some(Authentication::Oidc) => {
            // Never without, whatever happens to the lines that make it.
            let oidc =
                oidc.ok_or_else(|| flagged("--authentication", "there is no provider to sign in with"))?;
            builder.authentication(oidc)
        }
    })
}

/// The provider with which people sign in, if they do.
pub(crate) fn provider(
    args: &AccessArgs,
    address: SocketAddr,
    is_tls: bool,
) -> Result<Option<OpenIdConnect>, Failure> {
    let signs_in = args.authentication == Some(Authentication::Oidc);
    signs_in.then(|| args.oidc.provider(address, is_tls)).transpose()
}

/// Whether anybody may be let in unasked: those on this computer, and others only when somebody said so.
pub(crate) fn check(args: &AccessArgs, address: SocketAddr) -> Result<(), Failure> {
    if address.ip().is_loopback() || args.authentication.is_some() {
        return Ok(());
    }
    Err(Failure::configuration(format!(
        "--listen {address}: others could connect, and nobody is asked who they are; say how with --authentication, or say \
         --authentication none if whoever connects may see everything"
    )))
}

fn flagged(flag: &str, error: impl std::fmt::Display) -> Failure {
    Failure::configuration(format!("{flag}: {error}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Args;

    fn checked(listen: &str, more: &[&str]) -> Result<(), String> {
        let args = ["dashboard", "--listen", listen];
        let args = Args::try_parse_from(args.iter().chain(more)).map_err(|error| error.to_string())?;
        check(&args.access, args.listen).map_err(|failure| failure.to_string())
    }

    #[test]
    fn others_are_let_in_unasked_only_when_that_is_said() {
        assert_eq!(checked("127.0.0.1:8080", &[]), Ok(()));
        assert_eq!(checked("[::1]:8080", &[]), Ok(()));
        assert!(checked("0.0.0.0:8080", &[]).unwrap_err().contains("--authentication"));
        assert_eq!(checked("0.0.0.0:8080", &["--authentication", "none"]), Ok(()));
        assert_eq!(checked("0.0.0.0:8080", &["--authentication", "token-review"]), Ok(()));
    }

    #[test]
    fn what_a_way_of_authentication_needs_must_be_given() {
        let error = checked("127.0.0.1:1", &["--authentication", "token-file"]).unwrap_err();
        assert!(error.contains("--token-file"), "{error}");
        let error = checked("127.0.0.1:1", &["--authentication", "proxy-headers"]).unwrap_err();
        assert!(error.contains("--authenticating-proxies"), "{error}");
        let proxies = ["--authentication", "proxy-headers", "--authenticating-proxies", "10.0.0.1,fd00::/8"];
        assert_eq!(checked("127.0.0.1:1", &proxies), Ok(()));
        let bad = ["--authenticating-proxies", "10.0.0.1/40"];
        assert!(checked("127.0.0.1:1", &bad).unwrap_err().contains("10.0.0.0/8"));
    }
}

//! People who sign in with an OpenID Connect provider.
//!
//! The authorization code flow (OpenID Connect Core 1.0, section 3.1) with PKCE (RFC 7636): `/auth/login` sends the browser to the
//! provider, which sends it back to `/auth/callback` with a code; the code is exchanged for an ID token, and what that says about
//! somebody becomes a session. Nothing of it is kept here: the session is in an encrypted cookie, so any number of processes with the
//! same key serve anybody, and a restart forgets nobody. What that costs: a session can't be taken back before its ID token expires.
//!
//! The protocol, and the checking of tokens, is the crate `openidconnect`'s. What is here: who asks the provider and how often, what
//! its claims mean to Kubernetes, and where things are kept between two requests.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use http::request::Parts;
use ingress_core::access::UserInfo;
use openidconnect::url::Url;
use openidconnect::{ClientId, ClientSecret, IssuerUrl, RedirectUrl};

use self::claims::ClaimRules;
use self::http_client::{Http, is_allowed};
use self::provider::{Client, Provider};
use self::refresh::Refreshes;
pub(crate) use self::routes::{callback, login};
pub(crate) use self::session::Session;
pub(crate) use self::sign_in::SignIn;
use super::{AuthenticationError, Authenticator, Scheme};

mod claims;
mod http_client;
mod provider;
mod refresh;
mod return_path;
mod routes;
mod session;
mod sign_in;
#[cfg(test)]
mod tests;

/// Where the provider sends browsers back to, relative to the router.
const CALLBACK: &str = "auth/callback";

/// Knows people by what an OpenID Connect provider says about them. Cloning is cheap, and clones are the same.
///
/// A provider that can't be reached is asked again, ever more rarely; until it answers, who wants to sign in is answered 503, and those
/// who have a session keep it.
///
/// An ID token that expired is replaced by means of a refresh token, if the provider gave one (for most: the scope `offline_access`);
/// without, people sign in again. Either way they sign in again after 12 hours. A stream ends when the session expires that it was
/// opened with: its client connects again, and with that request the session is renewed.
#[derive(Clone)]
pub struct OpenIdConnect {
    inner: Arc<Inner>,
}

struct Inner {
    provider: Arc<Provider>,
    refreshes: Refreshes,
    redirect: Url,
}

impl fmt::Debug for OpenIdConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenIdConnect").field("issuer", &self.inner.provider.issuer()).finish_non_exhaustive()
    }
}

/// Configures [`OpenIdConnect`].
#[derive(Clone)]
pub struct OpenIdConnectBuilder {
    issuer: String,
    client_id: String,
    redirect_url: String,
    secret: Option<ClientSecret>,
    scopes: Vec<String>,
    username_claim: String,
    username_prefix: Option<String>,
    groups_claim: Option<String>,
    groups_prefix: String,
    authorities: Option<Vec<u8>>,
}

impl fmt::Debug for OpenIdConnectBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenIdConnectBuilder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// An option of [`OpenIdConnectBuilder`] that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidOpenIdConnect {
    /// The builder's name for the option.
    pub option: &'static str,
    problem: String,
}

impl InvalidOpenIdConnect {
    fn new(option: &'static str, problem: impl Into<String>) -> Self {
        Self { option, problem: problem.into() }
    }

    /// What is wrong with it, without its name.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for InvalidOpenIdConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.option, self.problem)
    }
}

impl std::error::Error for InvalidOpenIdConnect {}

impl OpenIdConnect {
    /// Begins to configure it: the provider's issuer URL, exactly as the provider writes it; the id under which it knows this program;
    /// and the URL of `/auth/callback` as browsers reach it, which the provider has to know, too.
    #[must_use]
    pub fn builder(
        issuer: impl Into<String>,
        client_id: impl Into<String>,
        redirect_url: impl Into<String>,
    ) -> OpenIdConnectBuilder {
        OpenIdConnectBuilder {
            issuer: issuer.into(),
            client_id: client_id.into(),
            redirect_url: redirect_url.into(),
            secret: None,
            scopes: Vec::new(),
            username_claim: "sub".into(),
            username_prefix: None,
            groups_claim: None,
            groups_prefix: String::new(),
            authorities: None,
        }
    }

    /// Asks the provider until it has answered once, so that a wrong URL is in the log before anybody wants to sign in. Optional: what
    /// needs the provider asks by itself.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops asking, until somebody signs in.
    pub async fn connect(&self) {
        self.inner.provider.connect().await;
    }

    /// Below what the router lies, as browsers see it; with a slash at its end.
    fn base_path(&self) -> &str {
        self.inner.redirect.path().strip_suffix(CALLBACK).unwrap_or("/")
    }
}

impl OpenIdConnectBuilder {
    /// Sets the client's secret; without one, this is a public client, and PKCE alone protects its codes.
    #[must_use]
    pub fn client_secret(mut self, secret: impl Into<String>) -> Self {
        self.secret = Some(ClientSecret::new(secret.into()));
        self
    }

    /// The same, from a file; white space around it is no part of it.
    ///
    /// # Errors
    ///
    /// When the file can't be read, or holds nothing.
    pub fn client_secret_file(self, path: impl AsRef<Path>) -> Result<Self, InvalidOpenIdConnect> {
        let path = path.as_ref();
        let wrong = |problem: String| {
            InvalidOpenIdConnect::new("client_secret_file", format!("{}: {problem}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        match text.trim() {
            "" => Err(wrong("is empty".into())),
            secret => Ok(self.client_secret(secret)),
        }
    }

    /// Sets the scopes to ask for besides `openid`; none, unless set. Which of them makes the provider tell groups or give a refresh
    /// token is the provider's to say: often `groups`, `profile`, `email` and `offline_access`.
    #[must_use]
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).filter(|scope| scope != "openid").collect();
        self
    }

    /// Sets the claim that holds the name; `sub`, unless set. As the API server's `--oidc-username-claim`.
    #[must_use]
    pub fn username_claim(mut self, claim: impl Into<String>) -> Self {
        self.username_claim = claim.into();
        self
    }

    /// Sets what comes before the name. Unless set, it is the issuer and `#`, but nothing before an `email`; `-` is nothing, too. As the
    /// API server's `--oidc-username-prefix`.
    #[must_use]
    pub fn username_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.username_prefix = Some(prefix.into());
        self
    }

    /// Sets the claim that holds the groups, as a string or an array of strings; no groups, unless set. As the API server's
    /// `--oidc-groups-claim`.
    #[must_use]
    pub fn groups_claim(mut self, claim: impl Into<String>) -> Self {
        self.groups_claim = Some(claim.into());
        self
    }

    /// Sets what comes before each group; nothing, unless set. As the API server's `--oidc-groups-prefix`.
    #[must_use]
    pub fn groups_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.groups_prefix = prefix.into();
        self
    }

    /// Believes the authorities in a PEM file, besides the system's, when the provider shows its certificate. As the API server's
    /// `--oidc-ca-file`.
    ///
    /// # Errors
    ///
    /// When the file can't be read.
    pub fn ca_file(mut self, path: impl AsRef<Path>) -> Result<Self, InvalidOpenIdConnect> {
        let path = path.as_ref();
        let pem = std::fs::read(path)
            .map_err(|error| InvalidOpenIdConnect::new("ca_file", format!("{}: {error}", path.display())))?;
        self.authorities = Some(pem);
        Ok(self)
    }

    /// Makes it; the provider is asked only later.
    ///
    /// # Errors
    ///
    /// When an option makes no sense, or the system has no certificates of authorities.
    pub fn build(self) -> Result<OpenIdConnect, InvalidOpenIdConnect> {
        let issuer = checked("issuer", &self.issuer)?;
        if issuer.query().is_some() {
            return Err(InvalidOpenIdConnect::new("issuer", "has a query, which no issuer has"));
        }
        let redirect = checked("redirect_url", &self.redirect_url)?;
        if !redirect.path().ends_with(&format!("/{CALLBACK}")) || redirect.query().is_some() {
            return Err(InvalidOpenIdConnect::new(
                "redirect_url",
                format!("must end with /{CALLBACK}, which is where browsers come back to"),
            ));
        }
        if self.client_id.is_empty() {
            return Err(InvalidOpenIdConnect::new("client_id", "is empty"));
        }
        let bad = |scope: &&String| {
            scope.is_empty()
                || !scope.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\,".contains(&byte))
        };
        if let Some(scope) = self.scopes.iter().find(bad) {
            return Err(InvalidOpenIdConnect::new("scopes", format!("{scope:?} is no scope")));
        }
        let rules = ClaimRules::new(
            &self.issuer,
            self.username_claim,
            self.username_prefix,
            self.groups_claim,
            self.groups_prefix,
        )?;
        let http = Http::new(self.authorities.as_deref())
            .map_err(|problem| InvalidOpenIdConnect::new("ca_file", problem))?;
        // The text and not the parsed URL: issuers are compared letter by letter.
        let issuer = IssuerUrl::new(self.issuer)
            .map_err(|error| InvalidOpenIdConnect::new("issuer", error.to_string()))?;
        let client = Client {
            id: ClientId::new(self.client_id),
            secret: self.secret,
            redirect: RedirectUrl::from_url(redirect.clone()),
            scopes: self.scopes,
        };
        let provider = Arc::new(Provider::new(issuer, client, rules, http));
        let refreshes = Refreshes::default();
        Ok(OpenIdConnect { inner: Arc::new(Inner { provider, refreshes, redirect }) })
    }
}

fn checked(option: &'static str, text: &str) -> Result<Url, InvalidOpenIdConnect> {
    let url = Url::parse(text)
        .map_err(|error| InvalidOpenIdConnect::new(option, format!("{text:?} is no URL: {error}")))?;
    if !is_allowed(&url) {
        return Err(InvalidOpenIdConnect::new(
            option,
            format!("{text:?} must begin with https://; http:// is for loopback addresses only"),
        ));
    }
    if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(InvalidOpenIdConnect::new(
            option,
            "has a user, password or fragment, which it can't have",
        ));
    }
    Ok(url)
}

#[async_trait]
impl Authenticator for OpenIdConnect {
    /// Believes the session that the router found in the request's cookies.
    async fn authenticate(&self, request: &Parts) -> Result<Arc<UserInfo>, AuthenticationError> {
        sign_in::user_of(request.extensions.get::<Session>())
    }

    fn scheme(&self) -> Scheme {
        Scheme::Oidc
    }

    fn openid_connect(&self) -> Option<&OpenIdConnect> {
        Some(self)
    }
}

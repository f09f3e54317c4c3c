//! The provider: what it says about itself, its keys, and its tokens.
//!
//! What it says about itself (OpenID Connect Discovery 1.0) is asked for when somebody needs it, by one request at a time, and after a
//! failure ever more rarely: until then nobody waits in vain. Keys are fetched again when a token was signed with one that is not known,
//! at most every few seconds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ingress_core::access::UserInfo;
use ingress_core::resilience::backoff::{BackoffPolicy, Jitter};
use openidconnect::core::{
    CoreAuthPrompt, CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreErrorResponseType,
    CoreIdToken, CoreJwsSigningAlgorithm, CoreTokenResponse,
};
use openidconnect::url::Url;
use openidconnect::{
    AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken, DiscoveryError,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, JsonWebKeySet, LogoutRequest, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, ProviderMetadataWithLogout, RedirectUrl,
    RefreshToken, RequestTokenError, Scope, SignatureVerificationError, StandardErrorResponse,
    TokenResponse as _,
};
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep_until};

use super::claims::ClaimRules;
use super::http_client::{Http, HttpError, is_allowed};
use crate::auth::AuthenticationError;

/// How long what the provider says about itself is believed without asking again.
const FRESH: Duration = Duration::from_secs(3600);
/// How long keys that were fetched are taken for all there are.
const KEYS_AGAIN: Duration = Duration::from_secs(5);
/// The waits after failures: at first, and at most.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How this program presents itself to the provider.
pub(super) struct Client {
    pub(super) id: ClientId,
    pub(super) secret: Option<ClientSecret>,
    pub(super) redirect: RedirectUrl,
    /// Besides `openid`.
    pub(super) scopes: Vec<String>,
}

pub(super) struct Provider {
    issuer: IssuerUrl,
    client: Client,
    rules: ClaimRules,
    http: Http,
    waits: Option<BackoffPolicy>,
    known: Mutex<Option<Arc<Known>>>,
    /// Held by whoever asks.
    attempts: tokio::sync::Mutex<Attempts>,
}

/// What the provider said about itself.
struct Known {
    metadata: ProviderMetadataWithLogout,
    at: Instant,
}

#[derive(Default)]
struct Attempts {
    failures: u32,
    /// When to ask again after a failure.
    next: Option<Instant>,
    /// When the keys were asked for.
    keys: Option<Instant>,
}

/// What a browser is sent away with.
pub(super) struct Departure {
    pub(super) url: Url,
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
}

/// What an ID token said, together with what came along.
#[derive(Clone)]
pub(super) struct Signed {
    pub(super) user: UserInfo,
    pub(super) subject: String,
    /// In seconds since the Unix epoch.
    pub(super) expires: i64,
    pub(super) refresh: Option<String>,
}

/// What an ID token must repeat.
#[derive(Clone, Copy)]
enum Expected<'a> {
    /// The nonce of this sign-in.
    SignIn { nonce: &'a str },
    /// The person; and the nonce, if there is one (OpenID Connect Core 1.0, section 12.2).
    Renewal { nonce: &'a str, subject: &'a str },
}

type Endpoints = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;
type TokenError = RequestTokenError<HttpError, StandardErrorResponse<CoreErrorResponseType>>;

impl Provider {
    pub(super) fn new(issuer: IssuerUrl, client: Client, rules: ClaimRules, http: Http) -> Self {
        let waits = BackoffPolicy::new(WAITS.0, 2.0, WAITS.1, Jitter::Equal).ok();
        Self {
            issuer,
            client,
            rules,
            http,
            waits,
            known: Mutex::default(),
            attempts: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn issuer(&self) -> &str {
        self.issuer.as_str()
    }

    /// Asks until there was an answer.
    pub(super) async fn connect(&self) {
        while self.discovered().await.is_err() {
            let next = self.attempts.lock().await.next;
            sleep_until(next.unwrap_or_else(|| Instant::now() + WAITS.0)).await;
        }
    }

    /// Where a browser goes to sign in.
    pub(super) async fn depart(&self) -> Result<Departure, AuthenticationError> {
        let endpoints = self.endpoints(&*self.discovered().await?)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let scopes = self.client.scopes.iter().cloned().map(Scope::new);
        let mut request = endpoints
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .add_scopes(scopes)
            .set_pkce_challenge(challenge);
        // Without, a provider must not give a refresh token (OpenID Connect Core 1.0, section 11).
        if self.client.scopes.iter().any(|scope| scope == "offline_access") {
            request = request.add_prompt(CoreAuthPrompt::Consent);
        }
        let (url, state, nonce) = request.url();
        Ok(Departure {
            url,
            state: state.into_secret(),
            nonce: nonce.secret().clone(),
            verifier: verifier.into_secret(),
        })
    }

    /// Exchanges the code that a browser brought along.
    pub(super) async fn arrive(
        &self,
        code: String,
        verifier: String,
        nonce: &str,
    ) -> Result<Signed, AuthenticationError> {
        let known = self.discovered().await?;
        let endpoints = self.endpoints(&known)?;
        let answer = endpoints
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|_| unavailable("names no token endpoint"))?
            .set_pkce_verifier(PkceCodeVerifier::new(verifier))
            .request_async(&self.http)
            .await
            .map_err(|error| self.refused("the code", error))?;
        self.believe(known, &answer, Expected::SignIn { nonce }).await
    }

    /// Exchanges a refresh token for a newer ID token of the same person.
    pub(super) async fn renew(
        &self,
        token: String,
        nonce: &str,
        subject: &str,
    ) -> Result<Signed, AuthenticationError> {
        let known = self.discovered().await?;
        let endpoints = self.endpoints(&known)?;
        let answer = endpoints
            .exchange_refresh_token(&RefreshToken::new(token))
            .map_err(|_| unavailable("names no token endpoint"))?
            .request_async(&self.http)
            .await
            .map_err(|error| self.refused("the refresh token", error))?;
        self.believe(known, &answer, Expected::Renewal { nonce, subject }).await
    }

    /// Where a browser goes to sign out there, too, if the provider has such a place and was ever asked.
    pub(super) fn sign_out_url(&self) -> Option<Url> {
        let known = self.known()?;
        let endpoint = known.metadata.additional_metadata().end_session_endpoint.clone()?;
        let url = LogoutRequest::from(endpoint).set_client_id(self.client.id.clone()).http_get_url();
        Some(url).filter(is_allowed)
    }

    fn known(&self) -> Option<Arc<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn know(&self, metadata: ProviderMetadataWithLogout) -> Arc<Known> {
        let known = Arc::new(Known { metadata, at: Instant::now() });
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
        known
    }

    /// What the provider says about itself, asked for if that was never answered or long ago.
    async fn discovered(&self) -> Result<Arc<Known>, AuthenticationError> {
        let fresh = || self.known().filter(|known| known.at.elapsed() < FRESH);
        if let Some(known) = fresh() {
            return Ok(known);
        }
        let mut attempts = self.attempts.lock().await;
        if let Some(known) = fresh() {
            return Ok(known);
        }
        let held = || self.known().ok_or_else(|| unavailable("can't be reached"));
        if attempts.next.is_some_and(|next| Instant::now() < next) {
            return held();
        }
        let asked = ProviderMetadataWithLogout::discover_async(self.issuer.clone(), &self.http).await;
        match asked.map_err(|error| why(&error)).and_then(checked) {
            Ok(metadata) => {
                tracing::info!(issuer = self.issuer(), "the identity provider answered");
                *attempts = Attempts { keys: Some(Instant::now()), ..Attempts::default() };
                Ok(self.know(metadata))
            }
            Err(why) => {
                attempts.failures = attempts.failures.saturating_add(1);
                let wait =
                    self.waits.map_or(WAITS.1, |waits| waits.wait(attempts.failures, &mut rand::rng()));
                attempts.next = Some(Instant::now() + wait);
                tracing::warn!(
                    issuer = self.issuer(),
                    why,
                    ?wait,
                    "the identity provider does not answer as it should"
                );
                held()
            }
        }
    }

    /// What is known, with keys that are newer than those that some request had; `None` when they were fetched just now.
    async fn with_newer_keys(&self, old: &Arc<Known>) -> Option<Arc<Known>> {
        let mut attempts = self.attempts.lock().await;
        if let Some(known) = self.known().filter(|known| !Arc::ptr_eq(known, old)) {
            return Some(known);
        }
        if attempts.keys.is_some_and(|at| at.elapsed() < KEYS_AGAIN) {
            return None;
        }
        attempts.keys = Some(Instant::now());
        match JsonWebKeySet::fetch_async(old.metadata.jwks_uri(), &self.http).await {
            Ok(keys) => {
                tracing::info!(
                    issuer = self.issuer(),
                    keys = keys.keys().len(),
                    "the identity provider's keys were fetched again"
                );
                Some(self.know(old.metadata.clone().set_jwks(keys)))
            }
            Err(error) => {
                tracing::warn!(
                    issuer = self.issuer(),
                    why = why(&error),
                    "the identity provider's keys can't be fetched"
                );
                None
            }
        }
    }

    fn endpoints(&self, known: &Known) -> Result<Endpoints, AuthenticationError> {
        let Client { id, secret, redirect, .. } = &self.client;
        let metadata = known.metadata.clone();
        let methods = metadata.token_endpoint_auth_methods_supported();
        let takes = |method| methods.is_none_or(|methods| methods.contains(&method));
        // Where nothing is said, the header it is (OpenID Connect Discovery 1.0, section 3).
        let auth = if takes(CoreClientAuthMethod::ClientSecretBasic) {
            AuthType::BasicAuth
        } else {
            AuthType::RequestBody
        };
        if !is_allowed(metadata.authorization_endpoint().url()) {
            return Err(unavailable("names an authorization endpoint that is not https"));
        }
        Ok(CoreClient::from_provider_metadata(metadata, id.clone(), secret.clone())
            .set_auth_type(auth)
            .set_redirect_uri(redirect.clone()))
    }

    async fn believe(
        &self,
        known: Arc<Known>,
        answer: &CoreTokenResponse,
        expected: Expected<'_>,
    ) -> Result<Signed, AuthenticationError> {
        let token = answer.id_token().ok_or_else(|| {
            tracing::warn!(issuer = self.issuer(), "the identity provider gave no ID token");
            AuthenticationError::invalid("the identity provider gave no ID token: sign in again")
        })?;
        let verified = match self.verify(&known, token, expected) {
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            )) => {
                let newer = self.with_newer_keys(&known).await;
                self.verify(newer.as_ref().unwrap_or(&known), token, expected)
            }
            verified => verified,
        };
        let wrong = |why: &str| {
            tracing::warn!(issuer = self.issuer(), why, "an ID token is not believed");
            AuthenticationError::invalid(format!("the identity provider's ID token is not believed: {why}"))
        };
        let (subject, expires) = verified.map_err(|error| wrong(in_words(&error)))?;
        if matches!(expected, Expected::Renewal { subject: before, .. } if before != subject) {
            return Err(wrong("it is of another person than before"));
        }
        let claims = payload(token).ok_or_else(|| wrong("it can't be read"))?;
        if claims.get("azp").is_some_and(|party| party.as_str() != Some(self.client.id.as_str())) {
            return Err(wrong("it was made for another client"));
        }
        let user = self.rules.user(&claims).map_err(|why| wrong(&why))?;
        let refresh = answer.refresh_token().map(|token| token.secret().clone());
        Ok(Signed { user, subject, expires, refresh })
    }

    /// Signature, issuer, audience, expiry and nonce (OpenID Connect Core 1.0, section 3.1.3.7); who it is of, and until when.
    fn verify(
        &self,
        known: &Known,
        token: &CoreIdToken,
        expected: Expected<'_>,
    ) -> Result<(String, i64), ClaimsVerificationError> {
        let endpoints =
            self.endpoints(known).map_err(|error| ClaimsVerificationError::Other(error.to_string()))?;
        let verifier = endpoints
            .id_token_verifier()
            .set_allowed_algs(asymmetric(known.metadata.id_token_signing_alg_values_supported()))
            // A token may be for others besides; `azp` says for whom it was made.
            .set_other_audience_verifier_fn(|_| true);
        let claims = match expected {
            Expected::SignIn { nonce } => token.claims(&verifier, &Nonce::new(nonce.to_owned()))?,
            Expected::Renewal { nonce, .. } => token.claims(&verifier, |given: Option<&Nonce>| {
                if given.is_none_or(|given| given.secret() == nonce) { Ok(()) } else { Err(String::new()) }
            })?,
        };
        Ok((claims.subject().to_string(), claims.expiration().timestamp()))
    }

    /// Why a code or a token was not exchanged. What the provider says about it is for its own log; only its codes are read.
    fn refused(&self, what: &str, error: TokenError) -> AuthenticationError {
        match error {
            RequestTokenError::ServerResponse(answer)
                if *answer.error() == CoreErrorResponseType::InvalidGrant =>
            {
                tracing::info!(
                    issuer = self.issuer(),
                    what,
                    "the identity provider does not take something any more"
                );
                AuthenticationError::invalid(format!(
                    "the identity provider does not take {what}: sign in again"
                ))
            }
            RequestTokenError::ServerResponse(answer) => {
                let code = known_code(answer.error().as_ref());
                tracing::error!(
                    issuer = self.issuer(),
                    code,
                    "the identity provider refuses this program; are client id, secret and scopes right?"
                );
                unavailable("refuses this program")
            }
            RequestTokenError::Request(error) => {
                tracing::warn!(issuer = self.issuer(), %error, "the identity provider can't be asked");
                unavailable("can't be reached")
            }
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                tracing::warn!(issuer = self.issuer(), "the identity provider's answer can't be read");
                unavailable("gave an answer that can't be read")
            }
        }
    }
}

/// What the provider says about itself, if it can be worked with.
fn checked(metadata: ProviderMetadataWithLogout) -> Result<ProviderMetadataWithLogout, String> {
    if metadata.token_endpoint().is_none() {
        return Err("it names no token endpoint".into());
    }
    if asymmetric(metadata.id_token_signing_alg_values_supported()).is_empty() {
        return Err(
            "it signs ID tokens with no algorithm that is understood here (RS256, ES256 and their like)"
                .into(),
        );
    }
    Ok(metadata)
}

/// The algorithms by which whoever checks can't sign; never `none`, and none with a shared secret.
fn asymmetric(algorithms: &[CoreJwsSigningAlgorithm]) -> Vec<CoreJwsSigningAlgorithm> {
    use CoreJwsSigningAlgorithm as Algorithm;
    let shared = |algorithm: &Algorithm| {
        matches!(
            algorithm,
            Algorithm::None | Algorithm::HmacSha256 | Algorithm::HmacSha384 | Algorithm::HmacSha512
        )
    };
    algorithms.iter().filter(|algorithm| !shared(algorithm)).cloned().collect()
}

/// All claims of a token that was verified.
fn payload(token: &CoreIdToken) -> Option<Map<String, Value>> {
    let text = token.to_string();
    let payload = text.split('.').nth(1)?;
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// The codes of RFC 6749 (sections 4.1.2.1 and 5.2) and of OpenID Connect Core 1.0 (section 3.1.2.6), and nothing else that somebody
/// may have put in their place.
pub(super) fn known_code(code: &str) -> &'static str {
    const CODES: [&str; 16] = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
        "unsupported_response_type",
        "access_denied",
        "server_error",
        "temporarily_unavailable",
        "interaction_required",
        "login_required",
        "account_selection_required",
        "consent_required",
        "request_not_supported",
        "registration_not_supported",
    ];
    CODES.into_iter().find(|known| *known == code).unwrap_or("an error that has no name")
}

/// Why a token is not believed, without anything that stands in it.
fn in_words(error: &ClaimsVerificationError) -> &'static str {
    match error {
        ClaimsVerificationError::Expired(_) => "it has expired",
        ClaimsVerificationError::InvalidAudience(_) => "it is for another audience",
        ClaimsVerificationError::InvalidIssuer(_) => "it is by another issuer",
        ClaimsVerificationError::InvalidNonce(_) => "it belongs to another sign-in (nonce)",
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey) => {
            "it is signed with a key that the provider does not have"
        }
        ClaimsVerificationError::SignatureVerification(
            SignatureVerificationError::DisallowedAlg(_)
            | SignatureVerificationError::UnsupportedAlg(_)
            | SignatureVerificationError::NoSignature,
        ) => "it is signed in a way that is not accepted",
        ClaimsVerificationError::SignatureVerification(_) => "its signature is wrong",
        _ => "it is not as it should be",
    }
}

fn why(error: &DiscoveryError<HttpError>) -> String {
    match error {
        DiscoveryError::Request(error) => error.to_string(),
        DiscoveryError::Response(status, ..) => {
            format!("it answered {status}, or something that is not JSON")
        }
        // Names the field, and what of JSON it is.
        DiscoveryError::Parse(error) => {
            format!("what it says about itself can't be read at {}", error.path())
        }
        DiscoveryError::Validation(_) => {
            "it calls itself by another issuer URL than the configured one".into()
        }
        _ => "it can't be asked".into(),
    }
}

fn unavailable(what: &str) -> AuthenticationError {
    AuthenticationError::unavailable(format!("the identity provider {what}"))
}

//! `/auth/login` and `/auth/callback`: the way to the provider, and back.
//!
//! Between the two, a cookie of the browser holds what must be the same when it comes back. It is sent to `/auth/callback` only, and is
//! `SameSite=Lax`, since that is where another site sends the browser to. It is taken back there, whatever comes of it, so that a
//! callback that is opened again finds nothing; and the provider takes no code twice. A browser that begins twice at the same time ends
//! with what it began last.

use std::time::Duration;

use axum::extract::{RawQuery, Request, State};
use axum::response::{IntoResponse as _, Response};
use cookie::SameSite;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use ingress_core::clock::wall_now;
use sha2::{Digest as _, Sha256};

use super::provider::known_code;
use super::session::{LOGIN, Login};
use super::{CALLBACK, SignIn, return_path};
use crate::app::App;
use crate::auth::AuthenticationError;
use crate::auth::gate::with_cookies;
use crate::auth::sealed::{Attributes, TooLong, headers_of, removal};
use crate::params::Params;
use crate::problem::{Problem, ProblemType};
use crate::respond;

/// How long somebody may take to sign in.
const LASTS: Duration = Duration::from_secs(600);
/// How long a code may be; what is longer is none.
const MAX_CODE: usize = 4096;

/// `GET /auth/login?return=/path`: away to the provider.
pub(crate) async fn login(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let sign_in = app.entrance().gate().openid_connect().ok_or_else(SignIn::absent)?;
    let mut params = Params::parse(query.as_deref())?;
    let back = params.one("return")?;
    params.finish()?;
    let back = back.unwrap_or_else(|| sign_in.home().to_owned());
    if !return_path::is_safe(&back) {
        return Err(Problem::parameter(
            "return",
            "`return` must be a path of this site: one `/` at its beginning, and neither `\\` nor spaces in it",
        ));
    }
    let departure = sign_in.oidc.inner.provider.depart().await.map_err(|error| sign_in.problem(&error))?;
    let lasts = i64::try_from(LASTS.as_secs()).unwrap_or(i64::MAX);
    let login = Login {
        state: departure.state,
        nonce: departure.nonce,
        verifier: departure.verifier,
        back,
        until: wall_now().as_second().saturating_add(lasts),
    };
    let path = sign_in.callback_path();
    let sealed =
        sign_in.key.seal(LOGIN, &serde_json::to_string(&login)?, 1, sign_in.login_attributes(&path, &parts));
    let cookies = sealed.map_err(|TooLong| Problem::parameter("return", "`return` is too long"))?;
    Ok(with_cookies(to(departure.url.as_str())?, headers_of(cookies)?))
}

/// `GET /auth/callback?code&state`: back from the provider.
pub(crate) async fn callback(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let sign_in = app.entrance().gate().openid_connect().ok_or_else(SignIn::absent)?;
    let path = sign_in.callback_path();
    let gone =
        headers_of(removal(LOGIN, 0, sign_in.login_attributes(&path, &parts)).into_iter().take(1).collect())?;
    let answer = match arrive(sign_in, query.as_deref(), &parts).await {
        Ok(answer) => answer,
        Err(problem) => problem.into_response(),
    };
    Ok(with_cookies(answer, gone))
}

async fn arrive(sign_in: SignIn<'_>, query: Option<&str>, parts: &Parts) -> Result<Response, Problem> {
    // Providers add parameters of their own (`iss`, `session_state`, `scope`), which are nobody's mistake.
    let mut params = Params::parse(query)?;
    let (code, state, error) = (params.one("code")?, params.one("state")?, params.one("error")?);
    let issuer = params.one("iss")?;
    let state =
        state.ok_or_else(|| Problem::parameter("state", "`state` is missing: begin at /auth/login"))?;
    let login = Login::open(sign_in.key, &parts.headers).filter(|login| is_same(&login.state, &state));
    let Some(login) = login else {
        return Err(Problem::parameter(
            "state",
            "`state` belongs to no sign-in that this browser began within ten minutes: begin again at /auth/login",
        ));
    };
    // Whoever answers says who they are (RFC 9207), if they do.
    if issuer.is_some_and(|issuer| issuer != sign_in.oidc.inner.provider.issuer()) {
        return Err(Problem::parameter(
            "iss",
            "`iss` is another identity provider than the one that was asked",
        ));
    }
    if let Some(error) = error {
        let code = known_code(&error);
        tracing::info!(code, "somebody did not sign in");
        let error =
            AuthenticationError::invalid(format!("the identity provider did not sign you in: {code}"));
        return Err(sign_in.problem(&error));
    }
    let code = code.filter(|code| !code.is_empty() && code.len() <= MAX_CODE);
    let code = code.ok_or_else(|| Problem::parameter("code", "`code` is missing: begin at /auth/login"))?;
    let signed = sign_in.oidc.inner.provider.arrive(code, login.verifier, &login.nonce).await;
    let cookies = signed.and_then(|signed| {
        tracing::info!(user = signed.user.username, "somebody signed in");
        sign_in.begin(signed, login.nonce, parts)
    });
    let cookies = cookies.map_err(|error| sign_in.problem(&error))?;
    Ok(with_cookies(to(&login.back)?, cookies))
}

/// Compares without telling by the time it takes.
fn is_same(one: &str, other: &str) -> bool {
    Sha256::digest(one) == Sha256::digest(other)
}

fn to(url: &str) -> Result<Response, Problem> {
    let url = HeaderValue::try_from(url)
        .map_err(|_| Problem::new(ProblemType::Internal, "the address could not be written"))?;
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, url);
    headers.insert(header::CACHE_CONTROL, respond::NO_STORE);
    Ok(response)
}

impl SignIn<'_> {
    /// Where the page is: axum serves what is nested without a slash at the end.
    fn home(&self) -> &str {
        match self.oidc.base_path().trim_end_matches('/') {
            "" => "/",
            path => path,
        }
    }

    fn callback_path(&self) -> String {
        format!("{}{CALLBACK}", self.oidc.base_path())
    }

    fn login_attributes<'p>(&self, path: &'p str, request: &Parts) -> Attributes<'p> {
        Attributes { path, secure: self.is_secure(request), same_site: SameSite::Lax, lasts: LASTS }
    }
}

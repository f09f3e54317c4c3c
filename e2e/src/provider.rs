//! An OpenID Connect provider on loopback, and a browser that signs in with it.
//!
//! The provider is panva's `oidc-provider` for Node.js, a certified implementation, with its own pages for development: anybody may sign
//! in under any name, and is in the groups that the name says after a `+`. `e2e/servers/provider` has it.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use http::StatusCode;

use crate::assets;
use crate::lab::Lab;
use crate::process::Process;
use crate::rest::Answer;
use crate::wait;

/// The client's secret; no log may hold it.
pub const SECRET: &str = "the-secret-of-the-client";
/// How many redirects a browser follows in a row.
const REDIRECTS: usize = 20;

/// A running provider.
#[derive(Debug)]
pub struct Provider {
    process: Process,
    issuer: String,
}

impl Provider {
    /// The issuer URL of a provider on this port.
    #[must_use]
    pub fn issuer_at(port: u16) -> String {
        format!("http://127.0.0.1:{port}")
    }

    /// Starts a provider whose ID tokens last so long, and waits until it answers.
    ///
    /// # Errors
    ///
    /// When it can't be installed or started.
    pub async fn start(lab: &Lab, port: u16, redirect: &str, lasts: Duration) -> Result<Self> {
        let mut command = Command::new("node");
        // Seconds the first time, nothing afterwards.
        command.arg(assets::made_by("servers/provider/build")?.join("provider.mjs"));
        command.args([&port.to_string(), SECRET, redirect, &lasts.as_secs().to_string()]);
        let process = Process::start(lab, "provider", command)?;
        let mut provider = Self { process, issuer: Self::issuer_at(port) };
        let browser = Browser::new()?;
        let url = format!("{}/.well-known/openid-configuration", provider.issuer);
        wait::until("the provider to answer", wait::PATIENCE, async || {
            provider.process.ensure_running()?;
            Ok(browser.ask(&url, None).await.is_ok_and(|answer| answer.status == StatusCode::OK))
        })
        .await?;
        Ok(provider)
    }

    /// What it calls itself.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Ends it.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }
}

/// Keeps cookies as a browser does, by path (all hosts here are one), and runs no scripts.
#[derive(Debug)]
pub struct Browser {
    http: reqwest::Client,
    cookies: BTreeMap<(String, String), String>,
}

impl Browser {
    /// One without cookies.
    ///
    /// # Errors
    ///
    /// When the HTTP client can't be made.
    pub fn new() -> Result<Self> {
        let http =
            reqwest::Client::builder().http1_only().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { http, cookies: BTreeMap::new() })
    }

    /// The names of its cookies.
    #[must_use]
    pub fn cookies(&self) -> Vec<&str> {
        self.cookies.keys().map(|(name, _)| name.as_str()).collect()
    }

    /// The header `Cookie` as it is sent to this address.
    #[must_use]
    pub fn cookies_for(&self, url: &str) -> String {
        let path = path_of(url);
        let is_sent = |scope: &str| {
            path == scope
                || path.strip_prefix(scope).is_some_and(|rest| scope.ends_with('/') || rest.starts_with('/'))
        };
        let sent = self.cookies.iter().filter(|((_, scope), _)| is_sent(scope));
        sent.map(|((name, _), value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// GETs an address, and keeps the cookies of the answer.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub async fn get(&mut self, url: &str) -> Result<Answer> {
        let answer = self.ask(url, None).await?;
        self.keep(url, &answer)?;
        Ok(answer)
    }

    /// Signs out.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub async fn sign_out(&mut self, base: &str) -> Result<Answer> {
        let url = format!("{base}/auth/session");
        let request = self.http.delete(&url).header("cookie", self.cookies_for(&url));
        let answer = finish(request).await?;
        self.keep(&url, &answer)?;
        Ok(answer)
    }

    /// Signs in at a dashboard as somebody, `name+group+group`, by filling in the provider's forms; gives the page at the end.
    ///
    /// # Errors
    ///
    /// When the way does not lead back.
    pub async fn sign_in(&mut self, base: &str, login: &str) -> Result<Answer> {
        let (mut url, mut answer) = self.follow(format!("{base}/auth/login?return=/livez"), None).await?;
        // Who they are, then whether they agree.
        for _ in 0..3 {
            if url.starts_with(base) {
                return Ok(answer);
            }
            ensure!(answer.status == StatusCode::OK, "{url} answered {}: {}", answer.status, answer.text());
            let page = answer.text();
            let action = between(&page, "action=\"", "\"").with_context(|| format!("no form: {page}"))?;
            let prompt = between(&page, "name=\"prompt\" value=\"", "\"").context("no prompt in the form")?;
            let form = format!("prompt={prompt}&login={}&password=x", login.replace('+', "%2B"));
            (url, answer) = self.follow(action.to_owned(), Some(form)).await?;
        }
        bail!("still at {url}: {}", answer.text())
    }

    /// Goes to an address, with a form if there is one, and wherever that sends it.
    async fn follow(&mut self, mut url: String, mut form: Option<String>) -> Result<(String, Answer)> {
        for _ in 0..REDIRECTS {
            let answer = self.ask(&url, form.take()).await?;
            self.keep(&url, &answer)?;
            if !answer.status.is_redirection() {
                return Ok((url, answer));
            }
            let location = answer.header("location");
            url = if location.starts_with('/') {
                format!("{}{location}", url.strip_suffix(path_and_query(&url)).unwrap_or_default())
            } else {
                location.to_owned()
            };
        }
        bail!("redirected without end, to {url} at last")
    }

    async fn ask(&self, url: &str, form: Option<String>) -> Result<Answer> {
        let request = match form {
            None => self.http.get(url),
            Some(form) => {
                self.http.post(url).header("content-type", "application/x-www-form-urlencoded").body(form)
            }
        };
        let cookies = self.cookies_for(url);
        finish(if cookies.is_empty() { request } else { request.header("cookie", cookies) }).await
    }

    fn keep(&mut self, url: &str, answer: &Answer) -> Result<()> {
        for cookie in answer.headers.get_all("set-cookie") {
            let mut parts = cookie.to_str()?.split(';').map(str::trim);
            let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).context("no cookie")?;
            let attributes: BTreeMap<String, &str> = parts
                .map(|part| part.split_once('=').unwrap_or((part, "")))
                .map(|(name, value)| (name.to_lowercase(), value))
                .collect();
            let path = attributes.get("path").copied().unwrap_or_else(|| path_of(url));
            let key = (name.to_owned(), path.to_owned());
            let is_gone = attributes.get("max-age") == Some(&"0")
                || attributes.get("expires").is_some_and(|date| date.contains(" 1970 "));
            if is_gone {
                self.cookies.remove(&key);
            } else {
                self.cookies.insert(key, value.to_owned());
            }
        }
        Ok(())
    }
}

async fn finish(request: reqwest::RequestBuilder) -> Result<Answer> {
    let answer = request.timeout(Duration::from_secs(20)).send().await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    Ok(Answer { status, headers, body: answer.bytes().await?.to_vec() })
}

/// What comes after the host.
fn path_and_query(url: &str) -> &str {
    let after = url.find("://").and_then(|at| url.get(at + 3..)).unwrap_or_default();
    after.find('/').and_then(|at| after.get(at..)).unwrap_or_default()
}

fn path_of(url: &str) -> &str {
    path_and_query(url).split('?').next().filter(|path| !path.is_empty()).unwrap_or("/")
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

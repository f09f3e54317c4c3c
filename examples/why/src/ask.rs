//! What is asked: a request, as far as routes are chosen by it.

use std::str::FromStr;

use ingress_core::route::matcher::Request;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) url: String,
    pub(crate) tls: bool,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) method: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl FromStr for Question {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let uri: http::Uri = text.parse().map_err(|error| format!("{text} is no URL: {error}"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            other => return Err(format!("{} is neither http nor https", other.unwrap_or("the scheme"))),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or("the URL has no host")?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            tls,
            host: host.to_owned(),
            path: path.to_owned(),
            method: "GET".to_owned(),
            headers: Vec::new(),
            url: text,
        })
    }
}

impl Question {
    /// What routes are chosen by.
    pub(crate) fn request(&self) -> Request {
        let request = Request::new(&self.host, &self.path).method(&self.method).tls(self.tls);
        self.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }
}

/// A header as curl takes it.
pub(crate) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header is written NAME: VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

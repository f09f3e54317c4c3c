//! The query of a request: every parameter is understood by somebody, or refused by name.
//!
//! A misspelt filter that is silently ignored answers another question than the one asked, so nothing is ignored.

use percent_encoding::percent_decode;

use crate::problem::Problem;

/// The most parameters of one request.
const MAX_PARAMETERS: usize = 64;

/// The parameters of a query string. Whoever understands one takes it out; what is left in the end is unknown.
#[derive(Debug)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
}

impl Params {
    /// Splits and decodes a query (`application/x-www-form-urlencoded`).
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let mut pairs = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name =
                decode(name).map_err(|raw| Problem::parameter(&raw, "the parameter's name is not UTF-8"))?;
            let value = decode(value)
                .map_err(|_| Problem::parameter(&name, format!("the value of `{name}` is not UTF-8")))?;
            if pairs.len() >= MAX_PARAMETERS {
                let detail = format!("there are more than {MAX_PARAMETERS} parameters");
                return Err(Problem::parameter(&name, detail));
            }
            pairs.push((name, value));
        }
        Ok(Self { pairs })
    }

    /// Takes a parameter that may be given once.
    pub(crate) fn one(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let mut values = self.all(name);
        if values.len() > 1 {
            return Err(Problem::parameter(name, format!("`{name}` is given more than once")));
        }
        Ok(values.pop())
    }

    /// Takes a parameter that may be repeated.
    pub(crate) fn all(&mut self, name: &str) -> Vec<String> {
        self.pairs.extract_if(.., |(given, _)| given == name).map(|(_, value)| value).collect()
    }

    /// Refuses what nobody took.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        match self.pairs.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => {
                let shown: String = name.chars().take(80).collect();
                Err(Problem::parameter(&name, format!("there is no parameter `{shown}` here")))
            }
        }
    }

    /// Refuses every parameter, for a path that has none.
    pub(crate) fn none(query: Option<&str>) -> Result<(), Problem> {
        Self::parse(query)?.finish()
    }
}

fn decode(text: &str) -> Result<String, String> {
    let spaced = text.replace('+', " ");
    match percent_decode(spaced.as_bytes()).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_what_forms_and_scripts_send() {
        let mut params = Params::parse(Some("a=x+y%20z&&b&c=%3D=%26&d=%C3%A4")).unwrap();
        assert_eq!(params.one("a").unwrap().as_deref(), Some("x y z"));
        assert_eq!(params.one("b").unwrap().as_deref(), Some(""));
        assert_eq!(params.one("c").unwrap().as_deref(), Some("==&"));
        assert_eq!(params.one("d").unwrap().as_deref(), Some("ä"));
        assert_eq!(params.one("e").unwrap(), None);
        assert!(params.finish().is_ok());
    }

    #[test]
    fn parameters_have_a_bound() {
        let query = |count: usize| vec!["label=a"; count].join("&");
        assert_eq!(Params::parse(Some(&query(64))).unwrap().all("label").len(), 64);
        let refused = Params::parse(Some(&query(65))).unwrap_err();
        assert_eq!((refused.named(), refused.detail()), (Some("label"), "there are more than 64 parameters"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(Params::parse(Some("a=%ff")).unwrap_err().named(), Some("a"));
        let mut params = Params::parse(Some("a=1&b=2&a=3")).unwrap();
        assert_eq!(params.one("a").unwrap_err().named(), Some("a"));
        assert_eq!(params.finish().unwrap_err().named(), Some("b"));
        assert_eq!(Params::none(Some("pretty")).unwrap_err().named(), Some("pretty"));
        assert!(Params::none(None).is_ok() && Params::none(Some("")).is_ok());
    }
}

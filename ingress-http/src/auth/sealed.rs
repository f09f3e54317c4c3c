//! Cookies that only this process can write and read: encrypted and authenticated (AES-256-GCM, by the crate `cookie`).
//!
//! A browser keeps 4096 bytes of one cookie, name and attributes included. What does not fit is sealed as one and cut into pieces, of
//! which the first says how many there are; pieces of different sealings put together don't open. How many there may be is for each
//! use to say, because every request carries all of them, and proxies bound the size of headers (nginx 8 KiB, unless told otherwise).

use std::time::Duration;

use cookie::{Cookie, CookieJar, SameSite};
use http::{HeaderMap, HeaderValue, header};

use super::CookieKey;
use crate::problem::{Problem, ProblemType};

/// What a browser keeps of one cookie.
const MAX_COOKIE: usize = 4096;
/// Into how many pieces something may be cut at most: all of a request's headers together may have 16 KiB.
pub(super) const MAX_PIECES: usize = 3;

/// Where a cookie is sent to, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attributes<'a> {
    pub(super) path: &'a str,
    pub(super) secure: bool,
    pub(super) same_site: SameSite,
    pub(super) lasts: Duration,
}

impl Attributes<'_> {
    fn cookie<'c>(&self, name: String, value: String) -> Cookie<'c> {
        let lasts = i64::try_from(self.lasts.as_secs()).unwrap_or(i64::MAX);
        Cookie::build((name, value))
            .http_only(true)
            .same_site(self.same_site)
            .secure(self.secure)
            .path(self.path.to_owned())
            .max_age(cookie::time::Duration::seconds(lasts))
            .build()
    }
}

/// Longer than so many pieces hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

impl CookieKey {
    /// The cookies that hold a text, as values of `Set-Cookie`; at most so many.
    pub(super) fn seal(
        &self,
        name: &str,
        text: &str,
        pieces: usize,
        attributes: Attributes<'_>,
    ) -> Result<Vec<String>, TooLong> {
        let mut jar = CookieJar::new();
        jar.private_mut(self.key()).add(Cookie::new(name.to_owned(), text.to_owned()));
        let sealed = jar.get(name).map(|cookie| cookie.value().to_owned()).unwrap_or_default();
        // Base64: every byte is a character.
        let frame = attributes.cookie(piece_name(name, MAX_PIECES), format!("{MAX_PIECES}.")).to_string();
        let room = MAX_COOKIE.checked_sub(frame.len()).filter(|room| *room > 0).ok_or(TooLong)?;
        let needed = sealed.len().div_ceil(room);
        if needed > pieces.min(MAX_PIECES) {
            return Err(TooLong);
        }
        let cut = sealed.as_bytes().chunks(room).map(String::from_utf8_lossy);
        let cookies = (1..).zip(cut).map(|(number, piece)| {
            let value = if number == 1 { format!("{needed}.{piece}") } else { piece.into_owned() };
            attributes.cookie(piece_name(name, number), value).to_string()
        });
        Ok(cookies.collect())
    }

    /// The text in a request's cookies, if this key sealed it.
    pub(super) fn open(&self, headers: &HeaderMap, name: &str) -> Option<String> {
        let first = sent(headers, name)?;
        let (pieces, first) = first.split_once('.')?;
        let pieces: usize = pieces.parse().ok().filter(|pieces| (1..=MAX_PIECES).contains(pieces))?;
        let mut sealed = first.to_owned();
        for number in 2..=pieces {
            sealed.push_str(&sent(headers, &piece_name(name, number))?);
        }
        let mut jar = CookieJar::new();
        jar.add_original(Cookie::new(name.to_owned(), sealed));
        Some(jar.private(self.key()).get(name)?.value().to_owned())
    }
}

/// Takes cookies back that a browser may have: `Set-Cookie` values for all pieces after so many.
pub(super) fn removal(name: &str, after: usize, attributes: Attributes<'_>) -> Vec<String> {
    let gone = Attributes { lasts: Duration::ZERO, ..attributes };
    let numbers = after.saturating_add(1)..=MAX_PIECES;
    numbers.map(|number| gone.cookie(piece_name(name, number), String::new()).to_string()).collect()
}

/// `Set-Cookie` values as headers that no log shows.
pub(super) fn headers_of(cookies: Vec<String>) -> Result<Vec<HeaderValue>, Problem> {
    let header = |cookie: String| {
        let mut value = HeaderValue::try_from(cookie)
            .map_err(|_| Problem::new(ProblemType::Internal, "the cookie could not be written"))?;
        value.set_sensitive(true);
        Ok(value)
    };
    cookies.into_iter().map(header).collect()
}

fn piece_name(name: &str, number: usize) -> String {
    if number == 1 { name.to_owned() } else { format!("{name}-{number}") }
}

fn sent(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| Cookie::split_parse(value).filter_map(Result::ok))
        .find(|cookie| cookie.name() == name)
        .map(|cookie| cookie.value().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Attributes<'_> = Attributes {
        path: "/routes/",
        secure: true,
        same_site: SameSite::Strict,
        lasts: Duration::from_secs(60),
    };

    fn sent_back(cookies: &[String]) -> HeaderMap {
        let pairs: Vec<&str> = cookies.iter().map(|cookie| cookie.split(';').next().unwrap()).collect();
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_str(&pairs.join("; ")).unwrap());
        headers
    }

    #[test]
    fn what_is_long_is_cut_and_put_together_again() {
        let key = CookieKey::random();
        let mut counts = Vec::new();
        for length in [0, 10, 2_900, 3_100, 5_900, 6_200, 8_900] {
            let text = "x".repeat(length);
            let cookies = key.seal("s", &text, MAX_PIECES, HERE).unwrap();
            assert!(cookies.iter().all(|cookie| cookie.len() <= MAX_COOKIE), "{length}");
            assert_eq!(key.open(&sent_back(&cookies), "s").as_deref(), Some(&*text), "{length}");
            counts.push(cookies.len());
        }
        assert_eq!(counts, [1, 1, 1, 2, 2, 3, 3], "each piece holds about 2,990 bytes");
        assert_eq!(key.seal("s", &"x".repeat(9_100), MAX_PIECES, HERE), Err(TooLong));
        assert_eq!(key.seal("s", &"x".repeat(3_100), 1, HERE), Err(TooLong));
        let far = "/".repeat(MAX_COOKIE);
        assert_eq!(key.seal("s", "", 1, Attributes { path: &far, ..HERE }), Err(TooLong));
    }

    #[test]
    fn pieces_that_do_not_belong_together_do_not_open() {
        let key = CookieKey::random();
        let one = key.seal("s", &"x".repeat(6_500), MAX_PIECES, HERE).unwrap();
        let other = key.seal("s", &"x".repeat(6_500), MAX_PIECES, HERE).unwrap();
        let mixed = [one[0].clone(), other[1].clone(), one[2].clone()];
        assert_eq!(key.open(&sent_back(&mixed), "s"), None);
        assert_eq!(key.open(&sent_back(&one[..2]), "s"), None, "one is missing");
        let swapped = [one[1].replacen("s-2=", "s=", 1)];
        assert_eq!(key.open(&sent_back(&swapped), "s"), None);
        for nonsense in ["s=", "s=1", "s=1.", "s=0.x", "s=4.x", "s=-1.x", "s=x.y"] {
            assert_eq!(key.open(&sent_back(&[nonsense.to_owned()]), "s"), None, "{nonsense}");
        }
        let renamed: Vec<_> = one.iter().map(|cookie| cookie.replacen('s', "t", 1)).collect();
        assert_eq!(key.open(&sent_back(&renamed), "t"), None, "a cookie is worth nothing under another name");
    }

    #[test]
    fn cookies_are_taken_back_where_they_were_given() {
        let gone = removal("s", 1, HERE);
        assert_eq!(gone.len(), MAX_PIECES - 1);
        assert!(gone[0].starts_with("s-2=;") && gone[0].contains("; Max-Age=0"), "{gone:?}");
        assert!(gone.iter().all(|cookie| cookie.contains("; Path=/routes/")));
    }
}

//! Bearer tokens whose hashes lie in a file.
//!
//! The file says `sha256:HASH user [group,group]` in each line; what was hashed is the token. So whoever reads the file can't use it.
//! Tokens are long and random (they must be: `openssl rand -hex 32`), so one round of a fast hash is enough, and looking one up by its
//! hash tells nothing by the time it takes. The file is read again when it changed, at most every few seconds and only when somebody
//! asks; one that can't be read or understood changes nothing, and is said in the log.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::request::Parts;
use ingress_core::access::UserInfo;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::{AuthenticationError, Authenticator, Scheme, bearer};

/// How long what the file said is believed.
const READ_AGAIN: Duration = Duration::from_secs(5);
/// How large the file may be.
const MAX_FILE: u64 = 4 << 20;

type Hash = [u8; 32];
type People = HashMap<Hash, Arc<UserInfo>>;

/// Knows people by tokens whose hashes lie in a file.
#[derive(Debug)]
pub struct StaticTokens {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    people: Arc<People>,
    text: String,
    read: Instant,
    /// What was wrong with the file the last time, so that it is said once.
    wrong: Option<String>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("people", &self.people.len()).finish_non_exhaustive()
    }
}

/// A file of tokens that can't be read or understood.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidTokens {
    path: PathBuf,
    /// The line, counted from 1; `None` when the file as a whole can't be read.
    pub line: Option<usize>,
    problem: String,
}

impl fmt::Display for InvalidTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for InvalidTokens {}

impl StaticTokens {
    /// Reads a file of tokens. Each line says `sha256:HASH user [group,group]`; empty lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    ///
    /// When the file can't be read, or a line can't be understood.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, InvalidTokens> {
        let path = path.as_ref().to_owned();
        let text = load(&path)?;
        let people = Arc::new(parse(&path, &text)?);
        Ok(Self { path, state: Mutex::new(State { people, text, read: Instant::now(), wrong: None }) })
    }

    /// The people, as the file says by now.
    fn people(&self) -> Arc<People> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.read.elapsed() < READ_AGAIN {
            return state.people.clone();
        }
        state.read = Instant::now();
        // A few kilobytes, and at most every few seconds: not worth a thread of its own.
        let read = load(&self.path).and_then(|text| {
            let people = (text != state.text).then(|| parse(&self.path, &text)).transpose()?;
            Ok((text, people))
        });
        match read {
            Ok((text, people)) => {
                if let Some(people) = people {
                    tracing::info!(path = %self.path.display(), people = people.len(), "tokens were read again");
                    (state.people, state.text) = (Arc::new(people), text);
                }
                state.wrong = None;
            }
            Err(error) => {
                let wrong = error.to_string();
                if state.wrong.as_ref() != Some(&wrong) {
                    tracing::error!(error = wrong, "the tokens stay as they were");
                    state.wrong = Some(wrong);
                }
            }
        }
        state.people.clone()
    }
}

fn load(path: &Path) -> Result<String, InvalidTokens> {
    let invalid = |problem: String| InvalidTokens { path: path.to_owned(), line: None, problem };
    let size = std::fs::metadata(path).map_err(|error| invalid(error.to_string()))?.len();
    if size > MAX_FILE {
        return Err(invalid(format!("is larger than {MAX_FILE} bytes")));
    }
    std::fs::read_to_string(path).map_err(|error| invalid(error.to_string()))
}

fn parse(path: &Path, text: &str) -> Result<People, InvalidTokens> {
    let mut people = People::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let invalid = |problem: &str| InvalidTokens {
            path: path.to_owned(),
            line: Some(number),
            problem: problem.to_owned(),
        };
        let mut words = line.split_whitespace();
        let hash = words.next().and_then(|word| word.strip_prefix("sha256:")).and_then(parse_hash);
        // The line is not quoted: somebody may have written the token itself.
        let hash = hash.ok_or_else(|| {
            invalid("begins with no `sha256:` and 64 hexadecimal digits: `printf %s TOKEN | sha256sum` gives them")
        })?;
        let user = words.next().ok_or_else(|| invalid("names no user after the hash"))?;
        let groups = words.next().unwrap_or_default().split(',').filter(|group| !group.is_empty());
        let user = Arc::new(UserInfo::new(user, groups));
        if words.next().is_some() {
            return Err(invalid(
                "says more than hash, user and groups: groups are separated by commas, without spaces",
            ));
        }
        if people.insert(hash, user).is_some() {
            return Err(invalid("has the hash of an earlier line"));
        }
    }
    Ok(people)
}

fn parse_hash(text: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    if text.len() != 2 * hash.len() || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).ok()?;
        *byte = u8::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))?;
    }
    Some(hash)
}

#[async_trait]
impl Authenticator for StaticTokens {
    async fn authenticate(&self, request: &Parts) -> Result<Arc<UserInfo>, AuthenticationError> {
        let hash: Hash = Sha256::digest(bearer(request)?).into();
        let known = self.people().get(&hash).cloned();
        known.ok_or_else(|| AuthenticationError::invalid("nobody has this bearer token"))
    }

    fn scheme(&self) -> Scheme {
        Scheme::Bearer
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::auth::AuthenticationErrorKind;
    use crate::fixture::bearing;

    // printf %s TOKEN | sha256sum
    const ANN: &str = "sha256:5f1ae6ce2a58b4a7ddd4d1c7f4f0d4a2a1d1ab0a7d1a9a3b2c9c6e5ad8f2e6aa";

    fn hash(token: &str) -> String {
        let hash = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        format!("sha256:{hash}")
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[tokio::test(start_paused = true)]
    async fn people_are_known_by_their_tokens_as_the_file_says_by_now() {
        let file = file(&format!("# people\n\n{} ann dev,ops\n{} bob\n", hash("a"), hash("b")));
        let tokens = StaticTokens::read(file.path()).unwrap();
        let ann = tokens.authenticate(&bearing("a")).await.unwrap();
        assert_eq!(*ann, UserInfo::new("ann", ["dev", "ops"]));
        assert!(tokens.authenticate(&bearing("b")).await.unwrap().groups.is_empty());
        let error = tokens.authenticate(&bearing("c")).await.unwrap_err();
        assert_eq!(error.kind(), AuthenticationErrorKind::Invalid);

        std::fs::write(file.path(), format!("{} bob\n", hash("b"))).unwrap();
        assert!(tokens.authenticate(&bearing("a")).await.is_ok(), "not read at every request");
        tokio::time::advance(READ_AGAIN).await;
        assert!(tokens.authenticate(&bearing("a")).await.is_err());
        std::fs::write(file.path(), "nonsense").unwrap();
        tokio::time::advance(READ_AGAIN).await;
        assert!(tokens.authenticate(&bearing("b")).await.is_ok(), "what can't be understood changes nothing");
        std::fs::remove_file(file.path()).unwrap();
        tokio::time::advance(READ_AGAIN).await;
        assert!(tokens.authenticate(&bearing("b")).await.is_ok());
    }

    #[test]
    fn a_bad_line_is_named_and_not_quoted() {
        let upper = ANN.to_uppercase().replace("SHA256", "sha256");
        assert!(parse(Path::new("t"), &format!("{upper} ann")).is_ok());
        let twice = format!("{ANN} ann\n{ANN} bob");
        for (text, line, problem) in [
            ("s3cret ann", 1, "begins with no"),
            (&format!("{ANN}\n"), 1, "names no user"),
            (&format!("#\n{ANN} ann dev, ops"), 2, "separated by commas"),
            (&twice, 2, "earlier line"),
            (&format!("{}+f ann", &ANN[..ANN.len() - 2]), 1, "begins with no"),
        ] {
            let error = parse(Path::new("t"), text).unwrap_err();
            let message = error.to_string();
            assert!(message.starts_with(&format!("t:{line}: ")) && message.contains(problem), "{message}");
            assert!(!message.contains("s3cret"));
        }
        let missing = StaticTokens::read("/nonexistent/tokens").unwrap_err();
        assert!(missing.to_string().starts_with("/nonexistent/tokens: "), "{missing}");
    }
}

//! A directory with one file for each state: reading, writing and setting aside, without any waiting for turns.
//!
//! A state is written to a file of its own, made durable, and then renamed into place. Whoever reads finds the old one or the new
//! one, also when the machine loses power in between: the file is synced before it is renamed, and the directory after.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use ingress_core::clock::wall_now;

use crate::envelope::Spoiled;

use super::{MOST, open, seal};

/// How old a file that was never renamed is before it counts as left behind by somebody who was killed.
const ABANDONED: Duration = Duration::from_secs(60);

/// What was found in place of a state.
#[derive(Debug)]
pub(super) enum Found {
    /// It.
    State(Bytes),
    /// Nothing.
    Nothing,
    /// A file that holds no state, and where it lies now; where it lay, if it could not be set aside.
    Damaged(Spoiled, PathBuf),
}

/// The directory.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Reads a state, sets aside what is none, and removes what others left behind.
    pub(super) fn load(&self, name: &str) -> io::Result<Found> {
        self.sweep(name);
        let path = self.file(name);
        let sealed = match read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
            sealed => sealed?,
        };
        Ok(match sealed.ok_or(Spoiled::Foreign).and_then(open) {
            Ok(state) => Found::State(state),
            Err(why) => {
                let aside = self.0.join(format!("{}.damaged", file_name(name)));
                let moved = fs::rename(&path, &aside).is_ok();
                Found::Damaged(why, if moved { aside } else { path })
            }
        })
    }

    /// Writes a state beside the one that is there.
    pub(super) fn write(&self, name: &str, state: Bytes) -> io::Result<Draft> {
        if state.len() > MOST {
            return Err(ErrorKind::FileTooLarge.into());
        }
        self.make()?;
        let path = self.0.join(format!("{}{:016x}", draft_prefix(name), rand::random::<u64>()));
        let mut file = owner_only().write(true).create_new(true).open(&path)?;
        // From here on it goes away again, unless it is put in place.
        let draft = Draft { path, place: self.file(name), renamed: false };
        fill(&mut file, &seal(state))?;
        Ok(draft)
    }

    fn make(&self) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.0)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(format!("{}.state", file_name(name)))
    }

    /// Removes what nobody is going to rename any more. What can't be removed does no harm.
    fn sweep(&self, name: &str) {
        let prefix = draft_prefix(name);
        let Ok(entries) = fs::read_dir(&self.0) else { return };
        for entry in entries.flatten() {
            let is_draft = |name: &OsStr| name.to_str().is_some_and(|name| name.starts_with(&prefix));
            if is_draft(&entry.file_name()) && entry.metadata().is_ok_and(|data| is_abandoned(&data)) {
                drop(fs::remove_file(entry.path()));
            }
        }
    }
}

/// A state that was written and is not in place yet. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    place: PathBuf,
    renamed: bool,
}

impl Draft {
    /// Puts it in place of the last one.
    pub(super) fn put(mut self) -> io::Result<()> {
        fs::rename(&self.path, &self.place)?;
        self.renamed = true;
        // A rename is durable when its directory is.
        #[cfg(unix)]
        if let Some(folder) = self.place.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.renamed {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// The bytes of a file; `None` for more than any state has.
fn read(path: &Path) -> io::Result<Option<Bytes>> {
    let mut file = File::open(path)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    if length > MOST.saturating_add(crate::envelope::OVERHEAD) {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(length);
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes.into()))
}

/// Writes it all, so that it stays.
fn fill(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

fn owner_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn is_abandoned(data: &fs::Metadata) -> bool {
    let Ok(modified) =
        data.modified().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).map_err(io::Error::other))
    else {
        return false;
    };
    let now = u128::try_from(wall_now().as_millisecond()).unwrap_or(0);
    now.saturating_sub(modified.as_millis()) > ABANDONED.as_millis()
}

fn draft_prefix(name: &str) -> String {
    format!(".{}.new-", file_name(name))
}

/// A name as a file's: what isn't a letter, a digit, a dash or a dot that is not the first is written in hexadecimal.
fn file_name(name: &str) -> String {
    let mut file = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => file.push(char::from(byte)),
            b'.' if !file.is_empty() => file.push('.'),
            _ => file.push_str(&format!("_{byte:02x}")),
        }
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_the_directory() {
        assert_eq!(file_name("ingresses.networking.k8s.io"), "ingresses.networking.k8s.io");
        assert_eq!(file_name("../a/B_c"), "_2e._2fa_2f_42_5fc");
        assert_eq!(file_name(".."), "_2e.");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told() {
        let mut full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        assert_eq!(fill(&mut full, b"x").unwrap_err().kind(), ErrorKind::StorageFull);
    }

    #[test]
    fn a_draft_that_is_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let keep = Folder::new(folder.path().into());
        drop(keep.write("a", Bytes::from_static(b"x")).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn drafts_of_others_are_left_alone_until_they_are_old() {
        let folder = tempfile::tempdir().unwrap();
        let keep = Folder::new(folder.path().into());
        let draft = keep.write("a", Bytes::from_static(b"x")).unwrap();
        let left = folder.path().join(".a.new-0000000000000000");
        let old = File::create(&left).unwrap();
        old.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
        assert!(matches!(keep.load("a"), Ok(Found::Nothing)));
        assert!(!left.exists());
        draft.put().unwrap();
        assert!(matches!(keep.load("a"), Ok(Found::State(state)) if state == "x"));
    }
}

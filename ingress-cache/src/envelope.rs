//! How a value lies outside the process: so that whoever reads it knows that it is one, and whole.
//!
//! What comes back from a shared cache may have been written by another release, by another program, or be damaged. So a value
//! carries a magic, a format and a checksum, and what doesn't match in all of them is [`Spoiled`]: as good as no value. There is no
//! second way to read: a new format is a new number, and at a rollout each release sees a miss where the other one wrote.
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 3 | magic, `igc` |
//! | 3 | 1 | format, 1 |
//! | 4 | 8 | [`Version`] |
//! | 12 | 8 | loaded, in milliseconds since 1970 |
//! | 20 | 8 | fresh until, in the same |
//! | 28 | 8 | gone at, in the same |
//! | 36 | 1 | 1 for a value, 0 for the knowledge that there is none |
//! | 37 | 8 | length of the value |
//! | 45 | | the value |
//! | last | 4 | CRC-32 of all before |
//!
//! Numbers are big-endian, and the version lies at a fixed place, so that a script inside the shared cache can compare it. The cost is
//! 49 bytes a value, one copy to seal it and none to open it. The checksum finds damage, any 32 bits in a row for certain; it
//! doesn't find malice, against which the shared cache has a password and TLS.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use crate::cache::{Entry, Version};

/// What every value begins with: the magic and the format.
pub const HEAD: [u8; 4] = *b"igc\x01";

/// Where the version begins: 8 bytes, big-endian.
pub const VERSION_AT: usize = HEAD.len();

/// By how many bytes an envelope is longer than its value.
pub const OVERHEAD: usize = BODY_AT + CHECKSUM;

const BODY_AT: usize = VERSION_AT + 4 * 8 + 1 + 8;
const CHECKSUM: usize = 4;

/// What can't be read, and why; to whoever asked it is a miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Spoiled {
    /// It doesn't begin as a value does: another program wrote it.
    #[error("not a value of this cache")]
    Foreign,
    /// Another release wrote it.
    #[error("a value in format {0}, of another release")]
    Format(u8),
    /// It is damaged, or not whole.
    #[error("a damaged value")]
    Broken,
}

/// Puts a value into its envelope.
#[must_use]
pub fn seal(entry: &Entry) -> Bytes {
    let body = entry.value.as_deref().unwrap_or_default();
    let mut sealed = BytesMut::with_capacity(OVERHEAD + body.len());
    sealed.put_slice(&HEAD);
    sealed.put_u64(entry.version.as_micros());
    sealed.put_i64(entry.loaded_ms);
    sealed.put_i64(entry.fresh_until_ms);
    sealed.put_i64(entry.gone_at_ms);
    sealed.put_u8(u8::from(entry.value.is_some()));
    sealed.put_u64(body.len() as u64);
    sealed.put_slice(body);
    let checksum = crc32fast::hash(&sealed);
    sealed.put_u32(checksum);
    sealed.freeze()
}

/// Takes a value out of its envelope. It shares the envelope's memory.
///
/// # Errors
///
/// [`Spoiled`], whatever is wrong with it: what [`seal`] made is opened, and nothing else is.
pub fn open(mut sealed: Bytes) -> Result<Entry, Spoiled> {
    let [m, a, g, format] = *sealed.first_chunk().ok_or(Spoiled::Foreign)?;
    if !HEAD.starts_with(&[m, a, g]) {
        return Err(Spoiled::Foreign);
    }
    if !HEAD.ends_with(&[format]) {
        return Err(Spoiled::Format(format));
    }
    if sealed.len() < OVERHEAD {
        return Err(Spoiled::Broken);
    }
    let mut checksum = sealed.split_off(sealed.len() - CHECKSUM);
    if crc32fast::hash(&sealed) != checksum.get_u32() {
        return Err(Spoiled::Broken);
    }
    sealed.advance(VERSION_AT);
    let micros = sealed.get_u64();
    let version = Version::from_micros(micros);
    let (loaded_ms, fresh_until_ms, gone_at_ms) = (sealed.get_i64(), sealed.get_i64(), sealed.get_i64());
    let (sort, length) = (sealed.get_u8(), sealed.get_u64());
    let value = match sort {
        0 if sealed.is_empty() => None,
        1 => Some(sealed),
        _ => return Err(Spoiled::Broken),
    };
    // A checksum that happens to match doesn't make a value of what `seal` never writes.
    if version.as_micros() != micros || length != value.as_ref().map_or(0, Bytes::len) as u64 {
        return Err(Spoiled::Broken);
    }
    Ok(Entry { value, version, loaded_ms, fresh_until_ms, gone_at_ms })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    prop_compose! {
        fn entries()(
            value in option::of(vec(any::<u8>(), 0..200)), micros in any::<u64>(),
            loaded_ms in any::<i64>(), fresh_until_ms in any::<i64>(), gone_at_ms in any::<i64>(),
        ) -> Entry {
            let version = Version::from_micros(micros);
            Entry { value: value.map(Bytes::from), version, loaded_ms, fresh_until_ms, gone_at_ms }
        }
    }

    proptest! {
        #[test]
        fn what_was_sealed_is_opened(entry in entries()) {
            let sealed = seal(&entry);
            prop_assert_eq!(sealed.len(), OVERHEAD + entry.value.as_ref().map_or(0, Bytes::len));
            prop_assert_eq!(sealed[VERSION_AT..].first_chunk(), Some(&entry.version.as_micros().to_be_bytes()));
            prop_assert_eq!(open(sealed), Ok(entry));
        }

        #[test]
        fn no_flipped_bit_and_no_cut_goes_unnoticed(entry in entries()) {
            let sealed = seal(&entry);
            for bit in 0..sealed.len() * 8 {
                let mut flipped = sealed.to_vec();
                flipped[bit / 8] ^= 1 << (bit % 8);
                prop_assert!(open(flipped.into()).is_err(), "bit {}", bit);
            }
            for length in 0..sealed.len() {
                prop_assert!(open(sealed.slice(..length)).is_err(), "{} bytes", length);
            }
            for more in [vec![0], vec![0; 4], sealed.to_vec()] {
                prop_assert!(open([&sealed[..], &more].concat().into()).is_err());
            }
        }

        #[test]
        fn whatever_it_is_opening_it_ends(bytes in vec(any::<u8>(), 0..100)) {
            prop_assert!(open(bytes.into()).is_err());
        }
    }

    #[test]
    fn it_says_whose_it_is() {
        assert_eq!(open(Bytes::new()), Err(Spoiled::Foreign));
        assert_eq!(open(Bytes::from_static(b"{\"a\":1}")), Err(Spoiled::Foreign));
        assert_eq!(open(Bytes::from_static(b"igc\x02 as it will be")), Err(Spoiled::Format(2)));
        assert_eq!(open(Bytes::from_static(b"igc\x01")), Err(Spoiled::Broken));
    }
}

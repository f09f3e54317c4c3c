//! What lies in a shared cache: `seal` and `open`, beside a form written out field by field with a checksum computed bit by bit.
//!
//! Chance finds no checksum, so a case may ask for the right one to be put under its bytes, and what they say is read.

use bytes::Bytes;
use ingress_cache::Version;
use ingress_cache::envelope::{Spoiled, open, seal};

const HEAD: usize = 45;

/// Runs one case: `r` and bytes as they are; `c` and bytes without their checksum; or `d`, a place, a mask, and bytes without their
/// checksum, of which one is damaged after it was put there.
pub fn check(data: &[u8]) {
    match data {
        [b'r', bytes @ ..] => agree(bytes),
        [b'c', bytes @ ..] => agree(&with_checksum(bytes)),
        [b'd', high, low, mask, bytes @ ..] => {
            let whole = with_checksum(bytes);
            agree(&whole);
            let place = usize::from(u16::from_be_bytes([*high, *low])) % whole.len();
            let mut damaged = whole.clone();
            damaged[place] ^= mask;
            agree(&damaged);
            if *mask != 0 {
                assert!(open(damaged.into()).is_err(), "byte {place}");
            }
            agree(&whole[..place]);
            assert!(open(Bytes::copy_from_slice(&whole[..place])).is_err(), "cut at {place}");
        }
        _ => {}
    }
}

fn agree(bytes: &[u8]) {
    let opened = open(Bytes::copy_from_slice(bytes));
    let Ok(entry) = &opened else {
        assert_eq!(opened.err(), read(bytes).err());
        return;
    };
    let read = read(bytes).expect("what was opened can be read");
    let times = [entry.loaded_ms, entry.fresh_until_ms, entry.gone_at_ms];
    assert_eq!((entry.version, times, entry.value.as_deref()), (Version::from_micros(read.version), read.times, read.value));
    // There is one way to write a value.
    assert_eq!(seal(entry), bytes);
}

struct Read<'a> {
    version: u64,
    times: [i64; 3],
    value: Option<&'a [u8]>,
}

fn read(bytes: &[u8]) -> Result<Read<'_>, Spoiled> {
    if bytes.len() < 4 || &bytes[..3] != b"igc" {
        return Err(Spoiled::Foreign);
    }
    if bytes[3] != 1 {
        return Err(Spoiled::Format(bytes[3]));
    }
    if bytes.len() < HEAD + 4 || with_checksum(&bytes[..bytes.len() - 4]) != bytes {
        return Err(Spoiled::Broken);
    }
    let body = &bytes[HEAD..bytes.len() - 4];
    let version = number(&bytes[4..12]);
    let value = match bytes[36] {
        0 => None,
        1 => Some(body),
        _ => return Err(Spoiled::Broken),
    };
    if version >= 1 << 53 || number(&bytes[37..45]) != body.len() as u64 || (value.is_none() && !body.is_empty()) {
        return Err(Spoiled::Broken);
    }
    let times = [12, 20, 28].map(|at| number(&bytes[at..at + 8]) as i64);
    Ok(Read { version, times, value })
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number * 256 + u64::from(*byte))
}

/// Puts the CRC-32 of ISO 3309 behind the bytes.
fn with_checksum(bytes: &[u8]) -> Vec<u8> {
    let mut remainder = u32::MAX;
    for byte in bytes {
        remainder ^= u32::from(*byte);
        for _ in 0..8 {
            remainder = if remainder & 1 == 1 { remainder >> 1 ^ 0xedb8_8320 } else { remainder >> 1 };
        }
    }
    [bytes, &(!remainder).to_be_bytes()].concat()
}

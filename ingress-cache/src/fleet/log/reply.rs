//! What Redis answers, taken apart without trusting it.

use bytes::Bytes;
use redis::Value;

use super::fault::{LogFault, LogFaultKind};

/// What makes no sense.
pub(super) fn broken() -> LogFault {
    LogFault::new(LogFaultKind::Broken)
}

/// Text or a number, as bytes.
pub(super) fn bytes(value: Value) -> Option<Bytes> {
    match value {
        Value::BulkString(bytes) => Some(bytes.into()),
        Value::SimpleString(text) => Some(text.into_bytes().into()),
        Value::Int(number) => Some(number.to_string().into_bytes().into()),
        _ => None,
    }
}

pub(super) fn list(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(list) => Some(list),
        _ => None,
    }
}

/// The pairs of a hash or of a stream's entry, in either version of the protocol.
pub(super) fn pairs(value: Value) -> Option<Vec<(Bytes, Bytes)>> {
    let flat = match value {
        Value::Map(pairs) => {
            return pairs.into_iter().map(|(name, value)| Some((bytes(name)?, bytes(value)?))).collect();
        }
        other => list(other)?,
    };
    let mut values = flat.into_iter();
    let mut pairs = Vec::with_capacity(values.len() / 2);
    while let Some(name) = values.next() {
        pairs.push((bytes(name)?, bytes(values.next()?)?));
    }
    Some(pairs)
}

pub(super) fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A number in hexadecimal, of 16 digits: an epoch, or a link of the chain.
pub(super) fn hex(text: &[u8]) -> Option<u64> {
    if text.len() != 16 {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

/// A script's answer: what follows its `ok`, or what it refused.
pub(super) fn answer(value: Value) -> Result<Vec<Bytes>, LogFault> {
    let parts: Option<Vec<Bytes>> = list(value).and_then(|list| list.into_iter().map(bytes).collect());
    let mut parts = parts.ok_or_else(broken)?;
    if parts.first().is_some_and(|word| word.as_ref() == b"ok") {
        parts.remove(0);
        return Ok(parts);
    }
    Err(LogFault::new(match (parts.first().map(Bytes::as_ref), parts.get(1)) {
        (Some(b"fenced"), Some(term)) => LogFaultKind::Fenced { current: number(term).ok_or_else(broken)? },
        (Some(b"epoch"), _) => LogFaultKind::EpochChanged,
        (Some(b"back"), Some(stored)) => LogFaultKind::RolledBack { stored: optional(stored)? },
        (Some(b"whole"), _) => LogFaultKind::NoSnapshot,
        _ => LogFaultKind::Broken,
    }))
}

/// A number, or nothing.
pub(super) fn optional(text: &[u8]) -> Result<Option<u64>, LogFault> {
    if text.is_empty() { Ok(None) } else { number(text).map(Some).ok_or_else(broken) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(words: &[&str]) -> Value {
        Value::Array(words.iter().map(|word| Value::BulkString(word.as_bytes().to_vec())).collect())
    }

    #[test]
    fn refusals_have_their_kinds() {
        let kind = |words: &[&str]| answer(text(words)).unwrap_err().kind();
        assert_eq!(kind(&["fenced", "7"]), LogFaultKind::Fenced { current: 7 });
        assert_eq!(kind(&["epoch", ""]), LogFaultKind::EpochChanged);
        assert_eq!(kind(&["back", ""]), LogFaultKind::RolledBack { stored: None });
        assert_eq!(kind(&["back", "9"]), LogFaultKind::RolledBack { stored: Some(9) });
        assert_eq!(kind(&["whole"]), LogFaultKind::NoSnapshot);
        for nonsense in [&["fenced", "x"][..], &["fenced"], &["back"], &["what"], &[]] {
            assert_eq!(kind(nonsense), LogFaultKind::Broken, "{nonsense:?}");
        }
        assert_eq!(answer(Value::Nil).unwrap_err().kind(), LogFaultKind::Broken);
        assert_eq!(answer(text(&["ok", "1"])).unwrap(), [Bytes::from("1")]);
    }

    #[test]
    fn pairs_come_in_two_forms() {
        let expected = vec![(Bytes::from("a"), Bytes::from("1"))];
        assert_eq!(pairs(text(&["a", "1"])), Some(expected.clone()));
        let map = Value::Map(vec![(Value::SimpleString("a".into()), Value::Int(1))]);
        assert_eq!(pairs(map), Some(expected));
        assert_eq!(pairs(text(&["a"])), None);
    }

    #[test]
    fn links_have_16_digits() {
        assert_eq!(hex(b"00000000000000ff"), Some(255));
        for wrong in ["", "ff", "00000000000000fg", "+0000000000000ff", "0000000000000000ff"] {
            assert_eq!(hex(wrong.as_bytes()).filter(|_| !wrong.starts_with('+')), None, "{wrong}");
        }
    }
}

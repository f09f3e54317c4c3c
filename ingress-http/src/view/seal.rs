//! Positions that tell nothing.
//!
//! `seq` counts every change, so it would tell somebody who may see three namespaces how much happens in the others. They get their
//! positions sealed: one block of AES under a key of this process, which is a permutation that nobody else can compute. Equal
//! positions give equal seals, so that bytes can be shared; what was not sealed here opens to a position of no run.

use std::fmt;

use aes::Aes128;
use aes::cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};
use ingress_core::Position;

/// The key.
pub(crate) struct Seal(Aes128);

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(…)")
    }
}

/// A position as it is told to a viewer: to be given back, and to be compared with none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Mark {
    /// `epoch:seq`.
    Plain(Position),
    /// The same, sealed.
    Sealed(u128),
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(position) => position.fmt(f),
            Self::Sealed(block) => write!(f, "{block:032x}"),
        }
    }
}

impl Seal {
    /// A key of its own.
    pub(crate) fn new() -> Self {
        Self(Aes128::new(&rand::random::<[u8; 16]>().into()))
    }

    pub(crate) fn seal(&self, position: Position) -> Mark {
        let plain = u128::from(position.epoch) << 64 | u128::from(position.seq);
        let mut block = plain.to_be_bytes().into();
        self.0.encrypt_block(&mut block);
        Mark::Sealed(u128::from_be_bytes(block.into()))
    }

    /// The position in a seal; `None` for text that is none. One that was not sealed with this key opens to a random one.
    pub(crate) fn open(&self, text: &str) -> Option<Position> {
        let is_seal = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let sealed = u128::from_str_radix(text, 16).ok().filter(|_| is_seal)?;
        let mut block = sealed.to_be_bytes().into();
        self.0.decrypt_block(&mut block);
        let plain = u128::from_be_bytes(block.into());
        let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default();
        Some(Position::new(half(plain >> 64), half(plain)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_opens_to_what_was_sealed_and_only_here() {
        let (seal, other) = (Seal::new(), Seal::new());
        let position = Position::new(0xab, 7);
        let mark = seal.seal(position);
        assert_eq!(mark, seal.seal(position), "equal positions give equal bytes");
        let text = mark.to_string();
        assert_eq!(text.len(), 32);
        assert_eq!(seal.open(&text), Some(position));
        assert_ne!(other.open(&text), Some(position));
        for bad in ["", "ab:7", &text[1..], &text.to_uppercase(), "+000000000000000000000000000000f"] {
            // Upper-case digits alone may happen to have no letter in them.
            assert!(seal.open(bad).is_none() || bad == text, "{bad}");
        }
    }

    #[test]
    fn neighbours_have_nothing_in_common() {
        let seal = Seal::new();
        let texts: Vec<String> = (0..100).map(|seq| seal.seal(Position::new(1, seq)).to_string()).collect();
        let mut sorted = texts.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), texts.len());
        assert_ne!(sorted, texts, "their order is not that of the positions");
    }
}

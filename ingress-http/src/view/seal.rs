//! Positions that tell nothing.
//!
//! `seq` counts every change, so it would tell somebody who may see three namespaces how much happens in the others. They get their
//! positions sealed: one block of AES under a key that nobody else has, which is a permutation that nobody else can compute. What was
//! not sealed with that key opens to a position of no run. Replicas that share the key open each other's.
//!
//! | bits of the block | |
//! |---|---|
//! | 16 | 0 for a change, and a number of the process for a state |
//! | 48 | the epoch, as far as it goes |
//! | 64 | `seq` |
//!
//! Equal positions give equal seals, so that bytes can be shared; but only where that tells nothing. A change that somebody may see has
//! the same position for everybody. Since when a state is as it is (see [`horizon`](super::horizon)) is what a process noticed when it was
//! asked: whether that equals the position of a change, or what another replica noticed, tells whether something else changed
//! meanwhile. So these seals never equal each other, whatever they hold.

use std::fmt;

use aes::Aes256;
use aes::cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};
use ingress_core::Position;

use crate::shared_key::SharedKey;

const EPOCH: u64 = (1 << 48) - 1;

/// The key.
pub(crate) struct Seal {
    cipher: Aes256,
    /// Tells this process's states from those of others; never 0.
    process: u16,
}

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

/// What a position is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// A change that whoever is told of it may see.
    Change,
    /// A state, as this process noticed it.
    State,
}

impl Seal {
    pub(crate) fn new(key: &SharedKey) -> Self {
        let cipher = Aes256::new(&key.of("sealed positions").into());
        Self { cipher, process: rand::random_range(1..=u16::MAX) }
    }

    /// Seals a position for those who have this salt.
    pub(crate) fn seal(&self, position: Position, of: Of, salt: u64) -> Mark {
        let process = if of == Of::State { self.process } else { 0 };
        let high = u64::from(process) << 48 | ((position.epoch ^ salt) & EPOCH);
        let plain = u128::from(high) << 64 | u128::from(position.seq);
        let mut block = plain.to_be_bytes().into();
        self.cipher.encrypt_block(&mut block);
        Mark::Sealed(u128::from_be_bytes(block.into()))
    }

    /// The position in a seal, as one who has this salt may open it, in a run of this epoch; `None` for text that is no seal. What was not
    /// sealed with this key and salt, or in another run, opens to a position of another run.
    pub(crate) fn open(&self, text: &str, salt: u64, epoch: u64) -> Option<Position> {
        let is_seal = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let sealed = u128::from_str_radix(text, 16).ok().filter(|_| is_seal)?;
        let mut block = sealed.to_be_bytes().into();
        self.cipher.decrypt_block(&mut block);
        let plain = u128::from_be_bytes(block.into());
        let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default();
        let opened = (half(plain >> 64) ^ salt) & EPOCH;
        Some(Position::new(epoch & !EPOCH | opened, half(plain)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: u64 = 0x1234_5678_9abc_def0;
    const EPOCH_HERE: u64 = 0xfeed_0123_4567_89ab;

    fn seal() -> Seal {
        Seal::new(&SharedKey::random())
    }

    fn at() -> Position {
        Position::new(EPOCH_HERE, 7)
    }

    #[test]
    fn a_seal_opens_to_what_was_sealed_and_only_with_its_key() {
        let (seal, other) = (seal(), seal());
        for of in [Of::Change, Of::State] {
            let mark = seal.seal(at(), of, SALT);
            assert_eq!(mark, seal.seal(at(), of, SALT), "equal positions give equal bytes");
            let text = mark.to_string();
            assert_eq!(text.len(), 32);
            assert_eq!(seal.open(&text, SALT, EPOCH_HERE), Some(at()));
            assert_ne!(seal.open(&text, SALT ^ 1, EPOCH_HERE).unwrap().epoch, EPOCH_HERE, "for others");
            assert_ne!(
                seal.open(&text, SALT, EPOCH_HERE ^ 1).unwrap().epoch,
                EPOCH_HERE ^ 1,
                "in another run"
            );
            assert_ne!(other.open(&text, SALT, EPOCH_HERE).unwrap().epoch, EPOCH_HERE);
            for bad in ["", "ab:7", &text[1..], &text.to_uppercase(), "+000000000000000000000000000000f"] {
                // Upper-case digits alone may happen to have no letter in them.
                assert!(seal.open(bad, SALT, EPOCH_HERE).is_none() || bad == text, "{bad}");
            }
        }
    }

    #[test]
    fn neighbours_have_nothing_in_common() {
        let seal = seal();
        let text = |seq| seal.seal(Position::new(1, seq), Of::Change, SALT).to_string();
        let texts: Vec<String> = (0..100).map(text).collect();
        let mut sorted = texts.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), texts.len());
        assert_ne!(sorted, texts, "their order is not that of the positions");
    }

    #[test]
    fn replicas_open_each_other_s_and_tell_nothing_by_their_being_equal() {
        let key = SharedKey::random();
        let one = Seal { process: 1, ..Seal::new(&key) };
        let other = Seal { process: 2, ..Seal::new(&key) };
        let (here, there) = (one.seal(at(), Of::State, SALT), other.seal(at(), Of::State, SALT));
        assert_ne!(here, there);
        assert_eq!(other.open(&here.to_string(), SALT, EPOCH_HERE), Some(at()));
        assert_eq!(one.seal(at(), Of::Change, SALT), other.seal(at(), Of::Change, SALT));
        assert_ne!(one.seal(at(), Of::Change, SALT), here);
        assert!((0..1000).all(|_| Seal::new(&key).process != 0));
    }
}

//! A record's fields, packed into one allocation.
//!
//! An ingress typed out as structs of `String` and `Vec` makes some sixty allocations and takes about 12 KB; its text
//! is under 1 KB. So a record is one `Box<str>`: each string is its length, then its bytes, in an order that writer
//! and reader share. Lengths are written as base-32 digits in the ASCII range `@`..DEL, which keeps the whole a valid
//! `str` (no re-validation, no `unsafe`). Reading a field walks over those before it: tens of nanoseconds, no allocation.
//! Equality of two records is equality of their bytes.

const DIGIT: u8 = 0x40;
const MORE: u8 = 0x20;

/// Writes fields one after another.
#[derive(Debug, Default)]
pub(super) struct Packer {
    text: String,
}

impl Packer {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes) }
    }

    pub(super) fn count(&mut self, mut value: usize) {
        loop {
            #[expect(clippy::cast_possible_truncation, reason = "masked to five bits")]
            let digit = (value & 0x1f) as u8;
            value >>= 5;
            let more = if value == 0 { 0 } else { MORE };
            self.text.push(char::from(DIGIT | more | digit));
            if value == 0 {
                return;
            }
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        self.count(text.len());
        self.text.push_str(text);
    }

    /// `None` and `Some("")` stay different.
    pub(super) fn optional(&mut self, text: Option<&str>) {
        match text {
            None => self.count(0),
            Some(text) => {
                self.count(text.len() + 1);
                self.text.push_str(text);
            }
        }
    }

    pub(super) fn finish(self) -> Box<str> {
        // An exact allocation of its own, rather than the buffer shrunk: the buffer's size is asked for again at once.
        Box::from(self.text.as_str())
    }
}

/// Reads fields in the order in which they were written. What isn't there reads as empty.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(packed: &'a str) -> Self {
        Self { rest: packed }
    }

    pub(super) fn count(&mut self) -> usize {
        let mut value = 0_usize;
        let mut shift = 0;
        for (at, byte) in self.rest.bytes().enumerate() {
            value |= usize::from(byte & 0x1f).checked_shl(shift).unwrap_or(0);
            shift += 5;
            if byte & MORE == 0 {
                self.rest = self.rest.get(at + 1..).unwrap_or_default();
                return value;
            }
        }
        0
    }

    /// How many fields follow: never more than there is text, which whoever damages a record could claim.
    pub(super) fn length(&mut self) -> usize {
        self.count().min(self.rest.len())
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or_default();
        self.rest = rest;
        taken
    }

    pub(super) fn text(&mut self) -> &'a str {
        let bytes = self.count();
        self.take(bytes)
    }

    pub(super) fn optional(&mut self) -> Option<&'a str> {
        let bytes = self.count().checked_sub(1)?;
        Some(self.take(bytes))
    }

    pub(super) fn pairs(&mut self) -> Vec<(&'a str, &'a str)> {
        (0..self.length()).map(|_| (self.text(), self.text())).collect()
    }

    pub(super) fn texts(&mut self) -> Vec<&'a str> {
        (0..self.length()).map(|_| self.text()).collect()
    }

    pub(super) fn skip_pairs(&mut self) {
        for _ in 0..self.length() {
            self.text();
            self.text();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(
            fields in proptest::collection::vec((proptest::option::of(".{0,80}"), 0..1_000_000_usize), 0..20)
        ) {
            let mut packer = Packer::default();
            for (text, count) in &fields {
                packer.optional(text.as_deref());
                packer.count(*count);
                packer.text(text.as_deref().unwrap_or("-"));
            }
            let packed = packer.finish();
            let mut reader = Reader::new(&packed);
            for (text, count) in &fields {
                prop_assert_eq!(reader.optional(), text.as_deref());
                prop_assert_eq!(reader.count(), *count);
                prop_assert_eq!(reader.text(), text.as_deref().unwrap_or("-"));
            }
            prop_assert_eq!(reader.text(), "");
            prop_assert_eq!(reader.optional(), None);
        }
    }

    #[test]
    fn a_count_longer_than_the_text_reads_as_empty() {
        let mut packer = Packer::default();
        packer.count(usize::MAX);
        let packed = packer.finish();
        assert_eq!(Reader::new(&packed).text(), "");
        assert!(Reader::new(&packed).texts().is_empty());
    }
}

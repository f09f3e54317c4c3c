//! One case of framing: a bound, chunk boundaries, a callback that may refuse, and a stream.

use ingress_core::{ErrorKind, SourceError};

/// `BOUND REFUSE COUNT LENGTH… STREAM`: the bound, which frame the reader refuses (255: none), how many chunk lengths follow (of
/// which the last repeats for ever), and the bytes.
pub(crate) struct Case<'a> {
    pub(crate) bound: usize,
    refuse: Option<usize>,
    lengths: &'a [u8],
    pub(crate) stream: &'a [u8],
}

/// What came of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All was read; whether the stream ended inside a frame.
    Read { truncated: bool },
    /// A frame above the bound.
    Oversized,
    /// The reader refused a frame.
    Refused,
}

impl<'a> Case<'a> {
    pub(crate) fn read(data: &'a [u8]) -> Option<Self> {
        let (&[bound, refuse, count], rest) = data.split_first_chunk()?;
        let (lengths, stream) = rest.split_at_checked(usize::from(count % 8))?;
        let refuse = (refuse != u8::MAX).then_some(usize::from(refuse));
        Some(Self { bound: usize::from(bound), refuse, lengths, stream })
    }

    fn chunks(&self) -> Vec<&'a [u8]> {
        let mut lengths = self.lengths.iter().copied().map(usize::from);
        let last = self.lengths.last().map_or(usize::MAX, |last| usize::from(*last).max(1));
        let mut rest = self.stream;
        let mut chunks = Vec::new();
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(lengths.next().unwrap_or(last).min(rest.len()));
            chunks.push(chunk);
            rest = after;
        }
        chunks
    }

    /// Feeds the chunks to a cutter and compares with the frames that the oracle found, the last of which may be oversized.
    pub(crate) fn check(
        &self,
        expected: &[Vec<u8>],
        end: End,
        mut feed: impl FnMut(&[u8], &mut dyn FnMut(&[u8]) -> Result<(), SourceError>) -> Result<(), SourceError>,
        truncated: impl FnOnce() -> bool,
    ) {
        let mut seen: Vec<Vec<u8>> = Vec::new();
        let mut refused = false;
        let mut each = |frame: &[u8]| {
            assert!(!refused, "nothing is handed on after a refusal");
            assert!(
                frame.len() <= self.bound,
                "a frame of {} bytes above the bound of {}",
                frame.len(),
                self.bound
            );
            seen.push(frame.to_vec());
            refused = self.refuse == Some(seen.len() - 1);
            if refused { Err(SourceError::new(ErrorKind::Forbidden, "refused")) } else { Ok(()) }
        };
        let result = self.chunks().into_iter().try_for_each(|chunk| feed(chunk, &mut each));
        let (expected, end) = match self.refuse {
            Some(at) if at < expected.len() => (&expected[..=at], End::Refused),
            _ => (expected, end),
        };
        assert_eq!(seen, expected);
        let ended = match result {
            Ok(()) => End::Read { truncated: truncated() },
            Err(error) if error.kind() == ErrorKind::Forbidden => End::Refused,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
                assert!(error.message().contains(&format!("bound of {} bytes", self.bound)), "{error}");
                End::Oversized
            }
        };
        assert_eq!(ended, end);
    }
}

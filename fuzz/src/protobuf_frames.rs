//! Cutting a watch's protobuf into frames: wherever the chunks end, the frames are those of the whole stream.

use std::cell::RefCell;

use ingress_core::wire::proto::Frames;

use crate::frames::{Case, End};

/// Runs one case.
pub fn check(data: &[u8]) {
    let Some(case) = Case::read(data) else { return };
    let mut expected = Vec::new();
    let mut rest = case.stream;
    let end = loop {
        let Some((&length, after)) = rest.split_first_chunk::<4>() else {
            break End::Read { truncated: !rest.is_empty() };
        };
        let length = u32::from_be_bytes(length) as usize;
        if length > case.bound {
            break End::Oversized;
        }
        if after.len() < length {
            break End::Read { truncated: true };
        }
        expected.push(after[..length].to_vec());
        rest = &after[length..];
    };

    let frames = RefCell::new(Frames::new(case.bound));
    case.check(
        &expected,
        end,
        |chunk, each| frames.borrow_mut().feed(chunk, each),
        || frames.borrow().is_truncated(),
    );
}

//! Messages made up of several pieces.

use std::io::IoSlice;

/// Calls `send` with the pieces of a message and a header in front. Allocates only for more than 15 pieces.
pub(crate) fn with_header<T>(header: &[u8], pieces: &[IoSlice<'_>], send: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
    const ON_STACK: usize = 16;
    let mut on_stack = [IoSlice::new(&[]); ON_STACK];
    on_stack[0] = IoSlice::new(header);
    match on_stack.get_mut(1..=pieces.len()) {
        Some(target) => {
            target.copy_from_slice(pieces);
            send(&on_stack[..=pieces.len()])
        }
        None => {
            let all: Vec<_> = std::iter::once(IoSlice::new(header)).chain(pieces.iter().copied()).collect();
            send(&all)
        }
    }
}

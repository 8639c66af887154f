//! Waiting that takes no longer than what is awaited, for tests that play the other side themselves.

use std::time::Instant;

use aeron_cluster::testing::PATIENCE;

/// Asks `observe` until it gives a value.
pub fn until<T>(what: &str, mut observe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = observe() {
            return value;
        }
        assert!(Instant::now() < deadline, "gave up on {what}");
        std::thread::yield_now();
    }
}

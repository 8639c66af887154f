//! The conductor of a client without a conductor thread: any thread that needs its work done runs it, one thread at a time.
//!
//! C's own invoker mode (`invoker_mode` of the conductor) runs every add and close on the thread that asks for it, without a lock:
//! another thread there is a data race, a subscription closed within its own poll is a use after free, and an add that the driver
//! has no room for leaves the conductor with a pointer to freed memory (aeron_client_conductor.c, the error paths of
//! `aeron_client_conductor_async_add_*`). So C is told of the invoker after its conductor was made (see native_context.rs): adds and
//! closes then go through the queue that is there for them, from any thread, and only the work itself needs its turn.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

thread_local! {
    /// Its address is unique among living threads.
    static TOKEN: u8 = const { 0 };
}

fn this_thread() -> usize {
    TOKEN.with(|token| std::ptr::from_ref(token).addr())
}

/// Tracks which thread runs a conductor.
#[derive(Default)]
pub(super) struct Turns {
    /// The token of the thread that has the turn; 0 if none has.
    holder: AtomicUsize,
}

impl Turns {
    /// The turn; `None` if any thread has it, this one included.
    pub(super) fn try_take(&self) -> Option<Turn<'_>> {
        let taken = self.holder.compare_exchange(0, this_thread(), Ordering::Acquire, Ordering::Relaxed);
        taken.is_ok().then(|| Turn { turns: self, thread: PhantomData })
    }

    /// Waits until no other thread has the turn, and takes it. `None` if this thread has it already.
    pub(super) fn take(&self) -> Option<Turn<'_>> {
        loop {
            if let Some(turn) = self.try_take() {
                return Some(turn);
            }
            if self.holder.load(Ordering::Relaxed) == this_thread() {
                return None;
            }
            std::thread::yield_now();
        }
    }
}

/// The right to run the conductor, for as long as this lives. Stays on its thread.
pub(crate) struct Turn<'t> {
    turns: &'t Turns,
    thread: PhantomData<*const ()>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.holder.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_at_a_time_has_the_turn_and_gives_it_back() {
        let turns = Turns::default();
        let turn = turns.take().unwrap();
        assert!(turns.try_take().is_none() && turns.take().is_none(), "not twice on one thread");
        std::thread::scope(|scope| {
            assert!(scope.spawn(|| turns.try_take().is_none()).join().unwrap());
            let waiting = scope.spawn(|| turns.take().is_some());
            drop(turn);
            assert!(waiting.join().unwrap());
        });
        assert!(turns.try_take().is_some());
    }
}

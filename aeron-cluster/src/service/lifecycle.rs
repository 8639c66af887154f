//! Callbacks in which a service must not send.

use std::cell::Cell;

/// The callback that is running, if it is one in which sending and timers are forbidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lifecycle {
    None,
    OnStart,
    OnTerminate,
    OnRoleChange,
    DoBackgroundWork,
}

impl Lifecycle {
    /// The callback's name in Java, for error messages in Java's words.
    pub(super) fn java_name(self) -> &'static str {
        match self {
            Lifecycle::None => "none",
            Lifecycle::OnStart => "onStart",
            Lifecycle::OnTerminate => "onTerminate",
            Lifecycle::OnRoleChange => "onRoleChange",
            Lifecycle::DoBackgroundWork => "doBackgroundWork",
        }
    }
}

/// Marks a callback as running; dropping it restores the outer one.
pub(super) struct LifecycleGuard<'a> {
    cell: &'a Cell<Lifecycle>,
    before: Lifecycle,
}

impl<'a> LifecycleGuard<'a> {
    pub(super) fn enter(cell: &'a Cell<Lifecycle>, now: Lifecycle) -> Self {
        LifecycleGuard { cell, before: cell.replace(now) }
    }
}

impl Drop for LifecycleGuard<'_> {
    fn drop(&mut self) {
        self.cell.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inner_callback_does_not_lift_the_outer_guard() {
        let cell = Cell::new(Lifecycle::None);
        {
            let _outer = LifecycleGuard::enter(&cell, Lifecycle::OnRoleChange);
            {
                let _inner = LifecycleGuard::enter(&cell, Lifecycle::DoBackgroundWork);
                assert_eq!(cell.get(), Lifecycle::DoBackgroundWork);
            }
            assert_eq!(cell.get(), Lifecycle::OnRoleChange);
        }
        assert_eq!(cell.get(), Lifecycle::None);
    }
}

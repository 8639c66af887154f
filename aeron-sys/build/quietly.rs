//! Turns the panics of the build libraries into errors.

use std::panic::{self, AssertUnwindSafe};

/// Runs something that panics where it should return an error. Returns the first line of what the panic says.
pub fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    panic::set_hook(hook);
    result.map_err(|payload| {
        let said = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("it does not say why");
        said.trim().lines().next().unwrap_or_default().to_owned()
    })
}

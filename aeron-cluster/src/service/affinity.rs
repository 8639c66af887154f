//! Pins the container's thread to a processor. Mirrors Java's `AffinityRegistry`, as far as one thread needs it.
#![cfg_attr(target_os = "linux", allow(unsafe_code))]

use crate::error::{Error, ErrorKind, Result};

/// An error if this process may not run on `cpu`.
pub(super) fn check(cpu: usize) -> Result<()> {
    let allowed = imp::allowed().map_err(|error| error.context(format!("cpu affinity {cpu}")))?;
    if allowed.contains(&cpu) {
        return Ok(());
    }
    let message = format!("cpu affinity {cpu} is not among the processors of this process: {allowed:?}");
    Err(Error::new(ErrorKind::InvalidArgument, message))
}

/// Keeps the calling thread on `cpu` from now on.
pub(super) fn pin_this_thread(cpu: usize) -> Result<()> {
    imp::pin_this_thread(cpu).map_err(|error| error.context(format!("cannot pin the service's thread to cpu {cpu}")))
}

#[cfg(target_os = "linux")]
mod imp {
    use super::{Error, Result};

    /// The processors that the calling thread may run on.
    pub(super) fn allowed() -> Result<Vec<usize>> {
        // SAFETY: `cpu_set_t` is a set of bits; all of them clear is the empty set.
        let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: sched_getaffinity(2) writes at most the given length into the set; 0 is the calling thread.
        let result = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &mut set) };
        if result != 0 {
            return Err(Error::from(std::io::Error::last_os_error()));
        }
        // SAFETY: CPU_ISSET(3) reads within the set below CPU_SETSIZE.
        Ok((0..libc::CPU_SETSIZE as usize).filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) }).collect())
    }

    pub(super) fn pin_this_thread(cpu: usize) -> Result<()> {
        // SAFETY: as in `allowed`.
        let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        if cpu < libc::CPU_SETSIZE as usize {
            // SAFETY: CPU_SET(3) writes within the set below CPU_SETSIZE.
            unsafe { libc::CPU_SET(cpu, &mut set) };
        }
        // SAFETY: sched_setaffinity(2) reads the given length from the set; 0 is the calling thread. An empty set is refused.
        let result = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &set) };
        if result != 0 { Err(Error::from(std::io::Error::last_os_error())) } else { Ok(()) }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use super::{Error, ErrorKind, Result};

    fn unsupported<T>() -> Result<T> {
        Err(Error::new(ErrorKind::InvalidArgument, "threads can be pinned on Linux only: leave cpu_affinity unset"))
    }

    pub(super) fn allowed() -> Result<Vec<usize>> {
        unsupported()
    }

    pub(super) fn pin_this_thread(_cpu: usize) -> Result<()> {
        unsupported()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_pinned_and_others_are_not() {
        let before = imp::allowed().unwrap();
        let cpu = *before.last().unwrap();
        let pinned = std::thread::spawn(move || {
            check(cpu).unwrap();
            pin_this_thread(cpu).unwrap();
            imp::allowed().unwrap()
        });
        assert_eq!(pinned.join().unwrap(), [cpu]);
        assert_eq!(imp::allowed().unwrap(), before);
    }

    #[test]
    fn a_processor_that_is_not_there_is_refused_with_those_that_are() {
        for cpu in [1_000, 1_000_000] {
            let message = check(cpu).unwrap_err().to_string();
            let start = format!("cpu affinity {cpu} is not among the processors of this process: [");
            assert!(message.starts_with(&start), "{message}");
            assert!(pin_this_thread(cpu).unwrap_err().to_string().contains(&format!("to cpu {cpu}")));
        }
    }
}

//! A process that is forked has a client without a conductor, whose memory is the parent's.

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::Aeron;
use aeron_cluster::driver::{MediaDriver, ThreadingMode};
use aeron_cluster::testing::{PATIENCE, WorkDir};

use crate::rig::{Rig, context, driver_context, until};

const TYPE: i32 = 1020;

/// Runs `check` in a child, which must not touch what threads of this process may have locked.
fn in_a_child(check: impl FnOnce() -> bool) {
    // SAFETY: the child calls the check and ends without running anything of its parent's.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        let code = i32::from(!check());
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: waits for the child that was just made.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{status}");
}

#[test]
fn a_child_is_refused_and_does_not_close_its_parents_client() {
    let rig = Rig::new();
    for invoker in [false, true] {
        let aeron = Aeron::connect(context(&rig.dir).use_conductor_agent_invoker(invoker)).unwrap();
        let counter = aeron.add_counter(TYPE, &[], "the parent's").unwrap();
        let mut held = Some((aeron.clone(), counter));
        in_a_child(|| {
            let refused = |error: aeron_cluster::Error| error.kind() == ErrorKind::State;
            let (aeron, counter) = held.take().unwrap();
            let added = aeron.add_publication("aeron:ipc", 20).is_err_and(refused);
            let asked = aeron.next_session_id(20).is_err_and(refused);
            let worked = !invoker || aeron.do_work().is_err_and(refused);
            drop((aeron, counter));
            added && asked && worked
        });
        // Whatever the child told the driver would have come before this.
        let later = aeron.add_counter(TYPE + 1, &[], "the parent's again").unwrap();
        assert!(!aeron.is_closed());
        assert_eq!((rig.count(TYPE), rig.count(TYPE + 1)), (1, 1));
        drop((held, later));
        until("both to go", || {
            let _ = invoker && aeron.do_work().is_ok();
            rig.count(TYPE) + rig.count(TYPE + 1) == 0
        });
    }
}

#[test]
fn a_child_does_not_end_its_parents_driver() {
    for mode in [ThreadingMode::Shared, ThreadingMode::Invoker] {
        let work = WorkDir::new().unwrap();
        let dir = work.path().join("aeron");
        let mut held = Some(MediaDriver::launch(driver_context(&dir).threading_mode(mode)).unwrap());
        in_a_child(|| {
            let mut driver = held.take().unwrap();
            driver.do_work().is_err_and(|error| error.kind() == ErrorKind::State) && driver.close().is_ok()
        });
        let mut driver = held.unwrap();
        let _ = driver.is_invoker() && driver.do_work().is_ok();
        assert!(driver.cnc_file().unwrap().is_driver_active(PATIENCE), "{mode:?}");
        driver.close().unwrap();
    }
}

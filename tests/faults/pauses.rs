//! SIGSTOP for one process of a member, shorter than every time-out, and longer than each.

use std::time::Duration;

use aeron_cluster::testing::Part;
use anyhow::Result;

use crate::fault::Victim;
use crate::random::Random;
use crate::rig::Rig;

/// The shortest time-out that ends anything: what a driver gives its clients, in the tests.
const CLIENT_LIVENESS_TIMEOUT_S: u64 = 5;

pub fn run(rig: &mut Rig, victim: Victim, seconds: u64, random: &mut Random) -> Result<String> {
    let (member, role) = rig.choose(random)?;
    rig.process(member, victim)?.pause()?;
    std::thread::sleep(Duration::from_secs(seconds));
    rig.process(member, victim)?.resume();
    let seen = if seconds < CLIENT_LIVENESS_TIMEOUT_S {
        rig.loaded.settle()?;
        rig.check_running(member)?;
        "everything went on".to_owned()
    } else {
        if victim == Victim::Server(Part::Archive) {
            rig.await_end(member, victim)?;
        }
        rig.await_ends_without(member, victim)?;
        rig.last_words(member)?
    };
    rig.cluster().start()?;
    Ok(format!("member {member} ({role}): {seen}"))
}

//! Services that take long for a message.

use anyhow::Result;

use crate::loaded::MEMBERS;
use crate::random::Random;
use crate::replica::{Command, Targets};
use crate::rig::Rig;

/// Together they take so long, at least.
const TOTAL_MS: u32 = 4_000;

pub fn run(rig: &mut Rig, is_everywhere: bool, ms: u32, random: &mut Random) -> Result<String> {
    let (member, role) = rig.choose(random)?;
    let targets = if is_everywhere { Targets::ALL } else { Targets::member(member) };
    rig.order((0..(TOTAL_MS / ms).max(1)).map(|_| Command::Sleep { targets, ms }))?;
    rig.loaded.settle()?;
    (0..MEMBERS).try_for_each(|member| rig.check_running(member))?;
    let who = if is_everywhere { "all members".to_owned() } else { format!("member {member} ({role})") };
    Ok(format!("{who}: everything went on"))
}

//! What the soak does to the cluster, one step at a time.

use std::fmt;
use std::time::Duration;

use aeron_cluster::testing::{PATIENCE, Part, TestCluster};
use anyhow::{Context as _, Result};

use crate::loaded::MEMBERS;
use crate::random::Random;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Snapshot,
    KillLeader,
    KillFollower,
    StopLeader,
    StopFollower,
    /// The service's program alone; its consensus module ends with it.
    KillService,
    /// The consensus module alone; its service ends with it.
    KillModule,
    /// Two of three members: there is no leader until one is back.
    LoseQuorum,
    /// A follower loses all that it has.
    EmptyFollower,
    KillAll,
    /// The whole cluster, in order, without a snapshot.
    Abort,
    /// The whole cluster, in order, with a snapshot.
    Shutdown,
}

/// How often each comes, in relation.
const WEIGHTS: [(Step, u64); 12] = [
    (Step::Snapshot, 6),
    (Step::KillLeader, 4),
    (Step::KillFollower, 3),
    (Step::StopLeader, 3),
    (Step::StopFollower, 3),
    (Step::KillService, 2),
    (Step::KillModule, 2),
    (Step::LoseQuorum, 2),
    (Step::EmptyFollower, 2),
    (Step::KillAll, 1),
    (Step::Abort, 1),
    (Step::Shutdown, 1),
];

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Step::Snapshot => "snapshot",
            Step::KillLeader => "kill the leader",
            Step::KillFollower => "kill a follower",
            Step::StopLeader => "stop the leader",
            Step::StopFollower => "stop a follower",
            Step::KillService => "kill a service",
            Step::KillModule => "kill a consensus module",
            Step::LoseQuorum => "lose the quorum",
            Step::EmptyFollower => "empty a follower",
            Step::KillAll => "kill all members",
            Step::Abort => "abort, start again",
            Step::Shutdown => "shut down, start again",
        })
    }
}

impl Step {
    pub fn choose(random: &mut Random) -> Step {
        let total = WEIGHTS.iter().map(|(_, weight)| weight).sum();
        let mut left = random.below(total);
        for (step, weight) in WEIGHTS {
            if left < weight {
                return step;
            }
            left -= weight;
        }
        Step::Snapshot
    }

    /// Does it under load, and returns when all members are back.
    pub fn run(self, cluster: &mut TestCluster, random: &mut Random) -> Result<()> {
        let leader = cluster.wait_for_leader()?;
        let follower = (leader + 1 + random.below(MEMBERS as u64 - 1) as usize) % MEMBERS;
        let any = random.below(MEMBERS as u64) as usize;
        let pause = Duration::from_millis(random.below(2_000));
        match self {
            Step::Snapshot => cluster.snapshot()?,
            Step::KillLeader => kill(cluster, &[leader], pause)?,
            Step::KillFollower => kill(cluster, &[follower], pause)?,
            Step::StopLeader => stop(cluster, leader, pause)?,
            Step::StopFollower => stop(cluster, follower, pause)?,
            Step::KillService => {
                cluster.kill_service(any, 0)?;
                cluster.process(any, Part::ConsensusModule).context("no consensus module")?.wait(PATIENCE)?;
            }
            Step::KillModule => {
                cluster.kill(any, Part::ConsensusModule);
                cluster.wait_for_service_end(any, 0)?;
            }
            Step::LoseQuorum => kill(cluster, &[leader, follower], pause)?,
            Step::EmptyFollower => {
                cluster.kill_member(follower);
                cluster.wipe_member(follower)?;
                std::thread::sleep(pause);
            }
            Step::KillAll => kill(cluster, &[0, 1, 2], pause)?,
            Step::Abort => cluster.abort()?,
            Step::Shutdown => cluster.shutdown()?,
        }
        Ok(cluster.start()?)
    }
}

/// The time is for the others: without the member, or without anybody.
fn kill(cluster: &mut TestCluster, members: &[usize], pause: Duration) -> Result<()> {
    members.iter().for_each(|member| cluster.kill_member(*member));
    std::thread::sleep(pause);
    if let [member] = members {
        cluster.wait_for_other_leader(*member)?;
    }
    Ok(())
}

fn stop(cluster: &mut TestCluster, member: usize, pause: Duration) -> Result<()> {
    cluster.stop_member(member)?;
    std::thread::sleep(pause);
    cluster.wait_for_other_leader(member)?;
    Ok(())
}

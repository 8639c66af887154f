//! The faults there are, and their names.

use std::fmt;

use aeron_cluster::testing::Part;

/// A process of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    Server(Part),
    Service,
}

impl Victim {
    pub const ALL: [Victim; 4] = [
        Victim::Server(Part::Driver),
        Victim::Server(Part::Archive),
        Victim::Server(Part::ConsensusModule),
        Victim::Service,
    ];
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Victim::Server(Part::Driver) => "driver",
            Victim::Server(Part::Archive) => "archive",
            Victim::Server(Part::ConsensusModule) => "module",
            Victim::Service => "service",
        })
    }
}

/// What a member is at when it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It has joined, and messages come.
    Load,
    /// It replays its own log.
    Recovery,
    /// It catches up with the others.
    Join,
    Snapshot,
    /// The cluster is being shut down.
    Termination,
}

/// What is disturbed between drivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disorder {
    Doubled,
    Reordered,
    Both,
}

/// What becomes of a client's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// SIGKILL.
    Killed,
    /// SIGSTOP, and SIGCONT after so many seconds.
    Stopped(u64),
}

/// Which disk is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FullDisk {
    /// The archive's, while it records.
    Archive,
    /// The same, when a snapshot does not fit on it.
    Snapshot,
    /// The cluster directory's, when the service starts.
    MarkFile,
    /// The same, while the member runs.
    Cluster,
}

/// What the members must be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    Plain,
    /// Each process with a clock that can be set.
    Clocks,
    /// The processes of a member with one clock that can be set.
    ClockOfMember,
    /// Drivers that lose so much of what arrives, in percent.
    Loss(u32),
    /// A relay between any two drivers.
    Relay(Disorder),
    /// A driver for clients that are processes, and sessions that time out soon.
    Clients,
    /// Archive and cluster directory of member 0 on a small disk of their own.
    SmallDisk,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL.
    Kill(Victim, Phase),
    /// All processes of the leader are killed, and started again at once.
    Bounce,
    /// SIGSTOP, and SIGCONT after so many seconds.
    Pause(Victim, u64),
    /// The clock of one process of a member is set by so many seconds, or that of all of them.
    Clock(Option<Victim>, i64),
    /// Packets are lost, so many percent.
    Loss(u32),
    /// Packets come twice, or out of order.
    Relay(Disorder),
    Full(FullDisk),
    Client(Halt),
    /// One service, or all, take so many milliseconds for a message.
    Slow {
        is_everywhere: bool,
        ms: u32,
    },
}

impl Fault {
    /// All of them, those together that need the same setup.
    pub fn all() -> Vec<Fault> {
        let phases = [Phase::Load, Phase::Recovery, Phase::Join, Phase::Snapshot, Phase::Termination];
        let mut all = Vec::new();
        for phase in phases {
            all.extend(Victim::ALL.map(|victim| Fault::Kill(victim, phase)));
        }
        all.push(Fault::Bounce);
        for seconds in [3, 12] {
            all.extend(Victim::ALL.map(|victim| Fault::Pause(victim, seconds)));
        }
        all.extend(
            [(false, 100), (true, 100), (false, 8_000)].map(|(is_everywhere, ms)| Fault::Slow { is_everywhere, ms }),
        );
        for seconds in [3, -3, 3_600, -3_600] {
            all.extend(Victim::ALL.map(|victim| Fault::Clock(Some(victim), seconds)));
        }
        all.extend([3_600, -3_600].map(|seconds| Fault::Clock(None, seconds)));
        all.extend([1, 10].map(Fault::Loss));
        all.extend([Disorder::Doubled, Disorder::Reordered, Disorder::Both].map(Fault::Relay));
        all.extend([Halt::Killed, Halt::Stopped(12)].map(Fault::Client));
        all.extend([FullDisk::Archive, FullDisk::MarkFile, FullDisk::Cluster, FullDisk::Snapshot].map(Fault::Full));
        all
    }

    /// What the command line calls it.
    pub fn name(self) -> String {
        match self {
            Fault::Kill(victim, phase) => format!("kill-{victim}-{}", format!("{phase:?}").to_lowercase()),
            Fault::Bounce => "bounce-leader".to_owned(),
            Fault::Pause(victim, seconds) => format!("pause-{victim}-{seconds}s"),
            Fault::Clock(Some(victim), seconds) => format!("clock-{victim}{seconds:+}s"),
            Fault::Clock(None, seconds) => format!("clock-member{seconds:+}s"),
            Fault::Loss(percent) => format!("loss-{percent}"),
            Fault::Relay(disorder) => format!("relay-{}", format!("{disorder:?}").to_lowercase()),
            Fault::Client(Halt::Killed) => "kill-client".to_owned(),
            Fault::Client(Halt::Stopped(seconds)) => format!("pause-client-{seconds}s"),
            Fault::Full(FullDisk::Archive) => "full-archive".to_owned(),
            Fault::Full(FullDisk::Snapshot) => "full-snapshot".to_owned(),
            Fault::Full(FullDisk::MarkFile) => "full-mark-file".to_owned(),
            Fault::Full(FullDisk::Cluster) => "full-cluster".to_owned(),
            Fault::Slow { is_everywhere, ms } => format!("slow-{}-{ms}ms", if is_everywhere { "all" } else { "one" }),
        }
    }

    pub fn setup(self) -> Setup {
        match self {
            Fault::Kill(..) | Fault::Bounce | Fault::Pause(..) | Fault::Slow { .. } => Setup::Plain,
            Fault::Clock(Some(_), _) => Setup::Clocks,
            Fault::Clock(None, _) => Setup::ClockOfMember,
            Fault::Loss(percent) => Setup::Loss(percent),
            Fault::Relay(disorder) => Setup::Relay(disorder),
            Fault::Client(_) => Setup::Clients,
            Fault::Full(_) => Setup::SmallDisk,
        }
    }
}

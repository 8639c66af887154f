//! Full disks. Archive and cluster directory of member 0 are on file systems of a few megabytes, which only its processes see: they are mounted in a
//! namespace of their own, as root or in a namespace of users.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use aeron_cluster::testing::{Java, PATIENCE, Part, Process, TestCluster};
use anyhow::{Context as _, Result, bail, ensure};

use crate::fault::{FullDisk, Victim};
use crate::load::Load;
use crate::loaded::replicas_with;
use crate::mounts::{is_root, with_own_mounts};
use crate::replica;
use crate::rig::{Extra, Rig, impatient};

/// Whose disks they are.
const MEMBER: usize = 0;
/// Room for what a run writes, and soon full.
const SIZE: &str = "48m";
/// More state than there is room for, when an archive has room enough to begin with it.
const SNAPSHOT_LENGTH: u32 = 8_000_000;
const ROOM_MB: u64 = 4;
/// How often the load may come in between, or a tool may be asked.
const ATTEMPTS: u32 = 5;
const BALLAST: &str = "ballast";
const READY: &str = "ready";
/// Writes what the process of a mark file would have written at its end, which [`TestCluster`] does where it sees the file.
const RELEASE: &str = r"printf '\377\377\377\377\377\377\377\377' | dd status=none bs=1 seek=16 conv=notrunc";

/// Holds the namespace in which the file systems are.
pub struct SmallDisk {
    process: Process,
    is_of_user: bool,
}

impl SmallDisk {
    /// Mounts an empty one at each of the directories.
    fn mount(dirs: [&Path; 2]) -> Result<SmallDisk> {
        for dir in dirs {
            std::fs::create_dir_all(dir)?;
        }
        let mount = |dir: &Path| format!("mount -t tmpfs -o size={SIZE} tmpfs '{}'", dir.display());
        let script = format!("{} && {} && echo {READY} && exec sleep infinity", mount(dirs[0]), mount(dirs[1]));
        let mut command = with_own_mounts();
        command.args(["setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", &script]);
        let process = Process::spawn("the namespace of a small disk", &command)?;
        process
            .wait_for_line(READY, PATIENCE)
            .context("this machine allows no mounts: run as root, or allow user namespaces")?;
        Ok(SmallDisk { process, is_of_user: !is_root() })
    }

    /// The same program where the disk is.
    fn enter(pid: u32, is_of_user: bool, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        if is_of_user {
            inside.arg(format!("--user=/proc/{pid}/ns/user")).arg("--preserve-credentials");
        }
        // Its root too: in a chroot it is not that of the file system. And where it works: a place in another namespace has no name here.
        inside.arg(format!("--mount=/proc/{pid}/ns/mnt")).arg(format!("--root=/proc/{pid}/root"));
        inside.arg(format!("--wd=/proc/{pid}/cwd"));
        inside.args(["--", "setpriv", "--pdeathsig", "KILL", "--"]);
        inside.arg(command.get_program()).args(command.get_args());
        inside
    }

    fn command(&self, command: &Command) -> Command {
        Self::enter(self.process.id(), self.is_of_user, command)
    }

    fn shell(&self, script: &str) -> Result<()> {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        let output = self.command(&shell).output()?;
        ensure!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Leaves no room at all.
    fn fill(&self, dir: &Path) -> Result<()> {
        let (ballast, dir) = (dir.join(BALLAST), dir.display());
        let write =
            |size: &str| format!("dd if=/dev/zero bs={size} oflag=append conv=notrunc of='{}' 2>&1", ballast.display());
        self.shell(&format!("{}; {}; test \"$(df --output=avail '{dir}' | tail -1)\" -eq 0", write("1M"), write("4k")))
    }

    /// Runs the archive's tool, says yes to all that it asks, and returns what it printed.
    fn archive_tool(&self, dir: &Path, action: &str) -> Result<String> {
        let mut tool = Java::aeron_all()?.command::<&str, &str>("io.aeron.archive.ArchiveTool", []);
        tool.arg(dir).arg(action);
        let mut tool = self.command(&tool);
        let mut running = tool.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        running.stdin.take().context("no way to answer")?.write_all(b"y\ny\ny\ny\n")?;
        let output = running.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "ArchiveTool {action}: {said}{}", String::from_utf8_lossy(&output.stderr));
        Ok(said)
    }

    /// Leaves room for so many megabytes.
    fn fill_but(&self, dir: &Path, megabytes: u64) -> Result<()> {
        let (ballast, dir) = (dir.join(BALLAST), dir.display());
        let room = format!("$(($(df --output=avail --block-size=1M '{dir}' | tail -1) - {megabytes}))");
        self.shell(&format!("dd status=none if=/dev/zero bs=1M count=\"{room}\" of='{}'", ballast.display()))
    }

    fn free(&self, dir: &Path) -> Result<()> {
        self.shell(&format!("rm '{}'", dir.join(BALLAST).display()))
    }
}

pub fn start() -> Result<(TestCluster, Extra)> {
    let namespace = std::sync::Arc::new(std::sync::OnceLock::<(u32, bool)>::new());
    let inside = {
        let namespace = std::sync::Arc::clone(&namespace);
        move |member: usize, command: Command| match namespace.get() {
            Some((pid, is_of_user)) if member == MEMBER => SmallDisk::enter(*pid, *is_of_user, &command),
            _ => command,
        }
    };
    let of_service = inside.clone();
    let builder = replicas_with(move |place, command| of_service(place.member(), command))?;
    // Below this an archive begins no recording. The default is as long as its segments are by default: 128 MB.
    let builder = impatient(builder).property("aeron.archive.low.storage.space.threshold", "1m");
    let mut cluster = builder.server_command(move |member, _, command| inside(member, command)).create()?;
    let disk = SmallDisk::mount([&cluster.archive_dir(MEMBER), &cluster.cluster_dir(MEMBER)])?;
    namespace.set((disk.process.id(), disk.is_of_user)).ok().context("there is a disk already")?;
    cluster.start()?;
    Ok((cluster, Extra::Disk(disk)))
}

pub fn run(rig: &mut Rig, disk: FullDisk) -> Result<String> {
    match disk {
        FullDisk::Archive => archive(rig),
        FullDisk::Snapshot => snapshot(rig),
        FullDisk::MarkFile => mark_file(rig),
        FullDisk::Cluster => cluster(rig),
    }
}

fn disk(rig: &Rig) -> Result<&SmallDisk> {
    match &rig.extra {
        Extra::Disk(disk) => Ok(disk),
        _ => bail!("no small disk"),
    }
}

/// The archive has no room for the next part of the log.
fn archive(rig: &mut Rig) -> Result<String> {
    let dir = rig.cluster().archive_dir(MEMBER);
    let role = role(rig)?;
    disk(rig)?.fill(&dir)?;
    rig.await_end(MEMBER, Victim::Server(Part::ConsensusModule))?;
    rig.await_end(MEMBER, Victim::Service)?;
    let words = rig.last_words(MEMBER)?;
    disk(rig)?.free(&dir)?;
    // Only now: its mark file has holes, which nobody can read on a full disk.
    let errors = disk(rig)?.archive_tool(&dir, "errors")?;
    let of_archive = errors.lines().map(str::trim).find(|line| line.contains("No space left"));
    let of_archive = of_archive.unwrap_or("no word of the disk in its error log").to_owned();
    rig.cluster().kill_member(MEMBER);
    for file in [dir.join("archive-mark.dat"), rig.cluster().cluster_dir(MEMBER).join("cluster-mark.dat")] {
        disk(rig)?.shell(&format!("{RELEASE} of='{}'", file.display()))?;
    }
    // An archive does not start on a recording whose last fragment may be half there, until its tool has cut that off.
    // It reads one answer, and may ask for the recording of a snapshot too: each time it has done one.
    let mut verified = disk(rig)?.archive_tool(&dir, "verify");
    for _ in 1..ATTEMPTS {
        verified = verified.or_else(|_| disk(rig)?.archive_tool(&dir, "verify"));
    }
    verified?;
    rig.cluster().start()?;
    Ok(format!("member {MEMBER} ({role}): {words}; archive: {of_archive}"))
}

/// The archive has room to begin the recording of a snapshot, and not for all of it. There is no load: what keeps so much state is not
/// to be told otherwise, nor the log to need the room.
fn snapshot(rig: &mut Rig) -> Result<String> {
    let dir = rig.cluster().archive_dir(MEMBER);
    // Written to by an archive that has no room, and else not there in full.
    let mark_file = dir.join("archive-mark.dat");
    disk(rig)?.shell(&format!("fallocate --length \"$(stat -c %s '{0}')\" '{0}'", mark_file.display()))?;
    keep(rig)?;
    let role = role(rig)?;
    disk(rig)?.fill_but(&dir, ROOM_MB)?;
    let leader = rig.cluster().wait_for_leader()?;
    let before = rig.process(MEMBER, Victim::Service)?.line_count();
    let _tool = cluster_tool(rig, leader, "snapshot")?;
    let service = rig.process(MEMBER, Victim::Service)?;
    let words = service.wait_for_line_from(before, "on_take_snapshot failed", PATIENCE)?;
    disk(rig)?.free(&dir)?;
    rig.loaded.loads.iter().for_each(Load::go_on);
    rig.loaded.settle()?;
    rig.check_running(MEMBER)?;
    Ok(format!("member {MEMBER} ({role}) goes on: {words}"))
}

/// Has the replicas keep more state than there is room for, and pauses the load, which may have them keep less.
fn keep(rig: &mut Rig) -> Result<()> {
    let kept = format!("kept={SNAPSHOT_LENGTH} ");
    for _ in 0..ATTEMPTS {
        rig.order([replica::Command::Keep { length: SNAPSHOT_LENGTH }])?;
        rig.loaded.loads.iter().for_each(Load::pause);
        if rig.loaded.state()?.contains(&kept) {
            return Ok(());
        }
        rig.loaded.loads.iter().for_each(Load::go_on);
    }
    bail!("the load had the replicas keep less, {ATTEMPTS} times")
}

fn role(rig: &mut Rig) -> Result<&'static str> {
    Ok(if rig.cluster().wait_for_leader()? == MEMBER { "leader" } else { "follower" })
}

/// A service that starts has no room for its mark file; there is none of an earlier run.
fn mark_file(rig: &mut Rig) -> Result<String> {
    let dir = rig.cluster().cluster_dir(MEMBER);
    rig.cluster().stop_member(MEMBER)?;
    disk(rig)?.shell(&format!("rm '{}'", dir.join("cluster-mark-service-0.dat").display()))?;
    disk(rig)?.fill(&dir)?;
    for part in [Part::Driver, Part::Archive] {
        rig.cluster().start_part(MEMBER, part)?;
    }
    rig.cluster().start_service(MEMBER, 0)?;
    rig.await_end(MEMBER, Victim::Service)?;
    let words = rig.last_words(MEMBER)?;
    ensure!(words.contains("mark file") && words.contains("space"), "{words}");
    disk(rig)?.free(&dir)?;
    rig.cluster().start()?;
    Ok(words)
}

/// The cluster directory of a member that runs has no room for anything more, and it is to take a snapshot.
fn cluster(rig: &mut Rig) -> Result<String> {
    let dir = rig.cluster().cluster_dir(MEMBER);
    let role = role(rig)?;
    disk(rig)?.fill(&dir)?;
    let leader = rig.cluster().wait_for_leader()?;
    let snapshots = |rig: &mut Rig| -> Result<usize> {
        let mut tool = cluster_tool(rig, MEMBER, "recording-log")?;
        tool.wait_for_success(PATIENCE)?;
        Ok(tool.lines().join("").matches("serviceId=0, type=SNAPSHOT, isValid=true").count())
    };
    let before = snapshots(rig)?;
    cluster_tool(rig, leader, "snapshot")?.wait_for_success(PATIENCE)?;
    rig.loaded.settle()?;
    rig.check_running(MEMBER)?;
    let mut after = before;
    for _ in 0..ATTEMPTS {
        // A follower may need a moment longer than the leader.
        after = if after > before { after } else { snapshots(rig)? };
    }
    disk(rig)?.free(&dir)?;
    ensure!(after > before, "member {MEMBER} ({role}) has {after} snapshots, as many as before");
    Ok(format!("member {MEMBER} ({role}) goes on, and has its snapshot"))
}

/// A tool of the cluster, which sees the directory of the member.
fn cluster_tool(rig: &mut Rig, member: usize, action: &str) -> Result<Process> {
    if member != MEMBER {
        return Ok(rig.cluster().start_cluster_tool(member, &[action])?);
    }
    let properties = [("aeron.dir", rig.cluster().aeron_dir(member))];
    let mut tool = Java::aeron_all()?.command("io.aeron.cluster.ClusterTool", properties);
    tool.arg(rig.cluster().cluster_dir(member)).arg(action);
    Ok(Process::spawn("ClusterTool", &disk(rig)?.command(&tool))?)
}

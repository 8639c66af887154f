//! An archive and a media driver to test with.

use std::cell::Cell;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use aeron_cluster::aeron::Aeron;
use aeron_cluster::archive::{Archive, Context};
use aeron_cluster::driver::{DriverContext, MediaDriver, ThreadingMode};
use aeron_cluster::testing::{Java, PATIENCE, PortBlock, Process, WorkDir};

use crate::mounts::with_own_mounts;
use crate::support::{java_1_54, java_programs};
use crate::until;

/// How long the driver may stand still: on a loaded machine its thread does so for seconds.
const DRIVER_TIMEOUT: Duration = Duration::from_secs(5);

/// Chooses the servers of all tests: `1.54.0`, the version of the client. Otherwise they are 1.51.0.
const VERSION: &str = "ARCHIVE_TESTS_AT";

thread_local! {
    static IS_AT_1_54: Cell<bool> = Cell::new(std::env::var(VERSION).is_ok_and(|version| version == "1.54.0"));
}

/// Runs tests with servers of the client's version.
pub fn at_1_54(tests: &[fn()]) {
    let before = IS_AT_1_54.replace(true);
    tests.iter().for_each(|test| test());
    IS_AT_1_54.set(before);
}

/// The servers, with our programs.
fn java() -> Java {
    static AT_1_51: OnceLock<Java> = OnceLock::new();
    static AT_1_54: OnceLock<Java> = OnceLock::new();
    if IS_AT_1_54.get() { AT_1_54.get_or_init(java_1_54).clone() } else { AT_1_51.get_or_init(java_programs).clone() }
}

/// A media driver in this process and the official archive server beside it. The fields end in this order.
pub struct Node {
    pub aeron: Aeron,
    pub archive: Process,
    pub driver: MediaDriver,
    pub ports: PortBlock,
    command: Command,
    pub _memory: WorkDir,
    pub _disk: WorkDir,
}

impl Node {
    pub fn start() -> Node {
        Node::with_properties(&[])
    }

    /// With more properties for the archive.
    pub fn with_properties(more: &[(&str, &str)]) -> Node {
        Node::launch(more, None)
    }

    /// With an archive that has a disk of its own, of this size, and uses it to the last. Nobody else sees what is on it.
    pub fn on_a_disk_of(size: &str) -> Node {
        Node::launch(&[("aeron.archive.low.storage.space.threshold", "1k")], Some(size))
    }

    fn launch(more: &[(&str, &str)], disk_size: Option<&str>) -> Node {
        let (memory, disk) = (WorkDir::new().expect("directory"), WorkDir::new().expect("directory"));
        let ports = PortBlock::reserve().expect("ports");
        let driver = MediaDriver::launch(
            DriverContext::new()
                .dir(memory.path().join("aeron"))
                .threading_mode(ThreadingMode::Shared)
                .term_buffer_length(64 * 1024)
                .ipc_term_buffer_length(64 * 1024)
                .publication_linger_timeout(Duration::from_millis(200)),
        )
        .expect("driver");
        // A page of a mapped file for which there is no room is the end of its virtual machine.
        let mark_file_dir = memory.path().join("mark").display().to_string();
        let mut properties = more.to_vec();
        properties.extend(disk_size.map(|_| ("aeron.archive.mark.file.dir", mark_file_dir.as_str())));
        let mut command = archive_command(driver.dir(), disk.path(), &ports, &properties);
        if let Some(size) = disk_size {
            command = on_a_disk_of(size, disk.path(), &command);
        }
        let archive = Process::spawn("archive", &command).expect("archive");
        let aeron =
            Aeron::connect(aeron_cluster::aeron::Context::new().dir(driver.dir()).driver_timeout(DRIVER_TIMEOUT))
                .expect("client");
        Node { aeron, archive, driver, ports, command, _memory: memory, _disk: disk }
    }

    /// Starts the archive again, which has ended, on what it left. The driver closes the socket that it had a moment after it has forgotten it.
    pub fn restart_archive(&mut self) {
        until("the archive's address to be free", || UdpSocket::bind(("127.0.0.1", self.ports.port(0))).ok());
        self.archive = Process::spawn("archive", &self.command).expect("archive");
    }

    /// As a service container connects: through shared memory.
    pub fn local(&self) -> Context {
        Context::new(&self.aeron)
            .control_request_channel("aeron:ipc?term-length=64k")
            .control_request_stream_id(10)
            .control_response_channel("aeron:ipc?term-length=64k|alias=responses")
            .control_response_stream_id(121)
            .client_name("test")
            .message_timeout(PATIENCE)
    }

    /// Where the archive takes requests from other machines.
    pub fn control_channel(&self) -> String {
        format!("aeron:udp?endpoint=localhost:{}", self.ports.port(0))
    }

    /// As a client on another machine connects.
    pub fn remote(&self) -> Context {
        self.local()
            .control_request_channel(self.control_channel())
            .control_response_channel("aeron:udp?endpoint=localhost:0")
    }

    pub fn connect(&self) -> Archive {
        Archive::connect(&self.local()).expect("archive")
    }
}

/// The archive server on that driver and that disk, with more properties.
pub fn archive_command(aeron_dir: &Path, disk: &Path, ports: &PortBlock, more: &[(&str, &str)]) -> Command {
    let control = format!("aeron:udp?endpoint=localhost:{}", ports.port(0));
    let (aeron_dir, archive_dir) = (aeron_dir.display().to_string(), disk.join("archive").display().to_string());
    let mut properties = vec![
        ("aeron.dir", aeron_dir.as_str()),
        ("aeron.archive.dir", &archive_dir),
        ("aeron.archive.control.channel", &control),
        ("aeron.archive.replication.channel", "aeron:udp?endpoint=localhost:0"),
        ("aeron.archive.threading.mode", "SHARED"),
        ("aeron.archive.segment.file.length", "128k"),
        ("aeron.archive.recording.events.enabled", "false"),
        ("aeron.archive.idle.strategy", "org.agrona.concurrent.BackoffIdleStrategy"),
    ];
    properties.extend_from_slice(more);
    java().command("io.aeron.archive.Archive", properties)
}

/// The command in a namespace of its own, where a small disk is at that path.
fn on_a_disk_of(size: &str, path: &Path, command: &Command) -> Command {
    let mut wrapped = with_own_mounts();
    let script = "mount -t tmpfs -o size=\"$1\" none \"$2\" && shift 2 && exec \"$@\"";
    wrapped.args(["--", "sh", "-ec", script, "test", size]).arg(path);
    wrapped.arg(command.get_program()).args(command.get_args());
    wrapped
}

//! An archive and a media driver to test with.

use std::process::Command;
use std::time::Duration;

use aeron_cluster::aeron::Aeron;
use aeron_cluster::archive::{Archive, Context};
use aeron_cluster::driver::{DriverContext, MediaDriver, ThreadingMode};
use aeron_cluster::testing::{Java, PATIENCE, PortBlock, Process, WorkDir};

/// How long the driver may stand still: on a loaded machine its thread does so for seconds.
const DRIVER_TIMEOUT: Duration = Duration::from_secs(5);

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

    pub fn with_properties(more: &[(&str, &str)]) -> Node {
        Node::with(&Java::aeron_all().expect("java"), more)
    }

    /// With the archive of another class path, and more properties for it.
    pub fn with(java: &Java, more: &[(&str, &str)]) -> Node {
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
        let control = format!("aeron:udp?endpoint=localhost:{}", ports.port(0));
        let (aeron_dir, archive_dir) = (driver.dir().display().to_string(), disk.path().join("archive"));
        let archive_dir = archive_dir.display().to_string();
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
        let command = java.command("io.aeron.archive.Archive", properties);
        let archive = Process::spawn("archive", &command).expect("archive");
        let aeron =
            Aeron::connect(aeron_cluster::aeron::Context::new().dir(driver.dir()).driver_timeout(DRIVER_TIMEOUT))
                .expect("client");
        Node { aeron, archive, driver, ports, command, _memory: memory, _disk: disk }
    }

    /// Starts the archive again, which has ended, on what it left.
    pub fn restart_archive(&mut self) {
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

//! A cluster of three members that is led through all that it may write.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aeron_cluster::aeron::{self, Aeron, Header};
use aeron_cluster::archive::{self, Archive, SourceLocation};
use aeron_cluster::client::{AeronCluster, EgressListener};
use aeron_cluster::codec::AdminResponse;
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, ServiceError, SnapshotImage, SnapshotPublication, SnapshotReader,
    SnapshotWriter,
};
use aeron_cluster::testing::{PATIENCE, Part, TestCluster};

use super::harvest::harvest;
use super::keep::Corpus;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Drivers lose some of what they receive, so that they have something to report.
const LOSS: [(&str, &str); 2] = [
    ("AERON_UDP_CHANNEL_INCOMING_INTERCEPTORS", "loss"),
    ("AERON_UDP_CHANNEL_TRANSPORT_BINDINGS_LOSS_ARGS", "rate=0.02|seed=7|recv-msg-mask=7F"),
];
/// How often the files are looked at: what is closed is deleted after some seconds.
const INTERVAL: Duration = Duration::from_millis(50);
const SNAPSHOT: &str = "recorded";

/// Runs the cluster, and takes from its files, as long as it runs.
pub fn record(corpus: &mut Corpus) -> Outcome<()> {
    let mut cluster = TestCluster::builder()
        .members(3)
        .server_command(|_, part, mut command| {
            if part == Part::Driver {
                command.envs(LOSS);
            }
            command
        })
        .service(|_| Service)
        .create()?;
    let dirs: Vec<PathBuf> =
        (0..3).filter_map(|member| cluster.aeron_dir(member).parent().map(Path::to_path_buf)).collect();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                dirs.iter().for_each(|dir| harvest(dir, corpus));
                std::thread::sleep(INTERVAL);
            }
            dirs.iter().for_each(|dir| harvest(dir, corpus));
        });
        let outcome = lead(&mut cluster);
        is_over.store(true, Ordering::Relaxed);
        watcher.join().map_err(|_| "the watcher panicked")?;
        outcome
    })
}

fn lead(cluster: &mut TestCluster) -> Outcome<()> {
    cluster.start()?;
    let leader = cluster.wait_for_leader()?;
    let place = (leader + 1) % 3;
    let mut client = AeronCluster::connect(cluster.client_context(place))?;
    let mut heard = Heard::default();
    for message in ["first".to_owned(), "timer".to_owned(), "a message in fragments ".repeat(130), "own".to_owned()] {
        send(&mut client, &mut heard, &message)?;
    }
    client.send_keep_alive()?;
    client.send_admin_request_to_take_a_snapshot(7)?;
    until("an answer to the request", &mut client, &mut heard, |_, heard| heard.has_answer)?;
    AeronCluster::connect(cluster.client_context(place))?.close();
    let mut closed = AeronCluster::connect(cluster.client_context(place))?;
    closed.offer(b"close")?;
    until("the end of a session", &mut closed, &mut Heard::default(), |client, _| client.is_closed())?;
    list(&cluster.aeron_dir(place))?;
    cluster.snapshot()?;
    cluster.kill_member(leader);
    until("another leader", &mut client, &mut heard, |client, _| client.leader_member_id() != leader as i32)?;
    send(&mut client, &mut heard, "to another leader")?;
    cluster.start_member(leader)?;
    cluster.wait_until_applied()?;
    drop((client, closed));
    cluster.shutdown()?;
    // From a snapshot.
    cluster.start()?;
    cluster.stop()?;
    Ok(())
}

/// Has a member's archive say what it has, and what it has not.
fn list(aeron_dir: &Path) -> Outcome<()> {
    let aeron = Aeron::connect(aeron::Context::new().dir(aeron_dir))?;
    let context = archive::Context::new(&aeron)
        .control_request_channel("aeron:ipc?term-length=64k")
        .control_response_channel("aeron:ipc?term-length=64k")
        .control_response_stream_id(777);
    let mut archive = Archive::connect(&context)?;
    println!("{} recordings", archive.list_recordings(0, 100)?.len());
    println!("recorded now: {}", archive.list_recording_subscriptions(0, 100, "", None)?.len());
    archive.list_recording(1_000)?;
    if archive.start_position(1_000).is_ok() {
        return Err("a recording that nobody made has a position".into());
    }
    let publication = archive.add_recorded_publication("aeron:ipc?term-length=64k|alias=recorded", 778)?;
    archive.stop_recording_publication(&publication)?;
    archive.start_recording("aeron:udp?endpoint=localhost:0", 779, SourceLocation::Remote, true)?;
    Ok(())
}

#[derive(Default)]
struct Heard {
    messages: usize,
    has_answer: bool,
}

impl EgressListener for Heard {
    fn on_message(&mut self, _session: i64, _timestamp: i64, _message: &[u8], _header: &Header<'_>) {
        self.messages += 1;
    }

    fn on_admin_response(&mut self, _response: &AdminResponse<'_>) {
        self.has_answer = true;
    }
}

/// Sends a message, and waits for its answer.
fn send(client: &mut AeronCluster, heard: &mut Heard, message: &str) -> Outcome<()> {
    let (before, mut is_sent) = (heard.messages, false);
    until(message, client, heard, |client, heard| {
        is_sent = is_sent || client.offer(message.as_bytes()).is_ok();
        heard.messages > before
    })
}

fn until(
    what: &str,
    client: &mut AeronCluster,
    heard: &mut Heard,
    mut is_there: impl FnMut(&mut AeronCluster, &Heard) -> bool,
) -> Outcome<()> {
    let started = Instant::now();
    while !is_there(client, heard) {
        client.poll_egress(heard)?;
        if started.elapsed() > PATIENCE {
            return Err(format!("gave up on {what}").into());
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// Answers, sets timers, sends messages to the log and closes sessions, as it is told.
struct Service;

impl ClusteredService for Service {
    fn on_start(&mut self, cluster: &Cluster, snapshot: Option<&mut SnapshotImage>) -> Result<(), ServiceError> {
        if let Some(snapshot) = snapshot {
            let mut reader = SnapshotReader::open(cluster, snapshot, SNAPSHOT, 1..=1)?;
            std::io::copy(&mut reader, &mut std::io::sink())?;
            reader.finish()?;
        }
        Ok(())
    }

    fn on_session_message(
        &mut self,
        cluster: &Cluster,
        session: Option<&ClientSession>,
        timestamp: i64,
        message: &[u8],
        _header: &Header<'_>,
    ) {
        let Some(session) = session else { return };
        match message {
            b"timer" => {
                let _ = cluster.schedule_timer(1, timestamp);
                let _ = cluster.schedule_timer(2, timestamp + 1_000_000);
                let _ = cluster.cancel_timer(2);
            }
            b"own" => _ = cluster.offer(b"of the service"),
            b"close" => _ = session.close(),
            _ => {}
        }
        while session.offer(message).is_err_and(|refused| refused.is_retryable()) && cluster.idle(0).is_ok() {}
    }

    fn on_take_snapshot(&mut self, cluster: &Cluster, snapshot: &mut SnapshotPublication) -> Result<(), ServiceError> {
        let mut writer = SnapshotWriter::new(cluster, snapshot, SNAPSHOT, 1)?.with_total(100);
        writer.write_all(&[7; 100])?;
        writer.finish()?;
        Ok(())
    }
}

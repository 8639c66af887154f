//! Records a stream with an archive, lists the recording, replays it, and compares what comes back.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use aeron_cluster::aeron::{self, Aeron, FragmentAssembler, OfferError};
use aeron_cluster::archive::{Archive, Context, RecordingDescriptor, ReplayParams};
use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;

/// How long to wait for anything that should come at once.
const PATIENCE: Duration = Duration::from_secs(30);
const FRAGMENT_LIMIT: usize = 10;

/// Records messages with an archive and replays them.
#[derive(Parser, Debug)]
#[command(version, about)]
struct Args {
    /// The directory of the archive's media driver.
    #[arg(long, value_name = "D")]
    aeron_dir: PathBuf,

    /// The archive's control channel.
    #[arg(long, value_name = "C", default_value = "aeron:ipc?term-length=64k")]
    control_channel: String,

    #[arg(long, value_name = "N", default_value_t = 10)]
    control_stream: i32,

    /// The channel on which the archive answers.
    #[arg(long, value_name = "C", default_value = "aeron:ipc?term-length=64k")]
    response_channel: String,

    #[arg(long, value_name = "N", default_value_t = 21)]
    response_stream: i32,

    /// The channel to record.
    #[arg(long, value_name = "C", default_value = "aeron:ipc")]
    channel: String,

    #[arg(long, value_name = "N", default_value_t = 1033)]
    stream: i32,

    /// The stream of aeron:ipc to replay to.
    #[arg(long, value_name = "N", default_value_t = 1034)]
    replay_stream: i32,

    #[arg(long, value_name = "N", default_value_t = 10_000)]
    messages: u64,

    /// The length of a message, in bytes.
    #[arg(long, value_name = "N", default_value_t = 100)]
    length: usize,
}

fn main() -> Result<()> {
    let args = &Args::parse();
    let aeron = Aeron::connect(aeron::Context::new().dir(&args.aeron_dir))?;
    let context = Context::new(&aeron)
        .control_request_channel(&args.control_channel)
        .control_request_stream_id(args.control_stream)
        .control_response_channel(&args.response_channel)
        .control_response_stream_id(args.response_stream);
    let mut archive = Archive::connect(&context).context("cannot connect to the archive")?;
    println!("connected to the archive {}", archive.archive_id());
    let recording = record(args, &aeron, &mut archive)?;
    let end = recording.stop_position.map_or_else(|| "now".to_owned(), |position| position.to_string());
    let (id, session, start) = (recording.recording_id, recording.session_id, recording.start_position);
    println!("recording {id}: session {session} stream {} from {start} to {end}", recording.stream_id);
    let begin = Instant::now();
    replay(args, &mut archive, &recording)?;
    let rate = args.messages as f64 / begin.elapsed().as_secs_f64();
    println!("replayed {} messages, all as they were sent, {rate:.0} messages/s", args.messages);
    Ok(())
}

/// Message `number`: different from all others, and of the requested length.
fn message(args: &Args, number: u64) -> Vec<u8> {
    let mut message = vec![number as u8; args.length.max(size_of::<u64>())];
    message[..size_of::<u64>()].copy_from_slice(&number.to_le_bytes());
    message
}

/// Sends the messages and waits until the archive has recorded them all.
fn record(args: &Args, aeron: &Aeron, archive: &mut Archive) -> Result<RecordingDescriptor> {
    let mut publication = archive.add_recorded_exclusive_publication(&args.channel, args.stream)?;
    let session_id = publication.session_id();
    let counter = awaited("the recording to start", || archive.recording_counter(session_id))?;
    let recording_id = archive.recording_id(counter).context("the recording has ended already")?;
    for number in 0..args.messages {
        let message = message(args, number);
        let begin = Instant::now();
        while let Err(reason) = publication.offer(&message) {
            let passes = reason.is_retryable() || reason == OfferError::NotConnected;
            ensure!(passes && begin.elapsed() < PATIENCE, "cannot send message {number}: {reason}");
            std::thread::yield_now();
        }
    }
    let end = publication.position()?;
    let counters = aeron.counters();
    awaited("the archive to record all", || counters.value(counter).filter(|position| *position >= end))?;
    archive.stop_recording_exclusive_publication(&publication)?;
    archive.list_recording(recording_id)?.context("the archive does not know the recording")
}

fn replay(args: &Args, archive: &mut Archive, recording: &RecordingDescriptor) -> Result<()> {
    let mut subscription =
        archive.replay(recording.recording_id, "aeron:ipc", args.replay_stream, &ReplayParams::new())?;
    let mut assembler = FragmentAssembler::new();
    let (mut next, mut wrong, mut progress) = (0, None, Instant::now());
    while next < args.messages {
        let fragments = subscription.controlled_poll(FRAGMENT_LIMIT, |fragment, header| {
            assembler.on_fragment(fragment, header, |bytes, _| {
                if bytes != message(args, next) {
                    wrong.get_or_insert(next);
                }
                next += 1;
                aeron::Action::Continue
            })
        })?;
        if fragments > 0 {
            progress = Instant::now();
        }
        ensure!(progress.elapsed() < PATIENCE, "the replay stopped at message {next} of {}", args.messages);
        std::thread::yield_now();
    }
    match wrong {
        None => Ok(()),
        Some(number) => bail!("message {number} came back as another"),
    }
}

fn awaited<T>(what: &str, mut get: impl FnMut() -> Option<T>) -> Result<T> {
    let begin = Instant::now();
    loop {
        if let Some(got) = get() {
            return Ok(got);
        }
        ensure!(begin.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

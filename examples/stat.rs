//! Shows the counters of a media driver and its clients, live in a terminal, and on request the driver's errors and losses.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use aeron_cluster::aeron::{CncFile, default_dir};
use anyhow::Result;
use clap::Parser;

#[path = "support/stop.rs"]
mod stop;
use stop::StopFlag;

/// A driver without a heartbeat for this long is shown as dead.
const DRIVER_TIMEOUT: Duration = Duration::from_secs(10);
/// Moves the cursor to the top left, and clears the screen below it.
const CLEAR: &str = "\x1b[H\x1b[J";

/// Shows the counters of a media driver and its clients.
#[derive(Parser, Debug)]
#[command(version, about)]
struct Args {
    /// The media driver's directory. Default: AERON_DIR, else the platform's default.
    #[arg(long, value_name = "D")]
    aeron_dir: Option<PathBuf>,

    /// Show them once, instead of repeatedly until stopped.
    #[arg(long)]
    once: bool,

    /// Milliseconds between updates.
    #[arg(long, value_name = "MS", default_value_t = 1_000)]
    interval: u64,

    /// Only counters of these types.
    #[arg(long = "type", value_name = "N")]
    types: Vec<i32>,

    /// Only counters whose label contains this text.
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,

    /// Also show the errors that the driver has observed, and losses.
    #[arg(long)]
    errors: bool,
}

fn main() -> ExitCode {
    stop::exit_code(run(&Args::parse()).map(|()| true))
}

fn run(args: &Args) -> Result<()> {
    let stop = StopFlag::on_signals()?;
    let environment = || std::env::var_os("AERON_DIR").map(PathBuf::from);
    let dir = args.aeron_dir.clone().or_else(environment).unwrap_or_else(default_dir);
    let file = CncFile::open(dir, Duration::ZERO)?;
    let live = std::io::stdout().is_terminal() && !args.once;
    let mut screen = Screen { args, file, values: HashMap::new(), last: Instant::now() };
    loop {
        let text = screen.draw()?;
        let mut out = std::io::stdout().lock();
        if live {
            out.write_all(CLEAR.as_bytes())?;
        }
        out.write_all(text.as_bytes())?;
        out.flush()?;
        let next = Instant::now() + Duration::from_millis(args.interval);
        while Instant::now() < next && !args.once && !stop.is_set() {
            std::thread::sleep(Duration::from_millis(10).min(Duration::from_millis(args.interval)));
        }
        if args.once || stop.is_set() {
            return Ok(());
        }
    }
}

/// What to show, and the values shown last.
struct Screen<'a> {
    args: &'a Args,
    file: CncFile,
    /// The last values by id, with the registration id, which distinguishes a counter from a later one with the same id.
    values: HashMap<i32, (i64, i64)>,
    last: Instant,
}

impl Screen<'_> {
    fn draw(&mut self) -> Result<String> {
        let seconds = self.last.elapsed().as_secs_f64();
        self.last = Instant::now();
        let mut text = self.head();
        let (counters, args) = (self.file.counters(), self.args);
        let mut shown = HashMap::new();
        counters.for_each(|counter| {
            let wanted = args.types.is_empty() || args.types.contains(&counter.type_id);
            if !wanted || args.label.as_ref().is_some_and(|label| !counter.label.contains(label.as_str())) {
                return;
            }
            let registration_id = counters.registration_id(counter.id).unwrap_or(0);
            let before = self.values.get(&counter.id).filter(|(id, _)| *id == registration_id);
            let rate = before.map_or_else(String::new, |(_, value)| {
                let change = counter.value.wrapping_sub(*value);
                if change == 0 { String::new() } else { format!("{:+.0}/s", change as f64 / seconds) }
            });
            let (id, value, label) = (counter.id, counter.value, counter.label);
            let _ = writeln!(text, "{id:>4}: {value:>20} {rate:>14} - {label}");
            shown.insert(id, (registration_id, value));
        });
        self.values = shown;
        if args.errors {
            self.errors(&mut text)?;
        }
        Ok(text)
    }

    fn head(&self) -> String {
        let constants = self.file.constants();
        let life = match self.file.heartbeat_age() {
            None => "ended".to_owned(),
            Some(age) if age > DRIVER_TIMEOUT => format!("dead, last heard of {} s ago", age.as_secs()),
            Some(age) => format!("alive, heard of {} ms ago", age.as_millis()),
        };
        let version = constants.version.to_be_bytes();
        let layout = format!("{}.{}.{}", version[1], version[2], version[3]);
        format!("{} pid {} layout {layout}: {life}\n", self.file.path().display(), constants.pid)
    }

    fn errors(&self, text: &mut String) -> Result<()> {
        for error in self.file.errors(0) {
            let (count, message) = (error.observation_count, error.message.trim_end());
            writeln!(text, "error, {count} times, last at {} ms: {message}", error.last_observation_ms)?;
        }
        for loss in self.file.losses()? {
            let (bytes, count) = (loss.total_bytes_lost, loss.observation_count);
            let (channel, stream, session) = (&loss.channel, loss.stream_id, loss.session_id);
            writeln!(text, "loss, {bytes} bytes in {count}: {channel} stream {stream} session {session}")?;
        }
        Ok(())
    }
}

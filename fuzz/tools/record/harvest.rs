//! Takes what the targets start from out of the files of drivers, archives and services.

use std::fs::File;
use std::io::{Read, Result};
use std::os::unix::fs::FileExt;
use std::path::Path;

use aeron_cluster::codec::{
    ControlEvent, EgressEvent, EventCode, IngressEvent, LogEvent, ServiceEvent, SnapshotEvent, SnapshotMark,
};
use aeron_cluster::testing::{DriverCounters, type_id};
use aeron_cluster_fuzz::driver_files::put;

use super::keep::Corpus;

const FRAME_HEADER: usize = 32;
const FRAME_ALIGNMENT: usize = 32;
/// Of a longer log the beginning will do.
const LONGEST_LOG: u64 = 1 << 20;
/// How many counters of a driver are kept, and where the last one is described.
const COUNTERS: usize = 20;
const LAST_COUNTER: usize = 128 + (256 + 768) + (64 + 128) + (COUNTERS - 1) * 512;
/// What a log file has behind its terms.
const LOG_METADATA: usize = 4096;
/// The length of terms here, and of the shortest ones: a log is looked through for frames at multiples of it.
const TERM_LENGTH: usize = 64 * 1024;
/// The schemas of the cluster and of the archive.
const CLUSTER: u16 = 111;
const ARCHIVE: u16 = 101;
/// What an archive sends: an answer, descriptions of recordings and of subscriptions, a signal, a challenge, and a ping.
const OF_ARCHIVES: [u16; 6] = [1, 22, 23, 24, 59, 106];

/// Takes what there is in all files below `dir`. They may be in use: what cannot be read now is left out.
pub fn harvest(dir: &Path, corpus: &mut Corpus) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            harvest(&path, corpus);
        } else {
            let _ = file(&path, corpus);
        }
    }
}

fn file(path: &Path, corpus: &mut Corpus) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let extension = path.extension().unwrap_or_default();
    if extension == "rec" || extension == "logbuffer" {
        let bytes = beginning(path, LONGEST_LOG)?;
        let is_whole = extension == "logbuffer" && bytes.len() < LONGEST_LOG as usize;
        log(&bytes[..bytes.len().saturating_sub(if is_whole { LOG_METADATA } else { 0 })], corpus);
    } else if name == "cnc.dat" {
        cnc(path, corpus)?;
    } else if name == "loss-report.dat" {
        let bytes = beginning(path, 16 * 1024)?;
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        corpus.add("loss_report", "report", &bytes[..used.next_multiple_of(64).min(bytes.len())]);
    } else if name.starts_with("cluster-mark-service") {
        // The log of errors is cut, to the least that is looked at.
        let mut bytes = beginning(path, 9 * 1024)?;
        if bytes.len() == 9 * 1024 {
            put(&mut bytes, 76, 1024);
            // A corpus names no directory of the machine that made it.
            bytes.iter_mut().filter(|byte| **byte == b'/').for_each(|byte| *byte = b'.');
            corpus.add("mark_file", "mark", &bytes);
        }
    }
    Ok(())
}

fn beginning(path: &Path, length: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The terms of a log, or a segment of a recording.
fn log(bytes: &[u8], corpus: &mut Corpus) {
    let mut at = 0;
    while at < bytes.len() {
        let frames = Frames(&bytes[at..]);
        let messages: Vec<_> = frames.clone().filter(Frame::is_message).map(|frame| frame.payload).collect();
        messages.iter().for_each(|message| self::message(message, corpus));
        snapshot(&messages, corpus);
        stretches(&bytes[at..], corpus);
        let end = at + frames.map(|frame| frame.aligned).sum::<usize>();
        at = (end + 1).next_multiple_of(TERM_LENGTH);
    }
}

/// A frame of a log.
struct Frame<'a> {
    flags: u8,
    kind: u8,
    payload: &'a [u8],
    aligned: usize,
}

impl Frame<'_> {
    fn is_message(&self) -> bool {
        self.kind == 1 && self.flags & 0xc0 == 0xc0
    }
}

/// The frames that a stretch of a log begins with.
#[derive(Clone)]
struct Frames<'a>(&'a [u8]);

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        let length = usize::try_from(int(self.0, 0)?).ok().filter(|length| *length >= FRAME_HEADER)?;
        let aligned = length.next_multiple_of(FRAME_ALIGNMENT);
        let (frame, rest) = self.0.split_at_checked(aligned)?;
        self.0 = rest;
        Some(Frame { flags: frame[5], kind: frame[6], payload: &frame[FRAME_HEADER..length], aligned })
    }
}

/// Stretches with a message in fragments, with padding, and with messages alone.
fn stretches(term: &[u8], corpus: &mut Corpus) {
    let (mut from, mut at, mut has_begun) = (0, 0, false);
    for frame in Frames(term) {
        let kind = match (frame.kind, frame.flags & 0xc0) {
            (0, _) => Some("padding"),
            (1, 0x40) if has_begun => Some("fragments"),
            (1, 0xc0) if at >= from + 768 => Some("messages"),
            _ => None,
        };
        if (frame.kind, frame.flags & 0xc0) == (1, 0x80) {
            (from, has_begun) = (at, true);
        }
        at += frame.aligned;
        if let Some(kind) = kind {
            corpus.add("term", kind, &term[from..at]);
            (from, has_begun) = (at, false);
        }
    }
}

fn message(message: &[u8], corpus: &mut Corpus) {
    let Some([_, _, template, high, schema, schema_high]) = message.first_chunk().copied() else { return };
    let kind = format!("template-{:03}", u16::from_le_bytes([template, high]));
    match u16::from_le_bytes([schema, schema_high]) {
        CLUSTER => of_cluster(message, &kind, corpus),
        ARCHIVE if OF_ARCHIVES.contains(&u16::from_le_bytes([template, high])) => {
            corpus.add("archive", kind, message);
            channels(message, corpus);
        }
        _ => {}
    }
}

fn of_cluster(message: &[u8], kind: &str, corpus: &mut Corpus) {
    channels(message, corpus);
    if LogEvent::decode(message).is_ok_and(|event| !matches!(event, LogEvent::Unknown { .. })) {
        corpus.add("log", kind, message);
    }
    let is_control = ControlEvent::decode(message).is_ok_and(|event| !matches!(event, ControlEvent::Unknown { .. }));
    let is_service = ServiceEvent::decode(message).is_ok_and(|event| !matches!(event, ServiceEvent::Unknown { .. }));
    if is_control || is_service {
        corpus.add("control", kind, message);
    }
    if IngressEvent::decode(message).is_ok_and(|event| !matches!(event, IngressEvent::Unknown { .. })) {
        corpus.add("clients", kind, message);
    }
    match EgressEvent::decode(message) {
        Ok(EgressEvent::NewLeader(event)) => {
            corpus.add("endpoints", "new-leader", event.ingress_endpoints.as_bytes());
        }
        Ok(EgressEvent::SessionEvent(event)) if event.code == EventCode::Redirect => {
            corpus.add("endpoints", "redirect", event.detail.as_bytes());
        }
        Err(_) | Ok(EgressEvent::Unknown { .. }) => return,
        Ok(_) => {}
    }
    corpus.add("clients", kind, message);
}

/// A service's snapshot, as the container reads it; and what the service framed behind it.
fn snapshot(messages: &[&[u8]], corpus: &mut Corpus) {
    let is_marker = |message: &&[u8], wanted: SnapshotMark| matches!(SnapshotEvent::decode(message), Ok(SnapshotEvent::Marker(marker)) if marker.mark == wanted && marker.type_id == 2);
    if !messages.first().is_some_and(|first| is_marker(first, SnapshotMark::Begin)) {
        return;
    }
    let Some(end) = messages.iter().position(|message| is_marker(message, SnapshotMark::End)) else { return };
    let (mut whole, mut framed) = (Vec::new(), Vec::new());
    for message in messages.iter().take(end + 2) {
        whole.extend_from_slice(&(message.len() as u16).to_le_bytes());
        whole.extend_from_slice(message);
        if let Ok(SnapshotEvent::Marker(_) | SnapshotEvent::ClientSession(_)) = SnapshotEvent::decode(message) {
            let template = u16::from_le_bytes([message[2], message[3]]);
            corpus.add("snapshot", format!("template-{template:03}"), message);
        }
    }
    corpus.add("snapshot_load", "snapshot", &whole);
    for part in &messages[end + 1..] {
        let Some((prefix, body)) = part.split_first_chunk::<20>() else { return };
        let Ok(length) = u8::try_from(body.len()) else { return };
        framed.extend_from_slice(&[prefix[5], length]);
        framed.extend_from_slice(body);
    }
    corpus.add("framed", "snapshot", &framed);
}

/// Channels that a message names.
fn channels(message: &[u8], corpus: &mut Corpus) {
    for start in (0..message.len()).filter(|at| message[*at..].starts_with(b"aeron:")) {
        let rest = &message[start..];
        let end = rest.iter().position(|byte| !(b' '..=b'~').contains(byte)).unwrap_or(rest.len());
        let names: Vec<_> = rest[..end]
            .split(|byte| b"?|".contains(byte))
            .map(|part| part.split(|byte| *byte == b'=').next())
            .collect();
        let kind: String =
            names.iter().flatten().map(|name| String::from_utf8_lossy(name).replace([':', '/'], "-") + "_").collect();
        corpus.add("uri", kind.trim_end_matches('_'), &rest[..end]);
    }
}

/// A driver's file, made short; and the keys of counters of what clusters recovered.
fn cnc(path: &Path, corpus: &mut Corpus) -> Result<()> {
    let short = short_cnc(&File::open(path)?)?;
    // One that has just begun has little to read.
    if short.get(LAST_COUNTER..).and_then(|last| last.first_chunk()) == Some(&1_i32.to_le_bytes()) {
        corpus.add("cnc", "driver", &short);
    }
    let file = path.parent().and_then(|dir| DriverCounters::open(dir).ok().flatten());
    let counters = file.and_then(|file| file.all().ok());
    for counter in counters.into_iter().flatten().filter(|counter| counter.type_id == type_id::RECOVERY_STATE) {
        corpus.add("recovery_state", format!("services-{}", counter.key[28]), &counter.key);
    }
    Ok(())
}

/// The file with its first counters alone, short queues before their trailers, and the beginning of its errors.
fn short_cnc(file: &File) -> Result<Vec<u8>> {
    let mut short = vec![0; 128];
    file.read_exact_at(&mut short, 0)?;
    let mut start = 128;
    for (index, (length, trailer)) in
        [(256, 768), (64, 128), (COUNTERS * 512, 0), (COUNTERS * 128, 0), (1024, 0)].into_iter().enumerate()
    {
        let end = start + u64::from(int(&short, 4 + 4 * index).unwrap_or_default().cast_unsigned());
        let mut part = vec![0; length + trailer];
        file.read_exact_at(&mut part[..length], start)?;
        file.read_exact_at(&mut part[length..], end.saturating_sub(trailer as u64))?;
        put(&mut short, 4 + 4 * index, part.len() as i32);
        short.extend_from_slice(&part);
        start = end;
    }
    Ok(short)
}

fn int(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..)?.first_chunk().copied().map(i32::from_le_bytes)
}

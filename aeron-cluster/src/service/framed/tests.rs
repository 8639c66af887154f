//! The framing over parts in memory.

use std::io::{BufRead, ErrorKind as IoKind, Read, Write};

use proptest::prelude::*;

use super::chunk::PREFIX_LENGTH;
use super::reader::{self, Source, io_error};
use super::writer::{self, Sink};
use crate::error::{Error, ErrorKind, Result};

/// The parts of a snapshot; the sink takes those of at most this length, and this many.
struct Parts {
    parts: Vec<Vec<u8>>,
    max_length: usize,
    room: usize,
}

impl Parts {
    fn of_length(max_length: usize) -> Self {
        Parts { parts: Vec::new(), max_length, room: usize::MAX }
    }
}

impl Sink for &mut Parts {
    fn max_length(&self) -> usize {
        self.max_length
    }

    fn send(&mut self, part: &[u8]) -> Result<()> {
        let is_data = part[5] == 2;
        assert!(!is_data || part.len() <= self.max_length);
        if self.parts.len() == self.room {
            return Err(Error::new(ErrorKind::NotConnected, "the recording is gone"));
        }
        self.parts.push(part.to_vec());
        Ok(())
    }
}

struct Replay(std::vec::IntoIter<Vec<u8>>);

impl Source for Replay {
    fn next(&mut self, part: &mut Vec<u8>) -> Result<bool> {
        Ok(self.0.next().map(|next| *part = next).is_some())
    }
}

/// The reader and the writer as `Read` and `Write`, without a cluster.
struct Io<F>(F);

impl Write for Io<writer::Framed<'_, &mut Parts>> {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.0.write(data).map_err(io_error)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush().map_err(io_error)
    }
}

impl Read for Io<reader::Framed<'_, Replay>> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Io<reader::Framed<'_, Replay>> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.0.fill().map_err(io_error)
    }

    fn consume(&mut self, amount: usize) {
        self.0.consume(amount);
    }
}

/// The parts of a snapshot that was written in these pieces.
fn written(max_length: usize, pieces: &[&[u8]], service_messages: i64) -> Vec<Vec<u8>> {
    let mut parts = Parts::of_length(max_length);
    let mut writer = Io(writer::Framed::new(&mut parts, "book", 3).unwrap());
    for piece in pieces {
        writer.write_all(piece).unwrap();
    }
    let bytes = writer.0.finish(service_messages).unwrap().bytes;
    assert_eq!(bytes, pieces.iter().map(|piece| piece.len() as u64).sum::<u64>());
    parts.parts
}

fn open(parts: Vec<Vec<u8>>) -> Result<Io<reader::Framed<'static, Replay>>> {
    reader::Framed::open(Replay(parts.into_iter()), "book", &(2..=3)).map(Io)
}

/// The data of a snapshot, or what is wrong with it.
fn read(parts: Vec<Vec<u8>>) -> Result<(Vec<u8>, i64)> {
    let mut reader = open(parts)?;
    let mut data = Vec::new();
    let read = reader.read_to_end(&mut data).map_err(|error| {
        assert_eq!(error.kind(), IoKind::InvalidData);
        error.into_inner().unwrap().downcast::<Error>().map(|error| *error).unwrap()
    });
    let finished = reader.0.finish();
    assert_eq!(read.is_ok(), finished.is_ok(), "{finished:?}");
    read.and(finished).map(|service_messages| (data, service_messages))
}

fn refusal(parts: Vec<Vec<u8>>) -> String {
    let error = read(parts).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    error.message().to_owned()
}

#[test]
fn what_was_written_is_read_with_progress_of_both() {
    let mut told = Vec::new();
    let mut parts = Parts::of_length(PREFIX_LENGTH + 10);
    let mut framed = writer::Framed::new(&mut parts, "book", 3).unwrap();
    framed.set_total(25);
    framed.report_to(20, |progress| told.push(progress.to_string()));
    let mut writer = Io(framed);
    writer.write_all(&[7; 25]).unwrap();
    assert_eq!(writer.0.progress().to_string(), "25 of 25 bytes");
    writer.0.finish(12).unwrap();
    drop(writer);
    // Told when a part goes out, which is when the next one begins.
    assert_eq!(told, ["20 of 25 bytes"]);
    let lengths: Vec<_> = parts.parts.iter().map(|part| part.len() - PREFIX_LENGTH).collect();
    assert_eq!(lengths, [12 + 4, 10, 10, 5, 16]);

    let mut reader = open(parts.parts).unwrap();
    assert_eq!(reader.0.version(), 3);
    let mut data = [0; 13];
    reader.read_exact(&mut data).unwrap();
    assert_eq!(reader.0.progress().to_string(), "13 of 25 bytes");
    reader.read_exact(&mut data[..12]).unwrap();
    assert_eq!(reader.0.finish(), Ok(12));
}

#[test]
fn a_snapshot_without_data_is_one() {
    assert_eq!(read(written(100, &[], -1)), Ok((Vec::new(), -1)));
}

#[test]
fn flushing_makes_a_short_part_and_no_empty_one() {
    let mut parts = Parts::of_length(100);
    let mut writer = Io(writer::Framed::new(&mut parts, "book", 2).unwrap());
    for _ in 0..2 {
        writer.flush().unwrap();
        writer.write_all(b"ab").unwrap();
        writer.flush().unwrap();
    }
    writer.0.finish(0).unwrap();
    assert_eq!(parts.parts.len(), 4);
    assert_eq!(read(parts.parts), Ok((b"abab".to_vec(), 0)));
}

#[test]
fn writing_takes_no_memory_after_the_first_part() {
    let mut parts = Parts::of_length(64);
    let mut framed = writer::Framed::new(&mut parts, "book", 3).unwrap();
    let memory = framed.memory();
    for _ in 0..100 {
        let _ = framed.write(&[1; 30]).unwrap();
    }
    assert_eq!(framed.memory(), memory);
}

#[test]
fn what_is_no_such_snapshot_is_refused_with_what_was_expected_and_found() {
    let head = written(100, &[], -1).remove(0);
    let named = |name: &str, version| {
        let mut parts = Parts::of_length(200);
        writer::Framed::new(&mut parts, name, version).unwrap().finish(-1).unwrap();
        parts.parts
    };
    let expected = "expected a snapshot \"book\" of version 2 to 3";
    for (parts, found) in [
        (vec![], ", found nothing: the snapshot is empty".to_owned()),
        (vec![b"raw".to_vec()], ": expected part 0 of a framed snapshot, found a message of 3 bytes that is none and begins with [72, 61, 77]".to_owned()),
        (vec![vec![]], ": expected part 0 of a framed snapshot, found a message of 0 bytes that is none and begins with []".to_owned()),
        (named("shelf", 3), ", found \"shelf\" of version 3".to_owned()),
        (named("book", 1), ", found \"book\" of version 1".to_owned()),
        (named("book", 4), ", found \"book\" of version 4".to_owned()),
    ] {
        assert_eq!(refusal(parts), format!("{expected}{found}"));
    }
    assert!(
        refusal(vec![head]).starts_with("the snapshot is cut short: expected its end, found nothing after 1 parts")
    );
    let later = with_byte(named("book", 3).remove(0), 4, 2);
    assert!(refusal(vec![later]).ends_with("expected framing of version 1, found version 2"));
}

fn with_byte(mut part: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
    part[at] = byte;
    part
}

#[test]
fn a_reader_that_is_not_at_the_end_is_told_so() {
    let mut reader = open(written(PREFIX_LENGTH + 4, &[b"12345678"], -1)).unwrap();
    let mut half = [0; 4];
    reader.read_exact(&mut half).unwrap();
    let error = reader.0.finish().unwrap_err();
    assert_eq!(error.message(), "the snapshot was not read to its end: finished after 4 bytes");
}

#[test]
fn names_and_totals_that_cannot_be_are_refused() {
    for name in [String::new(), "n".repeat(101)] {
        let error = writer::Framed::new(&mut Parts::of_length(100), &name, 1).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains(&format!("{name:?}")));
    }
    let mut parts = Parts::of_length(100);
    let mut framed = writer::Framed::new(&mut parts, "book", 1).unwrap();
    framed.set_total(9);
    assert_eq!(framed.write(b"12345678").unwrap(), 8);
    let error = framed.finish(-1).unwrap_err();
    assert_eq!(error.message(), "the snapshot was to have 9 bytes, and 8 were written");
}

#[test]
fn a_failed_writer_stays_failed() {
    let mut parts = Parts { room: 2, ..Parts::of_length(PREFIX_LENGTH + 1) };
    let mut writer = Io(writer::Framed::new(&mut parts, "book", 1).unwrap());
    writer.write_all(b"123").unwrap_err();
    let error = writer.write(b"4").unwrap_err();
    assert_eq!(error.to_string(), "the recording is gone");
    assert_eq!(writer.0.finish(-1).unwrap_err().message(), "the recording is gone");
}

#[test]
fn the_end_of_the_container_is_no_reason_to_try_again() {
    let error = io_error(Error::new(ErrorKind::Closed, "ending"));
    assert_eq!(error.kind(), IoKind::ConnectionAborted);
    assert_eq!(error.into_inner().unwrap().downcast::<Error>().unwrap().kind(), ErrorKind::Closed);
}

proptest! {
    #[test]
    fn any_pieces_come_back_whatever_the_parts(
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..20),
        room in 1usize..300,
    ) {
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let parts = written(PREFIX_LENGTH + room, &pieces, 5);
        prop_assert_eq!(read(parts), Ok((pieces.concat(), 5)));
    }

    #[test]
    fn any_changed_bit_is_noticed(data in proptest::collection::vec(any::<u8>(), 1..400), at in any::<proptest::sample::Index>(), bit in 0u8..8) {
        let mut parts = written(PREFIX_LENGTH + 50, &[&data], -1);
        let lengths: usize = parts.iter().map(Vec::len).sum();
        let mut at = at.index(lengths);
        for part in &mut parts {
            if at < part.len() {
                part[at] ^= 1 << bit;
                break;
            }
            at -= part.len();
        }
        prop_assert!(read(parts).is_err());
    }

    #[test]
    fn any_part_lost_doubled_or_moved_is_noticed(
        data in proptest::collection::vec(any::<u8>(), 1..400),
        one in any::<proptest::sample::Index>(),
        other in any::<proptest::sample::Index>(),
    ) {
        let parts = written(PREFIX_LENGTH + 50, &[&data], -1);
        let (one, other) = (one.index(parts.len()), other.index(parts.len()));
        let mut lost = parts.clone();
        lost.remove(one);
        prop_assert!(read(lost).is_err());
        if one != other {
            let mut moved = parts.clone();
            moved.swap(one, other);
            prop_assert!(read(moved).is_err());
        }
        if one + 1 != parts.len() {
            let mut doubled = parts.clone();
            doubled.insert(one, parts[one].clone());
            prop_assert!(read(doubled).is_err());
        }
    }

    #[test]
    fn garbage_is_refused(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..4)) {
        prop_assert_eq!(read(parts).unwrap_err().kind(), ErrorKind::Protocol);
    }
}

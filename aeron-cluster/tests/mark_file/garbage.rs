//! Files that are no mark files: a clear error or a fresh start, never a panic.

use aeron_cluster::ErrorKind;
use aeron_cluster::service::mark_file::ClusterMarkFile;
use proptest::prelude::*;

use crate::dir::{Dir, NOW};

/// Opens the file with these first bytes; the outcome must be one that an operator can act on.
fn open_with(bytes: &[u8], length: u64) -> Result<(), TestCaseError> {
    let dir = Dir::new();
    dir.write(0, bytes);
    let file = std::fs::OpenOptions::new().write(true).open(dir.mark_file()).expect("mark file");
    file.set_len(length.max(bytes.len() as u64)).expect("length");
    match dir.open_at(NOW) {
        Ok(mark) => {
            prop_assert!(mark.error_log().record(NOW, "works"));
            mark.signal_ready(NOW).expect("forced");
            prop_assert_eq!((dir.i32(8), dir.i64(16)), (0x300, NOW));
        }
        Err(error) => {
            prop_assert_eq!(error.kind(), ErrorKind::State);
            prop_assert!(error.message().contains(&*dir.mark_file().to_string_lossy()), "{}", error);
        }
    }
    Ok(())
}

/// A header that passes the first checks, with arbitrary values in the fields that say where to read.
fn plausible_header() -> impl Strategy<Value = Vec<u8>> {
    (any::<bool>(), 0..5i32, any::<i64>(), any::<i32>(), any::<i32>(), 0..16_384i32, 0..4096i32).prop_map(
        |(current, component, candidate, any_header, any_errors, header, errors)| {
            let mut bytes = if current { vec![128, 0, 200, 0, 110, 0, 2, 0] } else { Vec::new() };
            let base = bytes.len();
            bytes.resize(base + 128, 0);
            let (header, errors) = if candidate % 2 == 0 { (header, errors) } else { (any_header, any_errors) };
            bytes[base..base + 4].copy_from_slice(&0x200i32.to_le_bytes());
            bytes[base + 4..base + 8].copy_from_slice(&component.to_le_bytes());
            bytes[base + 8..base + 16].copy_from_slice(&(-1i64).to_le_bytes());
            bytes[base + 32..base + 40].copy_from_slice(&candidate.to_le_bytes());
            bytes[base + 64..base + 68].copy_from_slice(&header.to_le_bytes());
            bytes[base + 68..base + 72].copy_from_slice(&errors.to_le_bytes());
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400), length in 0..20_000u64) {
        open_with(&bytes, length)?;
    }

    #[test]
    fn arbitrary_fields_and_errors_are_read_or_refused(
        header in plausible_header(),
        errors in prop::collection::vec((-8..80i32, any::<[u8; 4]>()), 0..500),
    ) {
        let records = errors.iter().flat_map(|(length, bytes)| [length.to_le_bytes(), *bytes]);
        let bytes: Vec<u8> = header.into_iter().chain(records.flatten()).collect();
        open_with(&bytes, 0)?;
    }
}

#[test]
fn a_file_too_short_for_a_header_is_left_alone() {
    let dir = Dir::new();
    dir.write(0, b"not a mark file");
    let error = dir.open_at(NOW).expect_err("too short");
    assert!(error.message().starts_with("mark file is too short: length=15, file="), "{error}");
    assert_eq!(std::fs::read(dir.mark_file()).expect("mark file"), b"not a mark file");
}

#[test]
fn another_major_version_is_left_alone() {
    let dir = Dir::new();
    drop(dir.open_at(NOW).expect("new file"));
    dir.write(8, &(1 << 16 | 5i32).to_le_bytes());
    let error = dir.open_at(NOW).expect_err("another major version");
    assert!(error.message().starts_with("mark file major version 1 does not match software: 0"), "{error}");
    assert_eq!(dir.i32(8), 1 << 16 | 5);
}

#[test]
fn another_component_is_refused_and_given_up() {
    for (component, name) in [(1, "CONSENSUS_MODULE"), (3, "BACKUP"), (4, "STANDBY"), (9, "9 (not a component)")] {
        let dir = Dir::new();
        drop(dir.open_at(NOW).expect("new file"));
        dir.write(12, &i32::to_le_bytes(component));
        dir.write(16, &(NOW - 10_000).to_le_bytes());
        let error = dir.open_at(NOW).expect_err(name);
        let expected = format!("existing Mark file type {name} not same as required type CONTAINER");
        assert!(error.message().starts_with(&expected), "{error}");
        assert_eq!(dir.i64(16), -1);
    }
}

#[test]
fn a_file_from_before_the_message_header_is_made_anew() {
    let dir = Dir::new();
    let mut old = vec![0xEE; 8192 + 1024 * 1024];
    for (offset, value) in [(0, 0x0000_0200i32), (4, 2), (64, 8192), (68, 1024 * 1024)] {
        old[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    }
    for (offset, value) in [(8, NOW - 20_000), (32, 42)] {
        old[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
    }
    old[8192..8192 + 40].fill(0);
    old[8192..8196].copy_from_slice(&29i32.to_le_bytes());
    old[8196..8200].copy_from_slice(&4i32.to_le_bytes());
    old[8216..8221].copy_from_slice(b"boom!");
    dir.write(0, &old);
    let mark = dir.open_at(NOW).expect("its owner is dead");
    assert_eq!(mark.candidate_term_id(), 42);
    assert_eq!((dir.i32(8), dir.i32(12), dir.i64(24)), (0, 2, NOW));
    assert_eq!(dir.bytes::<56>(84), [0; 56]);
    assert_eq!(mark.error_log().observations(), []);
    let reports = dir.saved_errors();
    assert!(reports.len() == 1 && reports[0].contains("boom!"), "{reports:?}");
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let dir = Dir::new();
    std::fs::create_dir(dir.mark_file()).expect("a directory in its place");
    let error = ClusterMarkFile::open(&dir.options(), || NOW).expect_err("a directory");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.message().contains("cluster-mark-service-0.dat"), "{error}");
}

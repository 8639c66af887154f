//! The fuzz targets of `fuzz/`, given their seeds and what comes of changing them: the short run that needs no libFuzzer.
#![cfg(feature = "testing")]

use std::collections::BTreeSet;
use std::path::Path;

use aeron_cluster::aeron::{Action, FragmentAssembler};

#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

use fuzz::list::ALL;
use fuzz::{corpus, seeds, targets};

/// How many changes of each file of the corpus are tried.
const CHANGES_OF_RECORDED: usize = 200;

/// Numbers that seem random and are the same in each run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    /// Changes some bytes: one bit, to an extreme, the four of a length; cuts, or repeats.
    fn change(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 if at < bytes.len() => bytes[at] = [0, 0x7f, 0x80, 0xff][self.below(4)],
                2 if at + 4 <= bytes.len() => {
                    let length = [-1, 0, i32::MIN, i32::MAX, bytes.len() as i32][self.below(5)];
                    bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
                }
                3 => bytes.truncate(at),
                4 => bytes.extend_from_within(at..),
                _ => bytes.insert(at, self.below(256) as u8),
            }
        }
    }
}

#[test]
fn the_targets_take_their_seeds_what_was_recorded_and_what_is_made_of_them() {
    for target in &ALL {
        let (seeds, recorded) = ((target.seeds)(), corpus::of(target.name).unwrap());
        assert!(!seeds.is_empty(), "{}", target.name);
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        let seeds = seeds.iter().map(|seed| (seed, target.changes));
        let recorded = recorded.iter().map(|message| (message, CHANGES_OF_RECORDED));
        for (seed, changes) in seeds.chain(recorded) {
            (target.run)(seed);
            (0..seed.len().min(200)).for_each(|length| (target.run)(&seed[..length]));
            for _ in 0..changes {
                let mut changed = seed.clone();
                numbers.change(&mut changed);
                (target.run)(&changed);
            }
        }
    }
}

/// `cargo fuzz` knows the targets by these files, and Cargo by its manifest.
#[test]
fn every_target_of_the_list_is_a_program_and_every_program_is_in_the_list() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    let names = |dir: &str| -> BTreeSet<String> {
        let entries = std::fs::read_dir(fuzz.join(dir)).unwrap();
        entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let listed: BTreeSet<_> = ALL.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names("targets"), listed);
    assert!(names("corpus").is_subset(&listed), "the corpus has files for no target");
    for target in &listed {
        let program = std::fs::read_to_string(fuzz.join("targets").join(format!("{target}.rs"))).unwrap();
        assert!(program.contains(&format!("targets::{target}(bytes)")), "{target}.rs runs another target");
        assert!(manifest.contains(&format!("path = \"targets/{target}.rs\"")), "{target} is not in fuzz/Cargo.toml");
    }
}

/// Seeds and recordings that are refused at once would try nothing.
#[test]
fn among_the_seeds_are_descriptions_of_an_archive_whole_snapshots_and_logs() {
    use aeron_cluster::testing::fuzzing::{
        archive_answer_in_c, is_block, load_snapshot, poll_term, recovered_snapshot,
    };
    let all = |target: &str, seeds: fn() -> Vec<Vec<u8>>| [seeds(), corpus::of(target).unwrap()];
    for messages in all("archive", seeds::archive) {
        let decoded: Vec<_> = messages.iter().map(|message| archive_answer_in_c(message)).collect();
        assert!(decoded.iter().any(|found| found.recordings.iter().any(|found| !found.original_channel.is_empty())));
        assert!(decoded.iter().any(|found| !found.subscriptions.is_empty()));
        assert!(decoded.iter().any(|found| !found.signals.is_empty()));
    }
    for snapshots in all("snapshot_load", seeds::snapshot_load) {
        let sessions = snapshots.iter().map(|bytes| load_snapshot(&targets::messages_of(bytes)).unwrap().unwrap().0);
        assert!(sessions.into_iter().any(|sessions| !sessions.is_empty()));
    }
    for keys in all("recovery_state", seeds::recovery_state) {
        assert!(keys.iter().any(|key| recovered_snapshot(key, 0).is_some_and(|found| found.is_ok())));
    }
    for logs in all("term", seeds::term) {
        let mut assembled = 0;
        for log in &logs {
            assert!(is_block(log));
            let mut assembler = FragmentAssembler::new();
            let polled = poll_term(log, |fragment, header| {
                assembler.on_fragment(fragment, header, |message, _| {
                    assembled += usize::from(message.len() > fragment.len());
                    Action::Continue
                })
            });
            assert!(polled.taken == log.len() && polled.seen > 0, "{polled:?}");
        }
        assert!(assembled > 0);
    }
}

/// A seed that is refused at once would try nothing.
#[test]
fn a_framed_snapshot_among_the_seeds_is_one() {
    use aeron_cluster::testing::fuzzing::{read_framed, sealed};
    let head = [&1_u32.to_le_bytes()[..], &u64::MAX.to_le_bytes(), b"fuzz"].concat();
    let end = [3_u64.to_le_bytes(), 5_u64.to_le_bytes()].concat();
    let parts = sealed(&[(1, head.as_slice()), (2, b"abc"), (3, end.as_slice())]);
    assert_eq!(read_framed("fuzz", parts).unwrap(), b"abc");
}

/// One that is too long for the target, or that is refused, would try nothing.
#[test]
fn a_mark_file_among_the_seeds_is_taken_over_and_its_error_kept() {
    use aeron_cluster::service::mark_file::{ClusterMarkFile, Options};
    let dir = aeron_cluster::testing::WorkDir::new().unwrap();
    let seed = seeds::mark_file().remove(0);
    assert!(seed.len() <= targets::LONGEST_FILE);
    std::fs::write(dir.path().join("mark"), seed).unwrap();
    ClusterMarkFile::open(&Options::new(dir.path().join("mark")), || 1_000_000).unwrap();
    let kept = std::fs::read_to_string(dir.path().join("CONTAINER-1970-01-01-00-16-40-000000+0000-error.log")).unwrap();
    assert!(kept.contains("an error"), "{kept}");
}

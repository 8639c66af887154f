//! The fuzz targets of `fuzz/`, given their seeds and what comes of changing them: the short run that needs no libFuzzer.
#![cfg(feature = "testing")]

#[path = "../../fuzz/src/seeds.rs"]
mod seeds;
#[path = "../../fuzz/src/targets.rs"]
mod targets;

type Target = (&'static str, fn(&[u8]), usize);

/// With how many changes of each seed.
const TARGETS: [Target; 10] = [
    ("log", targets::log, 2_000),
    ("control", targets::control, 2_000),
    ("clients", targets::clients, 2_000),
    ("snapshot", targets::snapshot, 2_000),
    ("archive", targets::archive, 2_000),
    ("framed", targets::framed, 5_000),
    ("uri", targets::uri, 2_000),
    // Each is a file.
    ("mark_file", targets::mark_file, 300),
    ("cnc", targets::cnc, 3_000),
    ("loss_report", targets::loss_report, 1_000),
];

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
fn the_targets_take_their_seeds_and_what_is_made_of_them() {
    for (name, target, changes) in TARGETS {
        let seeds = seeds::of(name);
        assert!(!seeds.is_empty(), "{name}");
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        for seed in &seeds {
            target(seed);
            (0..seed.len().min(200)).for_each(|length| target(&seed[..length]));
            for _ in 0..changes {
                let mut changed = seed.clone();
                numbers.change(&mut changed);
                target(&changed);
            }
        }
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
    let seed = seeds::of("mark_file").remove(0);
    assert!(seed.len() <= targets::LONGEST_FILE);
    std::fs::write(dir.path().join("mark"), seed).unwrap();
    ClusterMarkFile::open(&Options::new(dir.path().join("mark")), || 1_000_000).unwrap();
    let kept = std::fs::read_to_string(dir.path().join("CONTAINER-1970-01-01-00-16-40-000000+0000-error.log")).unwrap();
    assert!(kept.contains("an error"), "{kept}");
}

//! The time of every case: `cargo bench -p aeron-cluster-benches`. Tests run each once.

use std::rc::Rc;
use std::time::{Duration, Instant};

use aeron_cluster_benches::{CASES, Case, MESSAGES, Stage};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn all(criterion: &mut Criterion) {
    let stage = Stage::new();
    for (name, make) in CASES {
        let mut case = Lazy { stage: Rc::clone(&stage), make: *make, case: None };
        let mut group = criterion.benchmark_group("micro");
        group.throughput(Throughput::Elements(MESSAGES));
        group.bench_function(*name, |bencher| {
            bencher.iter_custom(|runs| (0..runs).map(|_| case.time()).sum());
        });
    }
}

/// A case that is made when it is measured: most are not, if some are chosen by name.
struct Lazy {
    stage: Rc<Stage>,
    make: aeron_cluster_benches::Make,
    case: Option<Box<dyn Case>>,
}

impl Lazy {
    fn time(&mut self) -> Duration {
        let case = self.case.get_or_insert_with(|| (self.make)(&self.stage));
        case.prepare();
        let start = Instant::now();
        case.run();
        start.elapsed()
    }
}

criterion_group!(micro, all);
criterion_main!(micro);

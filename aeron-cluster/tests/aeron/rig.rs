//! A driver in this process, a client of it, and waiting.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use aeron_cluster::ErrorKind;
use aeron_cluster::aeron::{Aeron, Context, Counter, Image, Subscription};
use aeron_cluster::driver::{DriverContext, MediaDriver};
use aeron_cluster::testing::{PATIENCE, WorkDir};

pub use crate::killable::{LONG, driver_context};

/// Of clients whose driver is killed and cannot say that it ends: they notice after this. One that ends in order says so, and is not waited for.
pub const DRIVER_TIMEOUT: Duration = Duration::from_secs(2);

/// Fields drop in their order: the client before its driver, and that before its directory.
pub struct Rig {
    pub aeron: Aeron,
    pub driver: Option<MediaDriver>,
    pub dir: PathBuf,
    _memory: WorkDir,
}

impl Rig {
    pub fn new() -> Rig {
        Rig::with(|driver| driver)
    }

    /// A driver with other settings.
    pub fn with(settings: impl FnOnce(DriverContext) -> DriverContext) -> Rig {
        let memory = WorkDir::new().unwrap();
        let dir = memory.path().join("aeron");
        let driver = MediaDriver::launch(settings(driver_context(&dir))).unwrap();
        Rig { aeron: client(&dir), driver: Some(driver), dir, _memory: memory }
    }

    /// Ends the driver under its clients.
    pub fn kill_driver(&mut self) {
        self.driver.take().unwrap().close().unwrap();
    }

    /// Waits until the client has closed its handles: it does so after it says that it is closed itself, and before it reports why.
    pub fn wait_for_the_end(&self) {
        until("the client to notice", || {
            self.aeron.last_error().is_some_and(|error| error.kind() == ErrorKind::DriverDead)
        });
        assert!(self.aeron.is_closed());
    }

    /// How many counters of the driver have this type now.
    pub fn count(&self, type_id: i32) -> usize {
        let mut count = 0;
        self.aeron.counters().for_each(|counter| count += usize::from(counter.type_id == type_id));
        count
    }
}

/// Of a client whose driver is there, or ends in order.
pub fn context(dir: &Path) -> Context {
    Context::new().dir(dir).driver_timeout(PATIENCE)
}

pub fn client(dir: &Path) -> Aeron {
    Aeron::connect(context(dir)).unwrap()
}

/// Keeps in sight of LeakSanitizer what C forgets: the 88 bytes of a static counter whose client has ended, or closes right after it
/// (docs/traps.md).
pub fn forgotten_by_c(counter: &Counter) {
    static FORGOTTEN: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    FORGOTTEN.lock().unwrap().push(counter.as_ptr() as usize);
}

/// Waits for `what`, which nothing announces.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Waits for something that is there at some time.
pub fn awaited<T>(what: &str, mut get: impl FnMut() -> Option<T>) -> T {
    let mut got = None;
    until(what, || {
        got = get();
        got.is_some()
    });
    got.unwrap()
}

/// The next message of a subscription.
pub fn receive(subscription: &mut Subscription) -> Vec<u8> {
    awaited("a message", || {
        let mut received = None;
        subscription.poll(1, |message, _| received = Some(message.to_vec())).unwrap();
        received
    })
}

/// The image of a session, once it is there.
pub fn image_of(subscription: Subscription, session_id: i32) -> Image {
    let mut subscription = Some(subscription);
    awaited("the image", || match subscription.take().unwrap().into_image(session_id) {
        Ok(image) => Some(image),
        Err(back) => {
            subscription = Some(back);
            None
        }
    })
}

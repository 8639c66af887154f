//! The C media driver in this process (feature `driver`), for tests, tools, and programs that do not want a separate process for it.
//!
//! It is the same driver that `aeronmd` runs, from the same build as the client. Clients in this process and in others connect to it
//! through its directory. To run it as a separate process, use the program at `aeron_sys::AERONMD_PATH`, which takes settings as
//! `-Daeron.dir=…` or from the environment.
//!
//! The program can also run a driver without threads, together with a client without one:
//!
//! ```
//! use aeron_cluster::aeron::{Aeron, Context};
//! use aeron_cluster::driver::{DriverContext, MediaDriver, ThreadingMode};
//!
//! # fn main() -> aeron_cluster::Result<()> {
//! # let dir = format!("/dev/shm/aeron-invoked-{}", std::process::id());
//! let settings = DriverContext::new().dir(&dir).threading_mode(ThreadingMode::Invoker).dir_delete_on_shutdown(true);
//! # let settings = settings.ipc_term_buffer_length(64 * 1024);
//! let mut driver = MediaDriver::launch(settings)?;
//! let client = Aeron::connect(Context::new().dir(&dir).use_conductor_agent_invoker(true))?;
//! // Do not block here: nobody would run the driver meanwhile.
//! let mut adding = client.async_add_publication("aeron:ipc", 1)?;
//! let publication = loop {
//!     driver.do_work()?;
//!     client.do_work()?;
//!     if let Some(publication) = adding.poll()? {
//!         break publication;
//!     }
//! };
//! assert!(!publication.is_connected());
//! drop((publication, client));
//! driver.close()
//! # }
//! ```
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::time::Duration;

use aeron_sys as sys;

use crate::aeron::{CncFile, check, check_leftover, last_error};
use crate::{Error, ErrorKind, Result};

mod context;
mod settings;

use context::NativeContext;
pub use context::{DriverContext, MulticastFlowControl};

/// How the driver divides its work among threads of its own. Mirrors `io.aeron.driver.ThreadingMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ThreadingMode {
    /// One thread each for the conductor, the sender, the receiver, and what waits for the operating system.
    #[default]
    Dedicated,
    /// As dedicated, with one thread for sender and receiver.
    SharedNetwork,
    /// One thread for everything, which suits tests.
    Shared,
    /// No thread: the program runs the driver with [`MediaDriver::do_work`].
    Invoker,
}

impl ThreadingMode {
    fn native(self) -> sys::aeron_threading_mode_t {
        match self {
            ThreadingMode::Dedicated => sys::aeron_threading_mode_enum_AERON_THREADING_MODE_DEDICATED,
            ThreadingMode::SharedNetwork => sys::aeron_threading_mode_enum_AERON_THREADING_MODE_SHARED_NETWORK,
            ThreadingMode::Shared => sys::aeron_threading_mode_enum_AERON_THREADING_MODE_SHARED,
            ThreadingMode::Invoker => sys::aeron_threading_mode_enum_AERON_THREADING_MODE_INVOKER,
        }
    }
}

/// A media driver in this process, on its own threads or run by the program ([`ThreadingMode::Invoker`]), until it is dropped.
///
/// Several can run in one process, each with its own directory. Drop clients before their driver: others find it
/// dead, as if it were another process.
pub struct MediaDriver {
    driver: NonNull<sys::aeron_driver_t>,
    dir: PathBuf,
    /// Whether the program runs it.
    invoker: bool,
    /// The process that launched it. A forked child has none of its threads, and must leave the directory to its parent.
    process: u32,
    // Closed by `shut_down` after the driver, which reads it until its threads have ended.
    context: Option<NativeContext>,
}

// SAFETY: the driver works on its own threads and has no ties to the one that launched it; starting, working and closing it are the
// only calls, all through an owner.
unsafe impl Send for MediaDriver {}
// SAFETY: a shared reference gives its directory alone.
unsafe impl Sync for MediaDriver {}

impl MediaDriver {
    /// Starts a driver. Clients can connect as soon as this returns. Mirrors `MediaDriver.launch`.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) or [`Native`](ErrorKind::Native) for a setting that the driver
    /// refuses; [`Io`](ErrorKind::Io) if another living driver uses the directory, or the operating system refuses;
    /// [`Protocol`](ErrorKind::Protocol) if the directory has a damaged file of an earlier driver, so that it is unknown whether that is alive.
    /// With [`dir_delete_on_start`](DriverContext::dir_delete_on_start) the file is deleted unread.
    pub fn launch(context: DriverContext) -> Result<MediaDriver> {
        let context = context.into_native()?;
        // SAFETY: the context is live, and its directory is a NUL-terminated string that belongs to it.
        let (dir, mode, deletes) = unsafe {
            let dir = CStr::from_ptr(sys::aeron_driver_context_get_dir(context.ptr()));
            let mode = sys::aeron_driver_context_get_threading_mode(context.ptr());
            (dir, mode, sys::aeron_driver_context_get_dir_delete_on_start(context.ptr()))
        };
        let invoker = mode == ThreadingMode::Invoker.native();
        let dir = PathBuf::from(dir.to_string_lossy().into_owned());
        let doing = format!("cannot launch a media driver in {}", dir.display());
        if !deletes {
            check_leftover(&dir).map_err(|error| error.context(&doing))?;
        }
        let mut raw = std::ptr::null_mut();
        // SAFETY: the context is live and used by this driver alone, as aeron_driver_init asks.
        check(unsafe { sys::aeron_driver_init(&mut raw, context.ptr()) }, &doing)?;
        let driver = NonNull::new(raw).ok_or_else(|| last_error(&doing))?;
        let driver = MediaDriver { driver, dir, invoker, process: std::process::id(), context: Some(context) };
        // SAFETY: the driver is initialised and not started; if this fails, dropping `driver` closes it.
        check(unsafe { sys::aeron_driver_start(driver.driver.as_ptr(), invoker) }, &doing)?;
        Ok(driver)
    }

    /// The driver's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Runs one duty cycle of the whole driver, and returns the amount of work done. Only for a driver without threads ([`ThreadingMode::Invoker`]).
    /// Does not block, except to resolve names. Mirrors `MediaDriver.sharedAgentInvoker` and `aeron_driver_main_do_work`.
    ///
    /// Clients take a driver for dead if it is not run for longer than their driver time-out. On the thread that runs the driver, do not use
    /// blocking adds, which would never be answered: poll them.
    ///
    /// # Errors
    ///
    /// [`State`](ErrorKind::State) for a driver with threads, and in a forked child. Errors within the driver go to its
    /// [error log](Self::cnc_file).
    pub fn do_work(&mut self) -> Result<usize> {
        if !self.invoker {
            let message = "the media driver has threads of its own: set ThreadingMode::Invoker to work it yourself";
            return Err(Error::new(ErrorKind::State, message));
        }
        if self.is_forked() {
            let message = "the media driver belongs to the process that this one was forked from: launch another";
            return Err(Error::new(ErrorKind::State, message));
        }
        // SAFETY: the driver is started without a thread, and `&mut self` makes this its only caller.
        let count = unsafe { sys::aeron_driver_main_do_work(self.driver.as_ptr()) };
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// Whether the program runs the driver with [`do_work`](Self::do_work).
    pub fn is_invoker(&self) -> bool {
        self.invoker
    }

    /// The driver's file, with its counters, errors and losses. It stays readable after the driver has ended.
    ///
    /// # Errors
    ///
    /// As [`CncFile::open`], if somebody else has deleted it.
    pub fn cnc_file(&self) -> Result<CncFile> {
        CncFile::open(&self.dir, Duration::ZERO)
    }

    /// The C driver, for C code in the same process. It lives as long as this value; never close it.
    pub fn as_ptr(&self) -> *mut sys::aeron_driver_t {
        self.driver.as_ptr()
    }

    /// Ends the driver and its threads, as dropping it does, and returns whether that worked. Blocks until they have ended. In a
    /// forked child it does nothing: the driver is the parent's.
    ///
    /// # Errors
    ///
    /// The driver's error, in which case its memory leaks because its threads may still use it; or that its directory cannot be deleted.
    pub fn close(mut self) -> Result<()> {
        self.shut_down()
    }

    fn is_forked(&self) -> bool {
        self.process != std::process::id()
    }

    fn shut_down(&mut self) -> Result<()> {
        let Some(context) = self.context.take() else {
            return Ok(());
        };
        if self.is_forked() {
            std::mem::forget(context);
            return Ok(());
        }
        let doing = format!("cannot close the media driver in {}", self.dir.display());
        // SAFETY: the driver was initialised, and taking the context makes sure that it is closed once.
        match check(unsafe { sys::aeron_driver_close(self.driver.as_ptr()) }, &doing) {
            // Somebody else may have deleted the directory.
            Ok(_) => context.close(&doing).or_else(|error| if self.dir.exists() { Err(error) } else { Ok(()) }),
            Err(error) => {
                std::mem::forget(context);
                Err(error)
            }
        }
    }
}

impl Drop for MediaDriver {
    fn drop(&mut self) {
        if let Err(error) = self.shut_down() {
            tracing::error!("{error}");
        }
    }
}

impl fmt::Debug for MediaDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaDriver").field("dir", &self.dir).field("invoker", &self.invoker).finish_non_exhaustive()
    }
}

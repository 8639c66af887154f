//! The C media driver in this process (feature `driver`): for tests, tools, and programs that want no other process.
//!
//! It is the driver that `aeronmd` runs, of the same build as the client. Clients in this process and in others connect to it
//! through its directory.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_int};
use std::fmt;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::time::Duration;

use aeron_sys as sys;

use crate::aeron::{c_string, check, last_error};
use crate::{Error, ErrorKind, Result};

/// How the driver divides its work among threads of its own. Mirrors `io.aeron.driver.ThreadingMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ThreadingMode {
    /// One thread each for the conductor, the sender and the receiver.
    #[default]
    Dedicated,
    /// One thread for the conductor and one for the network.
    SharedNetwork,
    /// One thread for everything, which suits tests.
    Shared,
}

impl ThreadingMode {
    fn native(self) -> sys::aeron_threading_mode_t {
        match self {
            ThreadingMode::Dedicated => sys::aeron_threading_mode_enum_AERON_THREADING_MODE_DEDICATED,
            ThreadingMode::SharedNetwork => sys::aeron_threading_mode_enum_AERON_THREADING_MODE_SHARED_NETWORK,
            ThreadingMode::Shared => sys::aeron_threading_mode_enum_AERON_THREADING_MODE_SHARED,
        }
    }
}

/// The settings of a [`MediaDriver`]. Mirrors `io.aeron.driver.MediaDriver.Context` and `aeron_driver_context_t`.
///
/// What is not set here takes the C driver's default, which reads the C driver's environment variables (`AERON_DIR`,
/// `AERON_THREADING_MODE`, `AERON_TERM_BUFFER_LENGTH` and so on). A value that the driver refuses is reported by
/// [`MediaDriver::launch`].
pub struct DriverContext {
    native: Result<NativeContext>,
}

/// A setter for each setting that has a type of its own in C.
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident($value:ident: $type:ty) => $native:ident($converted:expr);)*) => {
        impl DriverContext {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(self, $value: $type) -> Self {
                    // SAFETY: the context is live, and what the driver keeps of the value is a copy (aeronmd.h).
                    self.set(stringify!($name), |raw| unsafe { sys::$native(raw, $converted) })
                }
            )*
        }
    };
}

settings! {
    /// How the driver divides its work among threads. Default: dedicated.
    threading_mode(mode: ThreadingMode) => aeron_driver_context_set_threading_mode(mode.native());
    /// Whether a directory that a dead driver left is deleted first. One that a living driver uses is deleted too, so make
    /// sure that it is yours. Default: false.
    dir_delete_on_start(delete: bool) => aeron_driver_context_set_dir_delete_on_start(delete);
    /// Whether the directory is deleted when the driver ends. Default: false.
    dir_delete_on_shutdown(delete: bool) => aeron_driver_context_set_dir_delete_on_shutdown(delete);
    /// Whether an existing directory is mentioned on standard error. Default: true.
    dir_warn_if_exists(warn: bool) => aeron_driver_context_set_dir_warn_if_exists(warn);
    /// The length in bytes of a term of a network publication, a power of two from 64 KiB to 1 GiB. Default: 16 MiB.
    term_buffer_length(length: usize) => aeron_driver_context_set_term_buffer_length(length);
    /// The length in bytes of a term of an IPC publication. Default: 64 MiB.
    ipc_term_buffer_length(length: usize) => aeron_driver_context_set_ipc_term_buffer_length(length);
    /// Whether term buffers take their place on the disk or in memory only as they are written. Default: true.
    term_buffer_sparse_file(sparse: bool) => aeron_driver_context_set_term_buffer_sparse_file(sparse);
    /// Whether the driver looks for enough storage before it allocates. Default: true.
    perform_storage_checks(check: bool) => aeron_driver_context_set_perform_storage_checks(check);
    /// The page size in bytes to which files are rounded up. Default: 4 KiB.
    file_page_size(size: usize) => aeron_driver_context_set_file_page_size(size);
    /// Whether a spy subscription counts as a connected subscriber of a network publication. Default: false.
    spies_simulate_connection(simulate: bool) => aeron_driver_context_set_spies_simulate_connection(simulate);
    /// How long a client may show no sign of life. Default: 10 s.
    client_liveness_timeout(timeout: Duration) => aeron_driver_context_set_client_liveness_timeout_ns(nanos(timeout));
    /// How long an image lives without a sign of life from its publication. Default: 10 s.
    image_liveness_timeout(timeout: Duration) => aeron_driver_context_set_image_liveness_timeout_ns(nanos(timeout));
    /// How long a publication stays connected without a subscriber's sign of life. Default: 5 s.
    publication_connection_timeout(timeout: Duration) =>
        aeron_driver_context_set_publication_connection_timeout_ns(nanos(timeout));
    /// After how long a claim that was never committed is unblocked; longer than the client liveness timeout. Default: 15 s.
    publication_unblock_timeout(timeout: Duration) =>
        aeron_driver_context_set_publication_unblock_timeout_ns(nanos(timeout));
    /// How long a closed publication lingers for those that lag behind. Default: 5 s.
    publication_linger_timeout(timeout: Duration) =>
        aeron_driver_context_set_publication_linger_timeout_ns(nanos(timeout));
    /// How often the conductor looks at its timeouts. Default: 1 s.
    timer_interval(interval: Duration) => aeron_driver_context_set_timer_interval_ns(nanos(interval));
    /// How long a freed counter is not used again. Default: 1 s.
    counters_free_to_reuse_timeout(timeout: Duration) =>
        aeron_driver_context_set_counters_free_to_reuse_timeout_ns(nanos(timeout));
    /// After how long without a sign of life another driver found in the directory counts as dead. Default: 10 s.
    driver_timeout(timeout: Duration) =>
        aeron_driver_context_set_driver_timeout_ms(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
}

impl DriverContext {
    /// Settings with the C driver's defaults.
    pub fn new() -> Self {
        DriverContext { native: NativeContext::new() }
    }

    /// The driver's directory, created if missing. Default: `AERON_DIR`, else the platform's default.
    #[must_use]
    pub fn dir(self, dir: impl AsRef<Path>) -> Self {
        let dir = dir.as_ref();
        let text = dir.to_str().ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, format!("aeron directory is not UTF-8: {}", dir.display()))
        });
        match text.and_then(|text| c_string(text, "aeron directory")) {
            // SAFETY: the context is live and C copies the string.
            Ok(text) => self.set("dir", |raw| unsafe { sys::aeron_driver_context_set_dir(raw, text.as_ptr()) }),
            Err(error) => DriverContext { native: self.native.and(Err(error)) },
        }
    }

    fn set(self, name: &str, call: impl FnOnce(*mut sys::aeron_driver_context_t) -> c_int) -> Self {
        let native = self.native.and_then(|native| {
            check(call(native.ptr()), format_args!("cannot set the driver's {name}"))?;
            Ok(native)
        });
        DriverContext { native }
    }
}

impl Default for DriverContext {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for DriverContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused = self.native.as_ref().err();
        f.debug_struct("DriverContext").field("refused", &refused).finish_non_exhaustive()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A media driver that runs on threads of its own in this process, until it is dropped.
///
/// Several can run in one process, each in a directory of its own. Clients should be gone before their driver: those that
/// are not find it dead, as if it were another process.
pub struct MediaDriver {
    driver: NonNull<sys::aeron_driver_t>,
    dir: PathBuf,
    // Last, and closed by `shut_down` after the driver, which reads it until its threads have ended.
    context: Option<NativeContext>,
}

// SAFETY: the driver works on its own threads and has no ties to the one that launched it; starting and closing it are the
// only calls, both through an owner.
unsafe impl Send for MediaDriver {}
// SAFETY: a shared reference gives its directory alone.
unsafe impl Sync for MediaDriver {}

impl MediaDriver {
    /// Starts a driver. Clients can connect as soon as this returns. Mirrors `MediaDriver.launch`.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) or [`Native`](ErrorKind::Native) for a setting that the driver
    /// refuses; [`Io`](ErrorKind::Io) if another living driver uses the directory, or the operating system refuses.
    pub fn launch(context: DriverContext) -> Result<MediaDriver> {
        let context = context.native?;
        // SAFETY: the context is live, and its directory is a NUL-terminated string that belongs to it.
        let dir = unsafe { CStr::from_ptr(sys::aeron_driver_context_get_dir(context.ptr())) };
        let dir = PathBuf::from(dir.to_string_lossy().into_owned());
        let doing = format!("cannot launch a media driver in {}", dir.display());
        let mut raw = std::ptr::null_mut();
        // SAFETY: the context is live and used by this driver alone, as aeron_driver_init asks.
        check(unsafe { sys::aeron_driver_init(&mut raw, context.ptr()) }, &doing)?;
        let driver = NonNull::new(raw).ok_or_else(|| last_error(&doing))?;
        let driver = MediaDriver { driver, dir, context: Some(context) };
        // SAFETY: the driver is initialised and not started; if this fails, dropping `driver` closes it.
        check(unsafe { sys::aeron_driver_start(driver.driver.as_ptr(), false) }, &doing)?;
        Ok(driver)
    }

    /// The driver's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Ends the driver and its threads, which dropping it does too, and says whether that worked. Blocks until they ended.
    ///
    /// # Errors
    ///
    /// What the driver says; its memory then leaks, because its threads may still use it.
    pub fn close(mut self) -> Result<()> {
        self.shut_down()
    }

    fn shut_down(&mut self) -> Result<()> {
        let Some(context) = self.context.take() else {
            return Ok(());
        };
        // SAFETY: the driver was initialised, and taking the context makes sure that it is closed once.
        let closed = check(
            unsafe { sys::aeron_driver_close(self.driver.as_ptr()) },
            format_args!("cannot close the media driver in {}", self.dir.display()),
        );
        match closed {
            Ok(_) => Ok(()),
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
        f.debug_struct("MediaDriver").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// An `aeron_driver_context_t`, closed when dropped.
struct NativeContext(NonNull<sys::aeron_driver_context_t>);

// SAFETY: a context is plain memory with no ties to a thread, and this owns it.
unsafe impl Send for NativeContext {}

impl NativeContext {
    fn new() -> Result<Self> {
        let doing = "cannot create a media driver context";
        let mut raw = std::ptr::null_mut();
        // SAFETY: aeron_driver_context_init (aeronmd.h) allocates a context into the out pointer.
        check(unsafe { sys::aeron_driver_context_init(&mut raw) }, doing)?;
        NonNull::new(raw).map(NativeContext).ok_or_else(|| last_error(doing))
    }

    fn ptr(&self) -> *mut sys::aeron_driver_context_t {
        self.0.as_ptr()
    }
}

impl Drop for NativeContext {
    fn drop(&mut self) {
        // SAFETY: no driver uses it: none was made, or `shut_down` closed it before.
        unsafe { sys::aeron_driver_context_close(self.ptr()) };
    }
}

//! The media driver of the programs that need no cluster: an existing one, or one of their own.

use std::path::PathBuf;

use aeron_cluster::aeron::{self, Aeron, default_dir};
use aeron_cluster::driver::{DriverContext, MediaDriver, ThreadingMode};
use anyhow::{Context as _, Result};
use clap::Args;

/// Which driver to use.
#[derive(Args, Debug)]
pub struct DriverArgs {
    /// The directory of the media driver to use. Default: the program runs the C driver itself.
    #[arg(long, value_name = "D")]
    aeron_dir: Option<PathBuf>,
}

/// A client, and the driver if the program runs it.
pub struct Connected {
    /// The client. Declared first, so that it is dropped before its driver.
    pub aeron: Aeron,
    _driver: Option<MediaDriver>,
}

/// Connects to the driver, after starting one if none was named.
pub fn connect(args: &DriverArgs) -> Result<Connected> {
    let (dir, driver) = match &args.aeron_dir {
        Some(dir) => (dir.clone(), None),
        None => {
            let dir = default_dir().with_extension(std::process::id().to_string());
            let context = DriverContext::new()
                .dir(&dir)
                .threading_mode(ThreadingMode::Shared)
                .term_buffer_sparse_file(true)
                .dir_delete_on_shutdown(true);
            (dir, Some(MediaDriver::launch(context).context("cannot start a media driver")?))
        }
    };
    let aeron = Aeron::connect(aeron::Context::new().dir(dir))?;
    Ok(Connected { aeron, _driver: driver })
}

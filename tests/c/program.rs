//! A program that is C but for its arguments: `echo_stream.c` beside this file, on the C client as C programs use it.

use std::ffi::{CString, c_char, c_int};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
// Its libaeron is linked with it.
use aeron_sys as _;

#[link(name = "echo_stream", kind = "static")]
unsafe extern "C" {
    fn echo_stream(dir: *const c_char, r#in: *const c_char, out: *const c_char, stream: i32, messages: i64) -> c_int;
}

/// Arguments: directory of the driver, channel in, channel out, stream, messages.
fn main() -> Result<ExitCode> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let argument = |index: usize| arguments.get(index).with_context(|| format!("argument {} is missing", index + 1));
    let text = |index| -> Result<CString> { Ok(CString::new(argument(index)?.as_str())?) };
    let (dir, there, back) = (text(0)?, text(1)?, text(2)?);
    let (stream, messages) = (argument(3)?.parse()?, argument(4)?.parse()?);
    // SAFETY: strings that live as long as the call.
    let failed = unsafe { echo_stream(dir.as_ptr(), there.as_ptr(), back.as_ptr(), stream, messages) };
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

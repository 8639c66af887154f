//! Why there is no driver's file to read.

use std::io;
use std::path::Path;

use super::mapped::FILE_NAME;
use crate::error::{Error, ErrorKind};

/// What stands in the way.
pub(in crate::aeron) enum Unusable {
    /// There is none.
    Absent,
    /// It has no description, being just made or cut short.
    Short(usize),
    /// Its driver has not finished it.
    NotReady,
    /// It is of another version.
    Version(String),
    /// It is no driver's file, or was damaged.
    Corrupt(String),
    /// The operating system does not give it out.
    Unreadable(io::Error),
}

impl Unusable {
    /// Whether a driver that is starting looks so, be it another user's whose file is not yet for all.
    pub(in crate::aeron) fn may_pass(&self) -> bool {
        matches!(self, Unusable::Absent | Unusable::Short(_) | Unusable::NotReady) || self.is_forbidden()
    }

    /// Whether the file is there and not for us.
    pub(in crate::aeron) fn is_forbidden(&self) -> bool {
        matches!(self, Unusable::Unreadable(error) if error.kind() == io::ErrorKind::PermissionDenied)
    }

    pub(in crate::aeron) fn error(self, dir: &Path) -> Error {
        let path = dir.join(FILE_NAME);
        let dead = ErrorKind::DriverDead;
        let (kind, what) = match self {
            Unusable::Absent => (dead, "is not there: is the media driver running?".to_owned()),
            Unusable::Short(length) => {
                (dead, format!("has only {length} bytes: its driver is just making it, or died"))
            }
            Unusable::NotReady => (dead, "is not finished: its driver is just making it, or died".to_owned()),
            Unusable::Version(what) => (ErrorKind::Protocol, format!("cannot be read: {what}")),
            Unusable::Corrupt(what) => {
                let remedy = "if no media driver uses it, remove it and start the driver again";
                (ErrorKind::Protocol, format!("is damaged, or no media driver's: {what}; {remedy}"))
            }
            Unusable::Unreadable(error) => {
                return Error::from(error).context(format_args!("cannot read {}", path.display()));
            }
        };
        Error::new(kind, format!("{} {what}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_ours_may_become_so_and_says_what_it_is_until_then() {
        let forbidden = || Unusable::Unreadable(io::ErrorKind::PermissionDenied.into());
        assert!(forbidden().may_pass());
        let error = forbidden().error(Path::new("/dir"));
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.message().contains("/dir/cnc.dat: permission denied"), "{error}");
        assert!(!Unusable::Unreadable(io::ErrorKind::IsADirectory.into()).may_pass());
    }
}

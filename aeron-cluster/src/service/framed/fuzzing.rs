//! Framed snapshots whose parts are in memory, for fuzz targets.

use super::chunk::{Chain, PREFIX_LENGTH};
use super::reader::{Framed, Source};
use crate::error::Result;

struct Parts(std::vec::IntoIter<Vec<u8>>);

impl Source for Parts {
    fn next(&mut self, part: &mut Vec<u8>) -> Result<bool> {
        Ok(self.0.next().map(|next| *part = next).is_some())
    }
}

/// Reads a snapshot of this name, of any version, to its end.
pub(crate) fn read(name: &str, parts: Vec<Vec<u8>>) -> Result<Vec<u8>> {
    let mut framed = Framed::open(Parts(parts.into_iter()), name, &(0..=u32::MAX))?;
    let mut read = Vec::new();
    loop {
        let data = framed.fill()?;
        if data.is_empty() {
            break;
        }
        read.extend_from_slice(data);
        let length = data.len();
        framed.consume(length);
    }
    framed.finish()?;
    Ok(read)
}

/// Parts of these kinds and bodies, numbered and with the checksums that they must have.
pub(crate) fn sealed(parts: &[(u8, &[u8])]) -> Vec<Vec<u8>> {
    let mut chain = Chain::default();
    let seal = |(kind, body): &(u8, &[u8])| {
        let mut part = [&[0; PREFIX_LENGTH][..], body].concat();
        chain.seal(&mut part, *kind);
        part
    };
    parts.iter().map(seal).collect()
}

//! The Rust service of these tests, in this process.

use aeron_cluster::aeron::Header;
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, ServiceError, SnapshotImage, SnapshotPublication,
};

/// What is answered with the session's principal instead of with itself.
pub const WHO_AM_I: &[u8] = b"who am I?";
/// What makes the service close the session.
pub const CLOSE_ME: &[u8] = b"close me";

/// Answers every message with the message.
pub struct Echo;

impl ClusteredService for Echo {
    fn on_start(&mut self, _cluster: &Cluster, _snapshot: Option<&mut SnapshotImage>) -> Result<(), ServiceError> {
        Ok(())
    }

    fn on_session_message(
        &mut self,
        cluster: &Cluster,
        session: Option<&ClientSession>,
        _timestamp: i64,
        message: &[u8],
        _header: &Header<'_>,
    ) {
        let Some(session) = session else { return };
        if message == CLOSE_ME {
            let _ = session.close();
            return;
        }
        let answer = if message == WHO_AM_I { session.encoded_principal() } else { message };
        while let Err(refused) = session.offer(answer) {
            if !refused.is_retryable() || cluster.idle(0).is_err() {
                break;
            }
        }
    }

    fn on_take_snapshot(&mut self, _: &Cluster, _: &mut SnapshotPublication) -> Result<(), ServiceError> {
        Ok(())
    }
}

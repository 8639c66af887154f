//! What the consensus module recovered, read from its counter.

use crate::aeron::{CountersReader, NULL_VALUE};
use crate::bytes::{i32_at, i64_at};
use crate::error::{Error, ErrorKind, Result};

/// The counter's type (`AeronCounters.CLUSTER_RECOVERY_STATE_TYPE_ID`).
const RECOVERY_STATE_TYPE_ID: i32 = 204;
/// The type of the commit position counter (`CLUSTER_COMMIT_POSITION_TYPE_ID`).
const COMMIT_POSITION_TYPE_ID: i32 = 203;

// Where the values are in the recovery counter's key.
const LEADERSHIP_TERM_ID_OFFSET: usize = 0;
const LOG_POSITION_OFFSET: usize = 8;
const TIMESTAMP_OFFSET: usize = 16;
const CLUSTER_ID_OFFSET: usize = 24;
const SERVICE_COUNT_OFFSET: usize = 28;
const SNAPSHOT_RECORDING_IDS_OFFSET: usize = 32;

/// Where the node stands before the service starts. Mirrors `io.aeron.cluster.service.RecoveryState`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecoveryState {
    pub(super) leadership_term_id: i64,
    pub(super) log_position: i64,
    pub(super) timestamp: i64,
    snapshot_recording_ids: Vec<i64>,
}

impl RecoveryState {
    /// The state that the consensus module of this cluster has published, if any.
    pub(super) fn find(counters: CountersReader<'_>, cluster_id: i32) -> Option<Self> {
        let mut found = None;
        counters.for_each(|counter| {
            if found.is_none()
                && counter.type_id == RECOVERY_STATE_TYPE_ID
                && i32_at(counter.key, CLUSTER_ID_OFFSET) == Some(cluster_id)
            {
                found = Self::decode(counter.key);
            }
        });
        found
    }

    pub(super) fn decode(key: &[u8]) -> Option<Self> {
        let service_count = usize::try_from(i32_at(key, SERVICE_COUNT_OFFSET)?).ok()?;
        let snapshot_recording_ids =
            (0..service_count).map_while(|i| i64_at(key, SNAPSHOT_RECORDING_IDS_OFFSET + 8 * i)).collect();
        Some(RecoveryState {
            leadership_term_id: i64_at(key, LEADERSHIP_TERM_ID_OFFSET)?,
            log_position: i64_at(key, LOG_POSITION_OFFSET)?,
            timestamp: i64_at(key, TIMESTAMP_OFFSET)?,
            snapshot_recording_ids,
        })
    }

    /// Whether the node recovered from a snapshot.
    pub(super) fn has_snapshot(&self) -> bool {
        self.leadership_term_id != NULL_VALUE
    }

    /// The recording of a service's snapshot.
    pub(super) fn snapshot_recording_id(&self, service_id: i32) -> Result<i64> {
        let count = self.snapshot_recording_ids.len();
        usize::try_from(service_id).ok().and_then(|id| self.snapshot_recording_ids.get(id)).copied().ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, format!("invalid serviceId {service_id} for count of {count}"))
        })
    }
}

/// The id of a cluster's commit position counter.
pub(super) fn find_commit_position(counters: CountersReader<'_>, cluster_id: i32) -> Option<i32> {
    counters.find(|counter| counter.type_id == COMMIT_POSITION_TYPE_ID && i32_at(counter.key, 0) == Some(cluster_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(service_count: i32, recording_ids: &[i64]) -> Vec<u8> {
        let mut key = Vec::new();
        for value in [3i64, 4096, 1_700] {
            key.extend_from_slice(&value.to_le_bytes());
        }
        key.extend_from_slice(&9i32.to_le_bytes());
        key.extend_from_slice(&service_count.to_le_bytes());
        for id in recording_ids {
            key.extend_from_slice(&id.to_le_bytes());
        }
        key
    }

    #[test]
    fn a_service_finds_its_own_snapshot() {
        let state = RecoveryState::decode(&key(2, &[10, 11])).unwrap();
        assert_eq!((state.leadership_term_id, state.log_position, state.timestamp), (3, 4096, 1_700));
        assert!(state.has_snapshot());
        assert_eq!(state.snapshot_recording_id(1).unwrap(), 11);
    }

    #[test]
    fn a_service_that_the_consensus_module_does_not_count_is_told_so() {
        let state = RecoveryState::decode(&key(2, &[10, 11])).unwrap();
        for id in [-1, 2] {
            let message = state.snapshot_recording_id(id).unwrap_err().to_string();
            assert_eq!(message, format!("invalid serviceId {id} for count of 2"));
        }
    }

    #[test]
    fn a_count_beyond_the_key_is_no_panic() {
        assert_eq!(RecoveryState::decode(&key(i32::MAX, &[10])).unwrap().snapshot_recording_ids, [10]);
        assert_eq!(RecoveryState::decode(&key(-5, &[])), None);
        assert_eq!(RecoveryState::decode(&[0; 30]), None);
    }
}

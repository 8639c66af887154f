//! The container's own part of a snapshot, read back.

use crate::aeron::Action;
use crate::codec::{
    ClientSession, ClusterTimeUnit, CodecError, SemanticVersion, SnapshotEvent, SnapshotMark, SnapshotMarker,
};
use crate::error::{Error, ErrorKind, Result};

use super::snapshot::{FRAGMENT_LIMIT, SnapshotImage};

/// Reads the markers and the sessions of a snapshot, and stops right behind the end marker so that the rest is left to
/// the service. Mirrors `io.aeron.cluster.service.ServiceSnapshotLoader`.
#[derive(Default)]
pub(super) struct SnapshotLoader {
    in_snapshot: bool,
    is_done: bool,
    app_version: Option<SemanticVersion>,
    time_unit: Option<ClusterTimeUnit>,
}

impl SnapshotLoader {
    /// Whether the end marker was read.
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// The version of the application that took the snapshot.
    pub(super) fn app_version(&self) -> Option<SemanticVersion> {
        self.app_version
    }

    /// The unit of the cluster's times.
    pub(super) fn time_unit(&self) -> Option<ClusterTimeUnit> {
        self.time_unit
    }

    /// Reads a batch, and passes each session to `on_session`, which may refuse it. Returns the number of fragments taken.
    pub(super) fn poll(
        &mut self,
        snapshot: &mut SnapshotImage,
        mut on_session: impl FnMut(&ClientSession<'_>) -> Result<()>,
    ) -> Result<usize> {
        let mut failure = None;
        let fragments = snapshot.controlled_poll(FRAGMENT_LIMIT, |message, _| {
            self.on_message(message, &mut on_session).unwrap_or_else(|error| {
                failure = Some(error);
                Action::Abort
            })
        })?;
        failure.map_or(Ok(fragments), Err)
    }

    pub(super) fn on_message(
        &mut self,
        message: &[u8],
        on_session: &mut impl FnMut(&ClientSession<'_>) -> Result<()>,
    ) -> Result<Action> {
        match SnapshotEvent::decode(message).map_err(protocol_error)? {
            SnapshotEvent::Marker(marker) => self.on_marker(&marker),
            SnapshotEvent::ClientSession(session) => {
                on_session(&session)?;
                Ok(Action::Continue)
            }
            SnapshotEvent::Unknown { .. } => Ok(Action::Continue),
        }
    }

    fn on_marker(&mut self, marker: &SnapshotMarker) -> Result<Action> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Protocol, message));
        if marker.type_id != SnapshotMarker::SERVICE_TYPE_ID {
            return refuse(format!("unexpected snapshot type: {}", marker.type_id));
        }
        match marker.mark {
            SnapshotMark::Begin if self.in_snapshot => refuse("already in snapshot".to_owned()),
            SnapshotMark::Begin => {
                self.in_snapshot = true;
                self.app_version = marker.app_version;
                self.time_unit = Some(marker.time_unit);
                Ok(Action::Continue)
            }
            SnapshotMark::End if !self.in_snapshot => refuse("missing begin snapshot".to_owned()),
            SnapshotMark::End => {
                self.is_done = true;
                Ok(Action::Break)
            }
            _ => Ok(Action::Continue),
        }
    }
}

/// A frame that cannot be read, as an error of the container.
pub(super) fn protocol_error(error: CodecError) -> Error {
    Error::new(ErrorKind::Protocol, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(type_id: i64, mark: SnapshotMark) -> Vec<u8> {
        SnapshotMarker {
            type_id,
            log_position: 64,
            leadership_term_id: 1,
            index: 0,
            mark,
            time_unit: ClusterTimeUnit::Nanos,
            app_version: Some(SemanticVersion::new(1, 2, 3)),
        }
        .encode()
        .to_vec()
    }

    fn load(messages: &[Vec<u8>]) -> (Result<Action>, SnapshotLoader, Vec<i64>) {
        let mut loader = SnapshotLoader::default();
        let mut sessions = Vec::new();
        let mut last = Ok(Action::Continue);
        for message in messages {
            last = loader.on_message(message, &mut |session| {
                sessions.push(session.cluster_session_id);
                Ok(())
            });
        }
        (last, loader, sessions)
    }

    #[test]
    fn a_snapshot_gives_its_sessions_and_stops_at_its_end() {
        let mut session = Vec::new();
        ClientSession {
            cluster_session_id: 7,
            response_stream_id: 102,
            response_channel: "aeron:ipc",
            encoded_principal: b"me",
        }
        .encode(&mut session);
        let (last, loader, sessions) = load(&[marker(2, SnapshotMark::Begin), session, marker(2, SnapshotMark::End)]);
        assert_eq!(last.unwrap(), Action::Break);
        assert!(loader.is_done());
        assert_eq!(sessions, [7]);
        assert_eq!(loader.time_unit(), Some(ClusterTimeUnit::Nanos));
        assert_eq!(loader.app_version(), Some(SemanticVersion::new(1, 2, 3)));
    }

    #[test]
    fn what_is_no_service_snapshot_is_refused_in_javas_words() {
        for (messages, text) in [
            (vec![marker(1, SnapshotMark::Begin)], "unexpected snapshot type: 1"),
            (vec![marker(2, SnapshotMark::Begin), marker(2, SnapshotMark::Begin)], "already in snapshot"),
            (vec![marker(2, SnapshotMark::End)], "missing begin snapshot"),
        ] {
            assert_eq!(load(&messages).0.unwrap_err().message(), text);
        }
        let mut foreign = marker(2, SnapshotMark::Begin);
        foreign[4] = 9;
        let message = load(&[foreign]).0.unwrap_err().to_string();
        assert!(message.contains("expected schemaId=111, actual=9"), "{message}");
    }

    #[test]
    fn sections_and_messages_of_later_versions_are_passed_over() {
        let mut unknown = marker(2, SnapshotMark::Begin);
        unknown[2] = 199;
        let (last, loader, _) = load(&[marker(2, SnapshotMark::Begin), marker(2, SnapshotMark::Section), unknown]);
        assert_eq!(last.unwrap(), Action::Continue);
        assert!(!loader.is_done());
    }
}

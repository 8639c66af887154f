//! Polls the egress event by event, as connecting needs it.

use super::session::EgressImage;
use crate::aeron::{Action, FragmentAssembler, Header, NULL_VALUE, Subscription};
use crate::codec::{
    Challenge, CodecError, EgressEvent, EventCode, NewLeaderEvent, SemanticVersion, SessionEvent, SessionMessageHeader,
};
use crate::error::Result;

/// Polls a subscription until it has taken one event of a cluster, and keeps the event's fields. Mirrors `EgressPoller`.
///
/// Until there is an event, ids are [`NULL_VALUE`] and everything else is empty; so are fields that the event does not have. Messages of another
/// schema, events of no use here, and messages that cannot be decoded are skipped.
#[derive(Debug)]
pub struct EgressPoller {
    fragment_limit: usize,
    assembler: FragmentAssembler,
    event: Polled,
    is_poll_complete: bool,
    passed_over: Option<CodecError>,
    image: Option<EgressImage>,
}

/// The fields of one event.
#[derive(Debug)]
struct Polled {
    template_id: i32,
    cluster_session_id: i64,
    correlation_id: i64,
    leadership_term_id: i64,
    leader_member_id: i32,
    event_code: Option<EventCode>,
    version: Option<SemanticVersion>,
    leader_heartbeat_timeout_ns: i64,
    detail: String,
    encoded_challenge: Option<Vec<u8>>,
}

impl Default for Polled {
    fn default() -> Self {
        Self {
            template_id: NULL_VALUE as i32,
            cluster_session_id: NULL_VALUE,
            correlation_id: NULL_VALUE,
            leadership_term_id: NULL_VALUE,
            leader_member_id: NULL_VALUE as i32,
            event_code: None,
            version: None,
            leader_heartbeat_timeout_ns: NULL_VALUE,
            detail: String::new(),
            encoded_challenge: None,
        }
    }
}

impl Polled {
    fn of(event: &EgressEvent<'_>) -> Option<Self> {
        let nothing = Self::default();
        Some(match event {
            EgressEvent::SessionMessage { header, .. } => Self {
                template_id: SessionMessageHeader::TEMPLATE_ID.into(),
                cluster_session_id: header.cluster_session_id,
                leadership_term_id: header.leadership_term_id,
                ..nothing
            },
            EgressEvent::SessionEvent(event) => Self {
                template_id: SessionEvent::TEMPLATE_ID.into(),
                cluster_session_id: event.cluster_session_id,
                correlation_id: event.correlation_id,
                leadership_term_id: event.leadership_term_id,
                leader_member_id: event.leader_member_id,
                event_code: Some(event.code),
                version: event.version,
                leader_heartbeat_timeout_ns: event.leader_heartbeat_timeout_ns.unwrap_or(NULL_VALUE),
                detail: event.detail.to_owned(),
                ..nothing
            },
            EgressEvent::NewLeader(event) => Self {
                template_id: NewLeaderEvent::TEMPLATE_ID.into(),
                cluster_session_id: event.cluster_session_id,
                leadership_term_id: event.leadership_term_id,
                leader_member_id: event.leader_member_id,
                detail: event.ingress_endpoints.to_owned(),
                ..nothing
            },
            EgressEvent::Challenge(event) => Self {
                template_id: Challenge::TEMPLATE_ID.into(),
                cluster_session_id: event.cluster_session_id,
                correlation_id: event.correlation_id,
                encoded_challenge: Some(event.encoded_challenge.to_vec()),
                ..nothing
            },
            EgressEvent::AdminResponse(_) | EgressEvent::Unknown { .. } => return None,
        })
    }
}

impl EgressPoller {
    /// A poller that takes at most `fragment_limit` fragments per poll.
    pub fn new(fragment_limit: usize) -> Self {
        Self {
            fragment_limit,
            assembler: FragmentAssembler::new(),
            event: Polled::default(),
            is_poll_complete: false,
            passed_over: None,
            image: None,
        }
    }

    /// Forgets the last event, and polls for the next. Returns the number of fragments taken. Does not block.
    pub fn poll(&mut self, subscription: &mut Subscription) -> Result<usize> {
        if std::mem::take(&mut self.is_poll_complete) {
            self.event = Polled::default();
        }
        subscription.controlled_poll(self.fragment_limit, |fragment, header| self.on_fragment(fragment, header))
    }

    /// Takes a fragment from the caller's own poll. Returns [`Action::Abort`] if it still holds an event: call [`poll`](Self::poll) for the next.
    pub fn on_fragment(&mut self, fragment: &[u8], header: &Header<'_>) -> Action {
        if self.is_poll_complete {
            return Action::Abort;
        }
        let Self { assembler, event, is_poll_complete, passed_over, image, .. } = self;
        assembler.on_fragment(fragment, header, |message, header| {
            let decoded = match EgressEvent::decode(message) {
                Ok(decoded) => decoded,
                Err(error) => {
                    *passed_over = Some(error);
                    return Action::Continue;
                }
            };
            let Some(polled) = Polled::of(&decoded) else { return Action::Continue };
            if matches!(decoded, EgressEvent::SessionEvent(_) | EgressEvent::NewLeader(_)) {
                *image = Some(EgressImage::of(header));
            }
            *event = polled;
            *is_poll_complete = true;
            Action::Break
        })
    }

    /// Whether the last poll took an event.
    pub fn is_poll_complete(&self) -> bool {
        self.is_poll_complete
    }

    /// Whether the event is a challenge.
    pub fn is_challenged(&self) -> bool {
        self.event.template_id == i32::from(Challenge::TEMPLATE_ID)
    }

    /// The SBE template id of the event, which is its kind.
    pub fn template_id(&self) -> i32 {
        self.event.template_id
    }

    /// The session of the event.
    pub fn cluster_session_id(&self) -> i64 {
        self.event.cluster_session_id
    }

    /// The correlation id of the request that the event answers.
    pub fn correlation_id(&self) -> i64 {
        self.event.correlation_id
    }

    /// The leadership term of the event.
    pub fn leadership_term_id(&self) -> i64 {
        self.event.leadership_term_id
    }

    /// The leader that the event names.
    pub fn leader_member_id(&self) -> i32 {
        self.event.leader_member_id
    }

    /// The code of a session event.
    pub fn event_code(&self) -> Option<EventCode> {
        self.event.event_code
    }

    /// The version of the cluster's session protocol.
    pub fn version(&self) -> Option<SemanticVersion> {
        self.event.version
    }

    /// The leader's heartbeat time-out in nanoseconds, [`NULL_VALUE`] if the cluster does not say.
    pub fn leader_heartbeat_timeout_ns(&self) -> i64 {
        self.event.leader_heartbeat_timeout_ns
    }

    /// The detail of a session event, or the endpoints of a new leader event.
    pub fn detail(&self) -> &str {
        &self.event.detail
    }

    /// The challenge to answer, if the event is one.
    pub fn encoded_challenge(&self) -> Option<&[u8]> {
        self.event.encoded_challenge.as_deref()
    }

    /// The correlation id of the image that delivered the last session event or new leader event; [`Subscription::has_image`] tells whether
    /// it is still there.
    pub fn egress_image_correlation_id(&self) -> Option<i64> {
        self.image.and_then(|image| image.correlation_id)
    }

    pub(super) fn egress_image(&self) -> Option<EgressImage> {
        self.image
    }

    /// The error of the last message that was skipped because it could not be decoded.
    pub(super) fn passed_over(&self) -> Option<CodecError> {
        self.passed_over
    }
}

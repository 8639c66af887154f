//! The steps of connecting.

use std::fmt;

/// How far connecting has come. Mirrors `AeronCluster.AsyncConnect.State`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectState {
    /// Waiting for the media driver to add the egress subscription.
    CreateEgressSubscription,
    /// Waiting for the media driver to add the ingress publications.
    CreateIngressPublications,
    /// Waiting for the publication to a member to be connected.
    AwaitPublicationConnected,
    /// Sending the connect request, or the answer to a challenge.
    SendMessage,
    /// Waiting for the cluster's answer.
    PollResponse,
    /// The session is open.
    ConcludeConnect,
    /// The client has been returned.
    Done,
}

impl ConnectState {
    const ALL: [ConnectState; 7] = [
        Self::CreateEgressSubscription,
        Self::CreateIngressPublications,
        Self::AwaitPublicationConnected,
        Self::SendMessage,
        Self::PollResponse,
        Self::ConcludeConnect,
        Self::Done,
    ];

    /// The number of the step, as in Java: −1 to 5.
    pub fn step(self) -> i32 {
        match self {
            Self::CreateEgressSubscription => -1,
            Self::CreateIngressPublications => 0,
            Self::AwaitPublicationConnected => 1,
            Self::SendMessage => 2,
            Self::PollResponse => 3,
            Self::ConcludeConnect => 4,
            Self::Done => 5,
        }
    }

    /// The state with this step number, if there is one. Its `Display` is Java's name. Mirrors `AsyncConnect.stepName`.
    pub fn from_step(step: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.step() == step)
    }
}

impl fmt::Display for ConnectState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CreateEgressSubscription => "CREATE_EGRESS_SUBSCRIPTION",
            Self::CreateIngressPublications => "CREATE_INGRESS_PUBLICATIONS",
            Self::AwaitPublicationConnected => "AWAIT_PUBLICATION_CONNECTED",
            Self::SendMessage => "SEND_MESSAGE",
            Self::PollResponse => "POLL_RESPONSE",
            Self::ConcludeConnect => "CONCLUDE_CONNECT",
            Self::Done => "DONE",
        })
    }
}

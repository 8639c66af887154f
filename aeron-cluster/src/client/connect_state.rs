//! The steps of connecting.

use std::fmt;

/// How far connecting has come. Mirrors `AeronCluster.AsyncConnect.State`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectState {
    /// The media driver is asked for the egress subscription.
    CreateEgressSubscription,
    /// The media driver is asked for the ingress publications.
    CreateIngressPublications,
    /// A member is to take ingress.
    AwaitPublicationConnected,
    /// The connect request, or the answer to a challenge, is to be sent.
    SendMessage,
    /// The cluster is to answer.
    PollResponse,
    /// The session is open.
    ConcludeConnect,
    /// The client was handed out.
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

    /// The number of the step, as in Java: -1 to 5.
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

    /// The state with the number of a step; its name is its `Display`. Mirrors `AsyncConnect.stepName`.
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

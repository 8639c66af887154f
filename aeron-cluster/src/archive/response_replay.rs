//! Replays over a response channel that are polled for their answer.

use super::client::Archive;
use super::proxy::{Proxy, ReplayRequest};
use crate::Result;
use crate::aeron::{AsyncAdd, ChannelUri, ExclusivePublication};

/// What the session's publication has of its own.
const OF_THE_SESSION: [&str; 4] = ["session-id", "init-term-id", "term-id", "term-offset"];

/// A replay over a response channel takes two requests: one for a token, and the one for the replay, which shows the token and goes out over a
/// publication of its own. That names the subscription, and its image at the archive leads back there. Mirrors
/// `aeron_archive_initiate_replay_via_response_channel`, which waits.
#[derive(Debug)]
pub(super) struct ResponseReplay {
    replay: ReplayRequest,
    request_channel: String,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Token,
    Adding(AsyncAdd<ExclusivePublication>),
    Added(ExclusivePublication),
}

impl ResponseReplay {
    /// The replay to the subscription with this registration id.
    pub(super) fn new(archive: &Archive, replay: ReplayRequest, registration_id: i64) -> Result<Self> {
        let mut channel = ChannelUri::parse(&archive.settings().control_request_channel)?;
        for name in OF_THE_SESSION {
            channel.remove(name);
        }
        channel.put("response-correlation-id", registration_id.to_string());
        channel.put("term-length", "64k");
        channel.put("ssc", "false");
        Ok(ResponseReplay { replay, request_channel: channel.to_string(), step: Step::Token })
    }

    /// One step towards the request that is next: whether it went out.
    pub(super) fn send(&mut self, archive: &Archive, correlation_id: i64) -> Result<bool> {
        match &mut self.step {
            Step::Token => Proxy::of(archive)?.replay_token(correlation_id, self.replay.recording_id),
            Step::Adding(adding) => {
                if let Some(publication) = adding.poll()? {
                    self.step = Step::Added(publication);
                }
                Ok(false)
            }
            Step::Added(publication) if !has_room(publication) => Ok(false),
            Step::Added(publication) => Proxy::over(archive, publication)?.replay(correlation_id, &self.replay),
        }
    }

    /// Takes the archive's answer to what was sent last. `None`: there is more to send.
    pub(super) fn on_answer(&mut self, archive: &Archive, id: i64) -> Result<Option<i64>> {
        let Step::Token = self.step else {
            // The publication is not needed any more.
            self.step = Step::Token;
            return Ok(Some(id));
        };
        self.replay.params.replay_token = id;
        let stream_id = archive.settings().control_request_stream_id;
        self.step = Step::Adding(archive.aeron().async_add_exclusive_publication(&self.request_channel, stream_id)?);
        Ok(None)
    }
}

/// Before the first word of the other side the limit is 0, connected or not.
fn has_room(publication: &ExclusivePublication) -> bool {
    publication.is_connected() && publication.position_limit().is_ok_and(|limit| limit > 0)
}

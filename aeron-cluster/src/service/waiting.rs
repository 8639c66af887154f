//! What the agent waits for from the archive and the driver, without ever blocking in them.

use crate::aeron::{AsyncAdd, Image, Subscription};
use crate::archive::{self, Archive, PendingRequest};

use super::ClusteredService;
use super::core::Core;
use super::stop::Outcome;

/// Every method waits with [`Core::idle`]: heartbeats go on, and the container can be closed at any time.
impl<S: ClusteredService> Core<S> {
    /// Idles until `poll` returns something.
    pub(super) fn await_some<T>(&mut self, mut poll: impl FnMut(&Self) -> Outcome<Option<T>>) -> Outcome<T> {
        loop {
            if let Some(found) = poll(self)? {
                return Ok(found);
            }
            self.idle(0)?;
        }
    }

    /// Connects to the archive, within its message timeout.
    pub(super) fn connect_archive(&mut self) -> Outcome<Archive> {
        let state = self.cluster.state.clone();
        let context = state.settings.archive_context(&state.aeron)?;
        let mut connect = archive::AsyncConnect::start(&context)?;
        self.await_some(|_| Ok(connect.poll()?))
    }

    /// Waits for the archive's answer to a request, within its message timeout.
    pub(super) fn await_answer(&mut self, archive: &mut Archive, mut request: PendingRequest) -> Outcome<i64> {
        self.await_some(|_| Ok(request.poll(archive)?))
    }

    /// Adds a subscription.
    pub(super) fn add_subscription(&mut self, channel: &str, stream_id: i32) -> Outcome<Subscription> {
        let add = self.cluster.aeron().async_add_subscription(channel, stream_id)?;
        self.await_added(add)
    }

    /// Waits for the driver's answer, however long it takes.
    pub(super) fn await_added<T>(&mut self, mut add: AsyncAdd<T>) -> Outcome<T> {
        self.await_some(|_| Ok(add.poll()?))
    }

    /// Waits for the image of a replay, as long as the archive is there and reports no error.
    pub(super) fn await_replay(
        &mut self,
        archive: &mut Archive,
        mut subscription: Subscription,
        session_id: i32,
    ) -> Outcome<Image> {
        self.cluster.state.reset_idle();
        loop {
            match subscription.into_image(session_id) {
                Ok(image) => return Ok(image),
                Err(still) => subscription = still,
            }
            archive.check_for_error_response()?;
            self.idle(0)?;
        }
    }
}

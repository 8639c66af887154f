//! How the container reaches the archive of its node. Mirrors the `archiveContext` of `ClusteredServiceContainer.Context`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Context, Settings};
use crate::aeron::{Aeron, ChannelUri};
use crate::archive;
use crate::error::Result;
use crate::security::CredentialsSupplier;

impl Context {
    /// The local control channel of the archive, an `aeron:ipc` one. Default: `aeron:ipc?term-length=64k`.
    #[must_use]
    pub fn archive_control_channel(mut self, channel: impl Into<String>) -> Self {
        self.settings.archive_control_channel = channel.into();
        self
    }

    /// The stream on which the archive takes local requests. Default: 10.
    #[must_use]
    pub fn archive_control_stream_id(mut self, stream_id: i32) -> Self {
        self.settings.archive_control_stream_id = stream_id;
        self
    }

    /// The channel on which the archive answers, an `aeron:ipc` one. Default: as the control channel.
    #[must_use]
    pub fn archive_response_channel(mut self, channel: impl Into<String>) -> Self {
        self.settings.archive_response_channel = Some(channel.into());
        self
    }

    /// The stream on which the archive answers. Must differ between all clients that share its driver. Default:
    /// 121 + 100 × cluster id + service id.
    #[must_use]
    pub fn archive_response_stream_id(mut self, stream_id: i32) -> Self {
        self.settings.archive_response_stream_id = Some(stream_id);
        self
    }

    /// How long connecting to the archive, and each of its answers, may take. Default: 5 s.
    ///
    /// If it takes longer, a snapshot fails; a start fails too, and ends the consensus module.
    #[must_use]
    pub fn archive_message_timeout(mut self, timeout: Duration) -> Self {
        self.settings.archive_message_timeout = timeout;
        self
    }

    /// Supplies the credentials for the archive. Called on the container's thread. Default: empty credentials.
    #[must_use]
    pub fn archive_credentials_supplier(mut self, supplier: impl CredentialsSupplier + Send + 'static) -> Self {
        self.settings.archive_credentials_supplier = Some(Arc::new(Mutex::new(supplier)));
        self
    }
}

impl Settings {
    /// The settings of a connection to the archive. As in Java's container some are fixed: the Aeron client, its name, and aliases that
    /// tell the services of a node apart.
    pub(super) fn archive_context(&self, aeron: &Aeron) -> Result<archive::Context> {
        let context = archive::Context::new(aeron)
            .control_request_channel(self.with_alias(&self.archive_control_channel, "req")?)
            .control_request_stream_id(self.archive_control_stream_id)
            .control_response_channel(self.with_alias(self.archive_responses(), "resp")?)
            .control_response_stream_id(self.archive_response_stream())
            .message_timeout(self.archive_message_timeout)
            .client_name(&self.service_name);
        Ok(match &self.archive_credentials_supplier {
            Some(supplier) => context.shared_credentials_supplier(supplier.clone()),
            None => context,
        })
    }

    /// The channel on which the archive answers.
    pub(super) fn archive_responses(&self) -> &str {
        self.archive_response_channel.as_deref().unwrap_or(&self.archive_control_channel)
    }

    /// The stream on which the archive answers this service.
    pub(super) fn archive_response_stream(&self) -> i32 {
        self.archive_response_stream_id
            .unwrap_or_else(|| self.cluster_id.wrapping_mul(100).wrapping_add(121 + self.service_id))
    }

    /// The channel with an alias that names this service and `end` ("req" or "resp"), unless it already has an alias.
    fn with_alias(&self, channel: &str, end: &str) -> Result<String> {
        let mut uri = ChannelUri::parse(channel)?;
        if uri.get("alias").is_none() {
            let (service_id, cluster_id) = (self.service_id, self.cluster_id);
            uri.put("alias", format!("sc-{service_id}-archive-ctrl-{end}-cluster-{cluster_id}"));
        }
        Ok(uri.to_string())
    }
}

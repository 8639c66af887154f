//! A client for these tests: tells the service what to do and takes its answers.

use std::ops::ControlFlow;

use aeron_cluster::client::{AeronCluster, Context, on_message};
use aeron_cluster::testing::{PATIENCE, TestCluster, wait_until};

pub struct Client(AeronCluster);

impl Client {
    pub fn connect(cluster: &TestCluster) -> Client {
        let context = Context::new()
            .aeron_dir(cluster.aeron_dir(0))
            .ingress_channel("aeron:udp")
            .ingress_endpoints(cluster.ingress_endpoints())
            .egress_channel(cluster.egress_channel());
        Client(AeronCluster::connect(context).unwrap())
    }

    pub fn session_id(&self) -> i64 {
        self.0.cluster_session_id()
    }

    pub fn send(&mut self, message: impl AsRef<[u8]>) {
        wait_until("ingress", PATIENCE, || {
            self.0.poll_egress(&mut on_message(|_, _, _, _| {}))?;
            Ok(match self.0.offer(message.as_ref()) {
                Ok(_) => ControlFlow::Break(()),
                Err(reason) => ControlFlow::Continue(reason),
            })
        })
        .unwrap();
    }

    /// Sends a message and takes the answer.
    pub fn ask(&mut self, message: impl AsRef<[u8]>) -> Vec<u8> {
        self.send(message);
        self.answer()
    }

    pub fn answer(&mut self) -> Vec<u8> {
        let mut answer = None;
        wait_until("an answer", PATIENCE, || {
            let polled = self.0.poll_egress(&mut on_message(|_, _, message, _| answer = Some(message.to_vec())))?;
            Ok(answer.take().map_or(ControlFlow::Continue(polled > 0), ControlFlow::Break))
        })
        .unwrap()
    }

    /// Waits until the cluster has ended the session.
    pub fn wait_until_closed(&mut self) {
        wait_until("the end of the session", PATIENCE, || {
            self.0.poll_egress(&mut on_message(|_, _, _, _| {}))?;
            Ok(if self.0.is_closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
        .unwrap();
    }

    pub fn close(mut self) {
        self.0.close();
    }
}

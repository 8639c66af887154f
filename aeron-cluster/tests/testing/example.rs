use aeron_cluster::aeron::Header;
use aeron_cluster::client::{AeronCluster, on_message};
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, ServiceError, SnapshotImage, SnapshotPublication,
};
use aeron_cluster::testing::TestCluster;

/// The service under test counts messages, and answers each with the count.
#[derive(Default)]
pub struct Counter(u64);

impl ClusteredService for Counter {
    fn on_start(&mut self, cluster: &Cluster, snapshot: Option<&mut SnapshotImage>) -> Result<(), ServiceError> {
        if let Some(snapshot) = snapshot {
            let count = snapshot.read_message(cluster)?.ok_or("the snapshot is empty")?;
            self.0 = u64::from_le_bytes(count.as_slice().try_into()?);
        }
        Ok(())
    }

    fn on_session_message(
        &mut self,
        cluster: &Cluster,
        session: Option<&ClientSession>,
        _timestamp: i64,
        _message: &[u8],
        _header: &Header<'_>,
    ) {
        self.0 += 1;
        while let Some(Err(refused)) = session.map(|session| session.offer(&self.0.to_le_bytes())) {
            if !refused.is_retryable() || cluster.idle(0).is_err() {
                break;
            }
        }
    }

    fn on_take_snapshot(&mut self, cluster: &Cluster, snapshot: &mut SnapshotPublication) -> Result<(), ServiceError> {
        snapshot.write_message(cluster, &self.0.to_le_bytes())
    }
}

/// Sends one message, and waits for its answer.
pub fn count(client: &mut AeronCluster) -> aeron_cluster::Result<u64> {
    while client.offer(b"count").is_err() {
        client.poll_egress(&mut on_message(|_, _, _, _| {}))?;
    }
    let mut answer = None;
    while answer.is_none() {
        client.poll_egress(&mut on_message(|_, _, message, _| answer = message.first_chunk().copied()))?;
    }
    Ok(answer.map_or(0, u64::from_le_bytes))
}

#[test]
fn counting_goes_on_when_the_leader_is_killed() -> aeron_cluster::Result<()> {
    let mut cluster = TestCluster::builder().members(3).service(|_| Counter::default()).start()?;
    let mut client = AeronCluster::connect(cluster.remote_client_context()?)?;
    assert_eq!(count(&mut client)?, 1);

    let leader = cluster.wait_for_leader()?;
    cluster.kill_member(leader);
    // What is sent before the client has heard of the new leader may be lost.
    while client.leader_member_id() == leader as i32 {
        client.poll_egress(&mut on_message(|_, _, _, _| {}))?;
    }
    assert_eq!(count(&mut client)?, 2);

    cluster.start_member(leader)?;
    cluster.wait_until_applied()?;
    cluster.snapshot()?;
    cluster.abort()?;
    cluster.start()?;
    let mut client = AeronCluster::connect(cluster.remote_client_context()?)?;
    assert_eq!(count(&mut client)?, 3);
    Ok(())
}

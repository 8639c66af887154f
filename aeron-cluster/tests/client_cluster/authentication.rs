//! Credentials and challenges, with an authenticator of our own in the consensus module.

use aeron_cluster::ErrorKind;
use aeron_cluster::client::{AeronCluster, Context, CredentialsSupplier, Reason, Reconnect};
use aeron_cluster::testing::TestCluster;

use crate::echo::{CLOSE_ME, Echo, WHO_AM_I};
use crate::inbox::{Inbox, poll_until};
use crate::support::java_programs;

/// Shows these, and answers a challenge with it and these.
struct Credentials(&'static str, &'static str);

impl CredentialsSupplier for Credentials {
    fn encoded_credentials(&mut self) -> Vec<u8> {
        self.0.as_bytes().to_vec()
    }

    fn on_challenge(&mut self, encoded_challenge: &[u8]) -> Vec<u8> {
        [encoded_challenge, self.1.as_bytes()].concat()
    }
}

/// Opens a session, and asks the service who it belongs to.
fn principal(context: Context) -> String {
    let mut client = AeronCluster::connect(context).unwrap();
    let mut inbox = Inbox::default();
    poll_until("room to ask", &mut client, &mut inbox, |client, _| client.offer(WHO_AM_I).ok());
    let answer = poll_until("the answer", &mut client, &mut inbox, |_, inbox| inbox.messages.pop());
    String::from_utf8(answer).unwrap()
}

#[test]
fn who_may_have_a_session_is_the_authenticators_to_say() {
    let cluster = TestCluster::builder()
        .java(java_programs())
        .property("aeron.cluster.authenticator.supplier", "ClientAuthenticator")
        .service(|_| Echo)
        .start()
        .unwrap();
    let context = || cluster.client_context(0);
    assert_eq!(principal(context()), "");
    assert_eq!(principal(context().credentials_supplier(Credentials("user:password", ""))), "user");
    assert_eq!(principal(context().credentials_supplier(Credentials("riddle", "-answered"))), "riddler");
    for credentials in [Credentials("user:wrong", ""), Credentials("riddle", "-unanswered")] {
        let error = AeronCluster::connect(context().credentials_supplier(credentials)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
        assert!(!error.message().is_empty());
    }

    // A session that the service closes stays closed, also for a client that reconnects.
    let mut client = AeronCluster::connect(context().reconnect(Reconnect::new())).unwrap();
    let mut inbox = Inbox::default();
    poll_until("room to ask", &mut client, &mut inbox, |client, _| client.offer(CLOSE_ME).ok());
    poll_until("the end", &mut client, &mut inbox, |client, _| client.is_closed().then_some(()));
    assert_eq!(client.close_reason(), Some(&Reason::ClosedByCluster("SERVICE_ACTION".to_owned())));
}

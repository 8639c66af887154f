//! Credentials, which authenticate a client to a cluster or an archive. Mirrors `io.aeron.security`.

/// Supplies the credentials for the authenticator of a cluster or an archive. Mirrors `io.aeron.security.CredentialsSupplier`.
///
/// It is called on the thread that connects.
pub trait CredentialsSupplier {
    /// The credentials of the connect request.
    fn encoded_credentials(&mut self) -> Vec<u8>;

    /// The credentials that answer a challenge.
    fn on_challenge(&mut self, encoded_challenge: &[u8]) -> Vec<u8>;
}

/// Supplies empty credentials. Mirrors `io.aeron.security.NullCredentialsSupplier`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NullCredentialsSupplier;

impl CredentialsSupplier for NullCredentialsSupplier {
    fn encoded_credentials(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn on_challenge(&mut self, _encoded_challenge: &[u8]) -> Vec<u8> {
        Vec::new()
    }
}

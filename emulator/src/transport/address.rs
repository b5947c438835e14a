//! HOST:PORT to socket addresses. A card holds keys and answers anyone who asks, so every address
//! must be loopback unless the caller says otherwise.

use core::net::SocketAddr;
use std::io;
use std::net::ToSocketAddrs;

use super::TransportError;

/// Which addresses a transport may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Peers {
    /// This machine only (127.0.0.0/8, ::1).
    #[default]
    Loopback,
    /// Any address. The protocol has neither authentication nor encryption.
    Any,
}

impl Peers {
    /// The addresses behind `address`, at least one, each of them allowed.
    pub(super) fn resolve(self, address: &str) -> Result<Vec<SocketAddr>, TransportError> {
        let unresolved = |source| TransportError::Address { address: address.to_owned(), source };
        let resolved: Vec<_> = address.to_socket_addrs().map_err(unresolved)?.collect();
        if resolved.is_empty() {
            return Err(unresolved(io::ErrorKind::NotFound.into()));
        }
        match resolved.iter().find(|peer| !self.allow(peer)) {
            Some(refused) => {
                Err(TransportError::NotLoopback { address: address.to_owned(), resolved: *refused })
            }
            None => Ok(resolved),
        }
    }

    fn allow(self, peer: &SocketAddr) -> bool {
        self == Self::Any || peer.ip().to_canonical().is_loopback()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_unless_any() {
        for address in ["127.0.0.1:1", "127.255.255.254:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(Peers::Loopback.resolve(address).is_ok(), "{address}");
        }
        for address in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[::ffff:192.0.2.1]:1"] {
            assert!(
                matches!(Peers::Loopback.resolve(address), Err(TransportError::NotLoopback { .. })),
                "{address}"
            );
            assert!(Peers::Any.resolve(address).is_ok(), "{address}");
        }
    }

    #[test]
    fn an_address_needs_host_and_port() {
        for address in ["", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", ":1:2"] {
            assert!(
                matches!(Peers::Loopback.resolve(address), Err(TransportError::Address { .. })),
                "{address}"
            );
        }
    }
}

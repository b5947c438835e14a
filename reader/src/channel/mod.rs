//! Roads to a card outside this process.
//!
//! [`TcpChannel`] reaches a virtual card that listens on a TCP port, `PcscChannel` (feature
//! `pcsc`) a card in a PC/SC reader. A virtual card in process is a
//! [`CardChannel`](xuejika_apdu::CardChannel) itself.
//!
//! `trace` (feature `trace`) writes down what goes over any of them.
//!
//! And the roads by which root keys come in (features `keys` and `hsm`, Unix only): `key_file` and
//! `token` give a [`KeyProvider`](xuejika_keyscheme::provider::KeyProvider).

mod deadline;
#[cfg(all(unix, feature = "keys"))]
pub mod key_block;
#[cfg(all(unix, feature = "keys"))]
pub mod key_file;
#[cfg(all(unix, feature = "keys"))]
pub mod label;
#[cfg(feature = "pcsc")]
mod pcsc;
#[cfg(all(unix, feature = "keys"))]
pub mod secret;
mod tcp;
#[cfg(all(unix, feature = "hsm"))]
pub mod token;
#[cfg(feature = "trace")]
pub mod trace;

#[cfg(feature = "pcsc")]
pub use pcsc::{PcscChannel, readers};
pub use tcp::TcpChannel;

//! Roads to a card outside this process.
//!
//! [`TcpChannel`] reaches a virtual card that listens on a TCP port, `PcscChannel` (feature
//! `pcsc`) a card in a PC/SC reader. A virtual card in process is a
//! [`CardChannel`](xuejika_apdu::CardChannel) itself.

#[cfg(feature = "pcsc")]
mod pcsc;
mod tcp;

#[cfg(feature = "pcsc")]
pub use pcsc::{PcscChannel, readers};
pub use tcp::TcpChannel;

//! The reader's end of secure messaging in the middle of an exchange. A transcript may show a response
//! alone, and a conformance case makes its commands by hand.

use xuejika_apdu::sm::{Profile, ReaderSm, SmError};
use xuejika_apdu::{Class, Command};

/// An end that waits for the response whose counter is one above `ssc`.
///
/// # Errors
/// Never in practice: any plain command can be carried.
pub(crate) fn waiting<C: Profile>(enc: C, mac: C::Mac, ssc: u128) -> Result<ReaderSm<C>, SmError> {
    let mut reader = ReaderSm::with_keys(enc, mac, ssc.wrapping_sub(1));
    reader.wrap_command(&Command::new(Class::ISO, 0, 0, 0), &mut Vec::new())?;
    Ok(reader)
}

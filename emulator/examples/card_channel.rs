//! A test that drives a card through `CardChannel`: the same function works on a virtual card in
//! process, on a TCP peer and on a real reader.

use xuejika_apdu::fci::Fci;
use xuejika_apdu::{CardChannel, ChannelError, Class, Command, Response};
use xuejika_emulator::{Env, VirtualCard, test_card};

/// Selects the education zone and returns the card's serial.
fn serial(card: &mut dyn CardChannel) -> Result<Option<[u8; 8]>, ChannelError> {
    let select =
        Command::new(Class::ISO, 0xA4, 0x04, 0x00).with_data(b"\xF0BJEDU\x01").with_ne(256);
    let mut response = Vec::new();
    card.transmit(&select.to_vec().map_err(|e| ChannelError::io(&e))?, &mut response)?;
    let fci = Response::parse(&response).and_then(|response| Fci::parse(response.data).ok());
    Ok(fci.and_then(|fci| fci.security).map(|security| security.serial))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut card = VirtualCard::new(test_card::student("1100070100000017")?, Env::from_seed(1))?;
    println!("ATR {:02X?}", card.power_on()?);
    println!("serial {:02X?}", serial(&mut card)?);
    Ok(())
}

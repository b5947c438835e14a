//! Plain commands over a channel: one command, one response, GET RESPONSE where the card splits.

use alloc::vec::Vec;

use xuejika_apdu::chain::Joiner;
use xuejika_apdu::fci::Fci;
use xuejika_apdu::{CardChannel, ChannelError, Class, Command, Response, StatusWord};

use crate::error::Error;

/// GET RESPONSE, asking for all.
const GET_RESPONSE: Command<'static> = Command::new(Class::ISO, 0xC0, 0, 0).with_ne(256);

/// Sends the bytes of a command and leaves the whole response data in `data`. A card that dribbles its
/// answer is given up.
pub(crate) fn exchange<C: CardChannel + ?Sized>(
    channel: &mut C,
    command: &[u8],
    data: &mut Vec<u8>,
) -> Result<StatusWord, Error> {
    let mut status = transmit(channel, command, data)?;
    let more = GET_RESPONSE.to_vec().map_err(|error| ChannelError::io(&error))?;
    let (mut joiner, mut piece) = (Joiner::new(), Vec::new());
    while status.bytes().starts_with(&[0x61]) {
        status = transmit(channel, &more, &mut piece)?;
        joiner.add(data, &piece).map_err(|_| Error::Malformed("GET RESPONSE"))?;
    }
    Ok(status)
}

fn transmit<C: CardChannel + ?Sized>(
    channel: &mut C,
    command: &[u8],
    data: &mut Vec<u8>,
) -> Result<StatusWord, Error> {
    channel.transmit(command, data)?;
    let status = Response::parse(data).ok_or(ChannelError::Removed)?.status;
    data.truncate(data.len() - status.bytes().len());
    Ok(status)
}

/// Sends a plain command that has to succeed and returns its response data.
pub(crate) fn command<C: CardChannel + ?Sized>(
    channel: &mut C,
    name: &'static str,
    command: &Command<'_>,
) -> Result<Vec<u8>, Error> {
    let bytes = command.to_vec().map_err(|error| ChannelError::io(&error))?;
    let mut data = Vec::new();
    match exchange(channel, &bytes, &mut data)? {
        StatusWord::SUCCESS => Ok(data),
        status => Err(Error::Status { command: name, status }),
    }
}

/// Selects an application by its name.
pub(crate) fn select<C: CardChannel + ?Sized>(
    channel: &mut C,
    title: &'static str,
    name: &[u8],
) -> Result<Fci, Error> {
    let select = Command::new(Class::ISO, 0xA4, 0x04, 0x00).with_data(name).with_ne(256);
    match command(channel, "SELECT", &select) {
        Ok(fci) => Ok(Fci::parse(&fci)?),
        Err(Error::Status { status: StatusWord::FILE_NOT_FOUND, .. }) => {
            Err(Error::NoApplication(title))
        }
        Err(error) => Err(error),
    }
}

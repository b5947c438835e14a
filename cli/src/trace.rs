//! Commands as sent and responses as received, with the status word in plain words.

use serde::Serialize;
use xuejika_apdu::status::{Language, Outcome};
use xuejika_apdu::{CardChannel, ChannelError, Response, StatusWord};
use xuejika_card_model::nvm::{Nvm, NvmError};
use xuejika_emulator::VirtualCard;
use xuejika_reader::channel::trace::{Event, Tap, secret};

use crate::hex;
use crate::shown::{Lines, Show};

/// A command and its response.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Exchange {
    /// The bytes sent.
    pub(crate) command: String,
    /// The response data.
    pub(crate) response: String,
    /// The status word; empty when the card gave none.
    pub(crate) status: String,
    /// The status word in plain words, or why there is none.
    pub(crate) text: String,
    #[serde(skip)]
    pub(crate) word: StatusWord,
}

impl Exchange {
    /// Takes the bytes of both; a response without status bytes is no response.
    pub(crate) fn new(
        command: &[u8],
        response: &[u8],
        language: Language,
    ) -> Result<Self, ChannelError> {
        let Response { data, status } = Response::parse(response)
            .ok_or_else(|| ChannelError::Malformed("less than a status word".to_owned()))?;
        Ok(Self {
            command: hex::emit(command),
            response: hex::emit(data),
            status: status.to_string(),
            text: status.text(language).into_owned(),
            word: status,
        })
    }

    /// A command that got no answer.
    fn unanswered(command: &[u8], error: &ChannelError) -> Self {
        let (response, status) = (String::new(), String::new());
        let (command, text) = (hex::emit(command), error.to_string());
        Self { command, response, status, text, word: StatusWord(0) }
    }

    /// With PINs and keys made unreadable.
    fn masked(self, command: &[u8]) -> Self {
        Self { command: masked(command), ..self }
    }

    /// Whether the card did what it was told: 9000 or 61xx.
    pub(crate) fn succeeded(&self) -> bool {
        self.word.outcome() == Outcome::Normal
    }
}

impl Show for Exchange {
    fn show(&self, to: &mut Lines) {
        to.line(format_args!("> {}", self.command));
        if self.status.is_empty() {
            return to.line(format_args!("! {}", self.text));
        }
        let gap = if self.response.is_empty() { "" } else { " " };
        to.line(format_args!("< {}{gap}{} : {}", self.response, self.status, self.text));
    }
}

/// A command in hexadecimal, with stars for its secret bytes.
pub(crate) fn masked(command: &[u8]) -> String {
    let mut text = hex::emit(command);
    if let Some(range) = secret(command) {
        text.replace_range(2 * range.start..2 * range.end, &"**".repeat(range.len()));
    }
    text
}

/// A channel that remembers what went over it.
#[derive(Debug)]
pub(crate) struct Traced<C> {
    channel: C,
    tap: Tap,
    language: Language,
    exchanges: Vec<Exchange>,
    last_command: Vec<u8>,
}

impl<C> Traced<C> {
    /// Listens to `channel`, and writes down at `tap` what nobody else writes down.
    pub(crate) const fn new(channel: C, tap: Tap, language: Language) -> Self {
        Self { channel, tap, language, exchanges: Vec::new(), last_command: Vec::new() }
    }

    /// What went over the channel since the last call.
    pub(crate) fn take(&mut self) -> Vec<Exchange> {
        core::mem::take(&mut self.exchanges)
    }

    /// The bytes of the last command.
    pub(crate) fn last_command(&self) -> &[u8] {
        &self.last_command
    }

    /// The channel itself.
    pub(crate) const fn channel(&mut self) -> &mut C {
        &mut self.channel
    }
}

impl<C: CardChannel> CardChannel for Traced<C> {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        command.clone_into(&mut self.last_command);
        self.tap.command(command);
        let answered = self.channel.transmit(command, response);
        self.tap.answer(&answered, response, None);
        let exchange = answered.and_then(|()| Exchange::new(command, response, self.language));
        let (exchange, result) = match exchange {
            Ok(exchange) => (exchange, Ok(())),
            Err(error) => (Exchange::unanswered(command, &error), Err(error)),
        };
        self.exchanges.push(exchange.masked(command));
        result
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.tap.event(Event::Reset);
        let atr = self.channel.reset();
        self.tap.atr(&atr);
        atr
    }
}

impl<N: Nvm> Traced<VirtualCard<N>> {
    /// Takes power from the card, if it has any, and gives it power.
    pub(crate) fn power_on(&mut self) -> Result<(), NvmError> {
        self.channel.power_off();
        self.tap.event(Event::Power);
        let atr = self.channel.power_on().map(<[u8]>::to_vec);
        self.tap.atr(&atr.clone().map_err(|error| ChannelError::io(&error)));
        atr.map(drop)
    }
}

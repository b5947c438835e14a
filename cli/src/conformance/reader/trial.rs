//! Misbehaviours and what came of them, as the reports show them.

use serde::Serialize;
use xuejika_card_model::file::tree::{WALLET_ALIAS, WALLET_FID, WALLET_NAME};
use xuejika_emulator::misbehave::{Misbehaviour, Occasion, Step, Who};
use xuejika_vectors::conformance::report::{Exchange, ExchangeKind, Lost};

use crate::hex;
use crate::shown::{Lines, Show};

/// DF as the reports write it.
const MASTER: &str = "3F00";
const WALLET: &str = "1001";

/// A misbehaviour of the list.
#[derive(Serialize)]
pub(super) struct Listed {
    id: &'static str,
    title: &'static str,
    title_zh: &'static str,
    card: &'static str,
    occasion: &'static str,
    duty: &'static str,
}

impl Listed {
    pub(super) const fn new(what: &Misbehaviour) -> Self {
        let card = match what.card {
            Who::Student => "student",
            Who::Management => "management",
        };
        Self {
            id: what.id,
            title: what.title,
            title_zh: what.title_zh,
            card,
            occasion: occasion(what.occasion),
            duty: what.duty.text(),
        }
    }
}

impl Show for Listed {
    fn show(&self, to: &mut Lines) {
        to.line(format_args!("{:18} {} ({})", self.id, self.title, self.title_zh));
        to.line(format_args!("    {}", self.duty));
    }
}

/// An occasion in words.
pub(super) const fn occasion(occasion: Occasion) -> &'static str {
    match occasion {
        Occasion::Select => "SELECT",
        Occasion::Issuance => "reading the issuance record",
        Occasion::Challenge => "GET CHALLENGE",
        Occasion::Proof => "MUTUAL AUTHENTICATE",
        Occasion::Protected => "a protected command",
        Occasion::Change => "a protected command that changes the card",
        Occasion::InitialisePurchase => "INITIALIZE FOR PURCHASE",
        Occasion::Debit => "DEBIT FOR PURCHASE",
        Occasion::InitialiseLoad => "INITIALIZE FOR LOAD",
        Occasion::Credit => "CREDIT FOR LOAD",
    }
}

/// What went over the wire, for a report.
pub(super) fn exchanges(steps: &[Step]) -> Vec<Exchange> {
    let mut df = MASTER;
    let exchange = |step: &Step| {
        let before = df;
        df = df_after(df, step);
        let response = step.response.as_deref();
        let lost = Lost { removed: true, text: "the card was removed".to_owned() };
        Exchange {
            note: if step.struck { "the card misbehaves".to_owned() } else { String::new() },
            df: before.to_owned(),
            kind: if step.command.is_empty() {
                ExchangeKind::Power
            } else {
                ExchangeKind::Transmit
            },
            command: hex::emit(&step.command),
            response: response.map(hex::emit).unwrap_or_default(),
            error: response.is_none().then_some(lost),
            plain: None,
            reason: None,
        }
    };
    steps.iter().map(exchange).collect()
}

/// The DF that is current after a step.
fn df_after(df: &'static str, step: &Step) -> &'static str {
    let selected = step.response.as_ref().is_some_and(|it| it.ends_with(&[0x90, 0x00]));
    match step.command.as_slice() {
        [] => MASTER,
        [_, 0xA4, _, _, length, data @ ..] if selected => {
            let data = data.get(..usize::from(*length)).unwrap_or_default();
            let wallet = WALLET_FID.to_be_bytes();
            match data {
                [0x3F, 0x00] => MASTER,
                name if [&wallet[..], &WALLET_NAME, &WALLET_ALIAS].contains(&name) => WALLET,
                _ => "",
            }
        }
        _ => df,
    }
}

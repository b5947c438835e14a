//! Prints `docs/life-cycle.md` from the table the card works by.
//!
//! `cargo run -p xuejika-card-model --example life_cycle > docs/life-cycle.md`

use std::fmt::Write;

use xuejika_card_model::event::Condition;
use xuejika_card_model::lifecycle::{Dated, Rule, STATES, TABLE, Transition};
use xuejika_card_model::state::LifeCycleState;

const HEAD: &str = "\
# The life of a card

Written by a program from the one table the card works by (`card-model/src/lifecycle.rs`); a test
compares this file with it. After a change of the table:

`cargo run -p xuejika-card-model --example life_cycle > docs/life-cycle.md`

The bytes are in [card-profile.md](card-profile.md), section 12, the decisions behind them in
[ADR 0011](adr/0011-events-and-sectors.md). Loss and its withdrawal (挂失, 解挂) are kept in lists, not
on the card.
";

/// The whole document.
pub(crate) fn document() -> String {
    let mut text = String::from(HEAD);
    states(&mut text);
    transitions(&mut text);
    events(&mut text);
    text
}

fn states(text: &mut String) {
    text.push_str("\n## States\n\n| code | short | state | 中文 |\n|---|---|---|---|\n");
    for state in STATES {
        let (code, name, chinese) = (state.code_text(), state.english(), state.chinese());
        line(text, &[code, short(state), name, chinese]);
    }
}

fn transitions(text: &mut String) {
    text.push_str(
        "\n## What each event does in each state\n\n✗ is refused and writes nothing, = keeps the \
         state, a name is the new state, *back* is the state before the mark.\n\n",
    );
    let head: Vec<_> = ["event", "中文"].into_iter().chain(STATES.map(short)).collect();
    line(text, &head);
    line(text, &vec!["---"; head.len()]);
    for rule in &TABLE {
        let cells = rule.transitions.iter().map(|transition| match *transition {
            Transition::Refused => "✗",
            Transition::Stay => "=",
            Transition::To(state) => short(state),
            Transition::Previous => "*back*",
        });
        line(text, &[rule.name, rule.chinese].into_iter().chain(cells).collect::<Vec<_>>());
    }
}

fn events(text: &mut String) {
    text.push_str(
        "\n## Under which key, by which article, on which condition\n\nAn event comes in a session \
         under its key and from a unit that may send it (card-profile.md, 12.3 and 12.8), dated \
         within the life of the card: from its initialisation on, and up to the end of its validity \
         where the event puts the card to use or keeps it there. All it writes, status and log \
         included, changes together.\n\n",
    );
    let head = [
        "code",
        "event",
        "key",
        "article",
        "dated",
        "records besides status and log",
        "refused with",
    ];
    line(text, &head);
    line(text, &["---"; 7]);
    for rule in &TABLE {
        let code = format!("{:02X}", rule.event.code());
        let key = rule.key.to_string();
        let (records, conditions) = (records(rule), conditions(rule));
        let dated = match rule.event.dated() {
            Dated::Any => "any day",
            Dated::SinceInitialisation => "from initialisation",
            Dated::WhileValid => "from initialisation to valid_until",
        };
        line(text, &[&code, rule.name, &key, rule.article, dated, &records, &conditions]);
    }
}

fn records(rule: &Rule) -> String {
    let names = rule.event.records().iter().map(|record| record.english().to_owned());
    or_none(names.collect::<Vec<_>>().join(", "))
}

fn conditions(rule: &Rule) -> String {
    let texts = Condition::of(rule.event).iter().map(ToString::to_string);
    or_none(texts.collect::<Vec<_>>().join("; "))
}

fn or_none(text: String) -> String {
    if text.is_empty() { "-".into() } else { text }
}

fn line(text: &mut String, cells: &[&str]) {
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

const fn short(state: LifeCycleState) -> &'static str {
    use LifeCycleState as S;
    match state {
        S::Blank => "BLANK",
        S::Initialised => "INIT",
        S::Personalising => "PZG",
        S::Active => "ACT",
        S::TransferredOut => "OUT",
        S::TransferredIn => "IN",
        S::Frozen => "FRZ",
        S::Cancelled => "CAN",
        S::Recalled => "RCL",
        S::Fault => "FLT",
    }
}

#[allow(dead_code, reason = "the test that compares includes this file")]
fn main() {
    print!("{}", document());
}

//! A card in a file and two processes: the second is refused, and a killed one has told no lie.
//!
//! The tests take turns: a process that is being started holds the locks of its parent for a moment.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use support::power_up;
use support::stored::{open, stored_card, toggle};
use xuejika_emulator::FileNvm;

static TURN: Mutex<()> = Mutex::new(());

/// Environment variable that makes this program the second process.
const CARD: &str = "XUEJIKA_TEST_CARD";

/// What the other tests start; by itself it does nothing. Changes the card for ever and tells each
/// counter it was answered.
#[test]
fn second_process() {
    let Some(path) = std::env::var_os(CARD) else { return };
    match FileNvm::open(Path::new(&path)) {
        Err(error) => println!("\n{error}"),
        Ok(nvm) => {
            let mut card = power_up(nvm);
            loop {
                println!("\ncounter {}", toggle(&mut card).unwrap());
            }
        }
    }
}

fn start(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "second_process", "--nocapture"])
        .env(CARD, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_card_open_in_another_process_is_refused() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (_directory, path) = stored_card();
    let card = open(&path);
    let mut child = start(&path);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let refused = |line: &String| line.contains("another process has it open");
    let said = lines.find(|line| refused(line) || line.starts_with("counter ")).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(refused(&said), "{said}");
    drop(card);
}

#[test]
fn a_killed_process_leaves_the_last_answer_or_the_change_after_it() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (_directory, path) = stored_card();
    for round in 1..=12 {
        let mut child = start(&path);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let told = |line: &str| line.strip_prefix("counter ").map(|text| text.parse().unwrap());
        let mut answered: u16 = 0;
        let mut answers = 0;
        for line in lines {
            if let Some(counter) = told(&line.unwrap()) {
                answered = counter;
                answers += 1;
                if answers == round {
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        assert!(answers >= round);
        let card = open(&path);
        let counter = card.model().status().unwrap().current.counter;
        assert!(counter.wrapping_sub(answered) <= 1, "answered {answered}, stored {counter}");
    }
}

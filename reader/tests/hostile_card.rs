//! Everything a card, or somebody between card and reader, can answer wrongly. The reader must
//! refuse, and must not take a lie for data.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use support::{Between, UNIT, pupil, reader, stamp, student, today};
use xuejika_apdu::StatusWord;
use xuejika_apdu::chain::MAX_PIECES;
use xuejika_apdu::sm::SmError;
use xuejika_emulator::VirtualCard;
use xuejika_reader::sam::SamError;
use xuejika_reader::{CardContents, Error};

/// Reads a personalised card through a channel that lies.
fn read(
    meddle: impl FnMut(usize, &mut VirtualCard, &[u8], &mut Vec<u8>),
) -> Result<CardContents, Error> {
    let mut card = student();
    let mut reader = reader(UNIT);
    reader.connect(&mut card, today()).unwrap().personalise(&pupil(), stamp(), true).unwrap();
    let channel = Between { card: &mut card, meddle, count: 0 };
    reader.connect(channel, today())?.read()
}

/// The protected commands of a reading start with this exchange.
const FIRST_PROTECTED: usize = 5;

#[test]
fn an_honest_channel_works() {
    let mut commands = Vec::new();
    let contents = read(|_, _, command, _| commands.push(command.to_vec())).unwrap();
    assert_eq!(contents.pupil, Some(pupil()));
    assert_eq!(commands[FIRST_PROTECTED][0], 0x0C);
    assert_ne!(commands[FIRST_PROTECTED - 1][0], 0x0C);
}

#[test]
fn a_bare_success_inside_a_session_is_a_downgrade() {
    let refused = read(|count, _, _, response| {
        if count == FIRST_PROTECTED {
            *response = vec![0x90, 0x00];
        }
    });
    let downgrade = SamError::Sm(SmError::Unprotected(StatusWord::SUCCESS));
    assert_eq!(refused.err(), Some(Error::Sam(downgrade)));
}

#[test]
fn a_changed_status_word_is_noticed() {
    let refused = read(|count, _, _, response| {
        if count == FIRST_PROTECTED {
            let at = response.len() - 2;
            response[at..].copy_from_slice(&[0x6A, 0x82]);
        }
    });
    assert_eq!(refused.err(), Some(Error::Sam(SamError::Sm(SmError::Incorrect))));
}

#[test]
fn a_replayed_answer_is_noticed() {
    let mut first = Vec::new();
    let refused = read(|count, _, _, response| match count {
        FIRST_PROTECTED => first.clone_from(response),
        count if count == FIRST_PROTECTED + 1 => response.clone_from(&first),
        _ => {}
    });
    assert_eq!(refused.err(), Some(Error::Sam(SamError::Sm(SmError::Incorrect))));
}

#[test]
fn a_false_card_token_and_a_reflected_one_are_not_genuine() {
    let not_genuine = Some(Error::Sam(SamError::NotGenuine));
    let false_token = read(|_, _, command, response| {
        if command[1] == 0x82 {
            response[0] ^= 1;
        }
    });
    assert_eq!(false_token.err(), not_genuine);
    let reflected = read(|_, _, command, response| {
        if command[1] == 0x82 {
            response[..16].copy_from_slice(&command[5 + 24..5 + 40]);
        }
    });
    assert_eq!(reflected.err(), not_genuine);
}

/// Every bit of every answer of a reading, flipped in turn: refused, or (in what is free to read and
/// checked nowhere else) without influence on what was read under protection.
#[test]
fn every_flipped_bit_of_every_answer() {
    let mut lengths = Vec::new();
    let honest = read(|_, _, _, response| lengths.push(response.len())).unwrap();
    let mut accepted = 0;
    for (exchange, length) in lengths.iter().enumerate() {
        // Answers repeat in kind: every bit of the first dozen, the ends of the others.
        let bits: Vec<usize> = if exchange < FIRST_PROTECTED + 3 {
            (0..8 * length).collect()
        } else {
            (0..8).chain(8 * length - 16..8 * length).collect()
        };
        for bit in bits {
            let result = read(|count, _, _, response| {
                if count == exchange {
                    response[bit / 8] ^= 1 << (bit % 8);
                }
            });
            if let Ok(contents) = result {
                accepted += 1;
                assert_eq!(contents.pupil, honest.pupil, "exchange {exchange}, bit {bit}");
                assert_eq!(contents.status, honest.status);
                assert!(exchange < FIRST_PROTECTED, "exchange {exchange}, bit {bit} accepted");
            }
        }
    }
    // Versions and numbers of keys that are not used.
    assert!(accepted < 400, "{accepted}");
}

#[test]
fn a_card_pulled_out_is_a_channel_error() {
    for exchange in 0..12 {
        let refused = read(|count, _, _, response| {
            if count == exchange {
                response.clear();
            }
        });
        assert!(matches!(refused, Err(Error::Channel(_))), "exchange {exchange}");
    }
}

/// A card that gives its answer byte by byte, and always has another one, is given up soon: what a
/// reader asks of it is bounded by a number, whatever its clock says.
#[test]
fn a_card_that_dribbles_its_answer_is_cut_off() {
    let mut asked = 0;
    let refused = read(|count, _, _, response| {
        if count >= FIRST_PROTECTED {
            asked += 1;
            *response = vec![0xAA, 0x61, 0x01];
        }
    });
    assert_eq!(refused.err(), Some(Error::Malformed("GET RESPONSE")));
    assert_eq!(asked, 1 + MAX_PIECES + 1);
}

#[test]
fn a_card_that_always_has_more_to_say_is_cut_off() {
    let refused = read(|count, _, _, response| {
        if count >= FIRST_PROTECTED {
            *response = vec![0xAA; 256];
            response.extend([0x61, 0x00]);
        }
    });
    assert_eq!(refused.err(), Some(Error::Malformed("GET RESPONSE")));
}

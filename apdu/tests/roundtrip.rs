//! Commands, responses, status words, data objects and chains: each way and back.

use proptest::prelude::*;
use xuejika_apdu::chain::{
    self, Assembled, Assembler, ChainError, JoinError, Joiner, MAX_ANSWER, MAX_PIECES, Splitter,
};
use xuejika_apdu::command::{Case, EmitError, MAX_NC, MAX_NE, ParseError};
use xuejika_apdu::fci::{Fci, KeyInfo, PurseFci, SecurityInfo};
use xuejika_apdu::status::{Language, Outcome};
use xuejika_apdu::tlv::{Tag, TlvError, TlvReader, Writer};
use xuejika_apdu::{Class, Command, Response, StatusWord};

const HEADER: [u8; 4] = [0x00, 0xB0, 0x84, 0x00];

#[test]
fn the_seven_forms_at_their_edges() {
    let forms: &[(usize, u32, bool, Case, usize)] = &[
        (0, 0, false, Case::One, 4),
        (0, 1, false, Case::Two, 5),
        (0, 256, false, Case::Two, 5),
        (0, 257, true, Case::Two, 7),
        (0, 1, true, Case::Two, 7),
        (0, MAX_NE, true, Case::Two, 7),
        (1, 0, false, Case::Three, 6),
        (255, 0, false, Case::Three, 260),
        (256, 0, true, Case::Three, 263),
        (1, 0, true, Case::Three, 8),
        (MAX_NC, 0, true, Case::Three, 65_542),
        (1, 1, false, Case::Four, 7),
        (255, 256, false, Case::Four, 261),
        (255, 257, true, Case::Four, 264),
        (256, 256, true, Case::Four, 265),
        (MAX_NC, MAX_NE, true, Case::Four, 65_544),
    ];
    for &(nc, ne, extended, case, length) in forms {
        let data = vec![0x5A; nc];
        let mut command = Command::new(Class(0x80), 0xF0, 1, 2).with_data(&data).with_ne(ne);
        if extended {
            command = command.with_extended_lengths();
        }
        let bytes = command.to_vec().unwrap();
        if nc > 255 || ne > 256 {
            // Nobody has to ask for what cannot be otherwise.
            assert_eq!(Command { extended: false, ..command }.to_vec().unwrap(), bytes);
        }
        assert_eq!(bytes.len(), length, "Nc {nc}, Ne {ne}");
        assert_eq!(command.case(), case);
        assert_eq!(Command::parse(&bytes), Ok(command), "Nc {nc}, Ne {ne}");
    }
}

#[test]
fn broken_lengths_are_named() {
    let parse = |body: &[u8]| Command::parse(&[&HEADER, body].concat()).err();
    assert_eq!(Command::parse(&HEADER[..3]), Err(ParseError::TooShort(3)));
    assert_eq!(parse(&[2, 1]), Some(ParseError::Truncated { nc: 2, actual: 1 }));
    assert_eq!(parse(&[1, 1, 2, 3]), Some(ParseError::Trailing(2)));
    assert_eq!(parse(&[0, 1]), Some(ParseError::Truncated { nc: 0, actual: 0 }));
    assert_eq!(parse(&[0, 0, 0, 1]), Some(ParseError::ZeroLc));
    assert_eq!(parse(&[0, 0, 2, 1]), Some(ParseError::Truncated { nc: 2, actual: 1 }));
    assert_eq!(parse(&[0, 0, 1, 9, 0]), Some(ParseError::Trailing(1)));
    assert_eq!(parse(&[0, 0, 1, 9, 0, 0, 0]), Some(ParseError::Trailing(3)));
}

#[test]
fn what_lengths_cannot_say_is_not_written() {
    let mut out = vec![1];
    let long = vec![0; MAX_NC + 1];
    let command = Command::new(Class::ISO, 0xB0, 0, 0);
    assert_eq!(command.with_data(&long).emit(&mut out), Err(EmitError::Data(MAX_NC + 1)));
    assert_eq!(command.with_ne(MAX_NE + 1).emit(&mut out), Err(EmitError::Ne(MAX_NE + 1)));
    assert_eq!(out, [1]);
}

#[test]
fn debug_shows_no_data() {
    let data = [0xAB; 3];
    let command = Command::new(Class::ISO, 0x20, 0, 1).with_data(&data);
    assert_eq!(format!("{command:?}"), "Command(00 20 00 01, Nc 3, Ne 0)");
    let response = Response { data: &data, status: StatusWord::SUCCESS };
    assert_eq!(format!("{response:?}"), "Response(Nr 3, 9000)");
}

#[test]
fn every_status_word_survives_and_speaks_both_languages() {
    for value in 0..=u16::MAX {
        let status = StatusWord(value);
        let bytes = status.bytes();
        assert_eq!(Response::parse(&bytes).unwrap().status, status);
        assert!(!status.text(Language::English).is_empty());
        assert!(status.text(Language::Chinese).chars().all(|c| c != '?'));
    }
    for (value, english, chinese) in [
        (0x63C2, "wrong, 2 tries left", "验证失败，还可尝试 2 次"),
        (0x6100, "256 more bytes available", "还有 256 字节可取"),
        (0x6C10, "wrong Le, 16 is right", "Le 错误，应为 16"),
        (0x9000, "success", "成功"),
        (0x6201, "warning", "警告"),
        (0x66FF, "execution error", "执行错误"),
        (0x6701, "command refused", "命令被拒绝"),
        (0x9301, "application-defined status", "应用自定义状态"),
    ] {
        let text = |language| StatusWord(value).text(language).into_owned();
        assert_eq!(
            (text(Language::English), text(Language::Chinese)),
            (english.into(), chinese.into())
        );
    }
    assert_eq!(StatusWord::more_data(300), StatusWord(0x6100));
    assert_eq!(StatusWord::more_data(255), StatusWord(0x61FF));
    assert_eq!(StatusWord::exact_length(16), StatusWord(0x6C10));
    assert_eq!(StatusWord::tries_left(2), StatusWord(0x63C2));
    assert_eq!(StatusWord::tries_left(99), StatusWord(0x63CF));
    assert_eq!(Response::parse(&[0x90]), None);
    assert_eq!(format!("{:?}", StatusWord(0x6A82)), "6A82 (file or application not found)");
}

#[test]
fn status_words_are_of_one_kind_each() {
    for value in 0..=u16::MAX {
        let expected = match value >> 8 {
            0x61 => Outcome::Normal,
            0x62 | 0x63 => Outcome::Warning,
            0x64..=0x66 => Outcome::ExecutionError,
            0x67..=0x6F => Outcome::CheckingError,
            _ if value == 0x9000 => Outcome::Normal,
            _ => Outcome::Proprietary,
        };
        assert_eq!(StatusWord(value).outcome(), expected, "{value:04X}");
        assert_eq!(StatusWord(value).is_success(), value == 0x9000);
    }
}

#[test]
fn tags_of_one_two_and_three_bytes() {
    for number in
        [0x6F, 0x84, 0xA5, 0x9F0C, 0x9F38, 0x9F1D, 0xBF0C, 0xDF01, 0x7F21, 0x7F4E, 0xDF8101]
    {
        let tag = Tag::new(number).unwrap_or_else(|| panic!("{number:X}"));
        let mut out = Vec::new();
        Writer::new(&mut out).object(tag, &[1, 2]);
        let object = TlvReader::new(&out).read().unwrap().unwrap();
        assert_eq!((object.tag, object.value), (tag, &[1, 2][..]));
    }
    for number in
        [0x00, 0xFF, 0x1F, 0x9F, 0x9F00, 0x9F80, 0x9F81, 0x9F8001, 0x9F8181, 0x6F01, 0x0100_0000]
    {
        assert_eq!(Tag::new(number), None, "{number:X}");
    }
    assert!(Tag::of(0x7F21).is_constructed() && Tag::of(0xA5).is_constructed());
    assert!(!Tag::of(0x9F0C).is_constructed() && !Tag::of(0x84).is_constructed());
    assert!(Tag::of(0xBF8101).is_constructed() && !Tag::of(0xDF8120).is_constructed());
    assert!(!Tag::of(0x9F21).is_constructed());
    assert_eq!(Tag::of(0x9F0C).to_string(), "9F0C");
    assert_eq!(format!("{:?}", Tag::of(0x9F0C)), "Tag(9F0C)");
    let error = |bytes: &[u8]| TlvReader::new(bytes).read().unwrap_err();
    for cut_off in [&[0x9F][..], &[0x9F, 0x81]] {
        assert_eq!(error(cut_off), TlvError::Truncated);
    }
    for too_long in [&[0x9F, 0x81, 0x81][..], &[0x9F, 0x81, 0x81, 0x01]] {
        assert_eq!(error(too_long), TlvError::InvalidTag);
    }
}

#[test]
fn all_tags_of_up_to_three_bytes_agree_in_both_directions() {
    for number in 0..=0xFF_FFFF_u32 {
        let bytes = number.to_be_bytes();
        let skip = bytes.iter().take(3).take_while(|&&byte| byte == 0).count();
        let mut object = bytes[skip..].to_vec();
        object.push(0);
        let read = TlvReader::new(&object).read();
        match Tag::new(number) {
            Some(tag) => assert_eq!(read.unwrap().unwrap().tag, tag),
            // The bytes may still start with a shorter valid tag, but never read as this one.
            None => assert!(!matches!(read, Ok(Some(tlv)) if tlv.tag.number() == number)),
        }
    }
}

#[test]
fn lengths_have_one_form() {
    let read =
        |bytes: &[u8]| TlvReader::new(bytes).read().map(|object| object.unwrap().value.len());
    let tag = Tag::of(0x87);
    assert_eq!(read(&[0x87, 0x80]), Err(TlvError::InvalidLength(tag)));
    assert_eq!(read(&[0x87, 0x81, 0x7F]), Err(TlvError::InvalidLength(tag)));
    assert_eq!(read(&[0x87, 0x82, 0x00, 0xFF]), Err(TlvError::InvalidLength(tag)));
    assert_eq!(read(&[0x87, 0x83, 0x00, 0xFF, 0xFF]), Err(TlvError::InvalidLength(tag)));
    assert_eq!(read(&[0x87, 0x84, 0, 0, 0, 1, 9]), Err(TlvError::InvalidLength(tag)));
    assert_eq!(read(&[0x87, 0x02, 1]), Err(TlvError::Truncated));
    assert_eq!(read(&[0x87, 0x81]), Err(TlvError::Truncated));
    assert_eq!(read(&[0x87]), Err(TlvError::Truncated));
    for length in [0, 1, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF, 0x1_0000] {
        let mut out = Vec::new();
        Writer::new(&mut out).object(tag, &vec![7; length]);
        assert_eq!(read(&out), Ok(length));
        let mut nested = Vec::new();
        Writer::new(&mut nested).template(Tag::of(0x6F), |w| {
            w.object(tag, &vec![7; length]);
        });
        let mut outer = TlvReader::new(&nested);
        assert_eq!(outer.expect(Tag::of(0x6F)), Ok(&out[..]));
        outer.finish().unwrap();
    }
}

#[test]
fn the_reader_names_what_it_wanted() {
    let mut reader = TlvReader::new(&[0x84, 0, 0x85, 0]);
    assert_eq!(reader.optional(Tag::of(0x85)), Ok(None));
    assert_eq!(
        reader.expect(Tag::of(0x6F)),
        Err(TlvError::Unexpected { expected: Tag::of(0x6F), found: Some(Tag::of(0x84)) })
    );
    assert_eq!(reader.finish(), Err(TlvError::Trailing(2)));
}

fn fci() -> impl Strategy<Value = Fci> {
    let keys = proptest::collection::vec(any::<(u8, u8, u8)>(), 0..9);
    let security = proptest::option::of((any::<u8>(), any::<[u8; 8]>(), keys, any::<u8>()));
    (proptest::collection::vec(any::<u8>(), 0..17), any::<u8>(), security).prop_map(
        |(df_name, life_cycle, security)| Fci {
            df_name,
            life_cycle,
            security: security.map(|(algorithm, serial, keys, profile)| SecurityInfo {
                algorithm,
                serial,
                keys: keys
                    .into_iter()
                    .map(|(number, active, other)| KeyInfo { number, active, other })
                    .collect(),
                profile,
            }),
        },
    )
}

proptest! {
    #[test]
    fn commands_round_trip(
        header: [u8; 4],
        data in proptest::collection::vec(any::<u8>(), 0..700),
        ne in prop_oneof![0..=300_u32, 65_000..=MAX_NE],
        extended: bool,
    ) {
        let [class, instruction, p1, p2] = header;
        let extended = (extended && (!data.is_empty() || ne > 0)) || data.len() > 255 || ne > 256;
        let command = Command { class: Class(class), instruction, p1, p2, data: &data, ne, extended };
        let bytes = command.to_vec().unwrap();
        prop_assert_eq!(Command::parse(&bytes), Ok(command));
    }

    /// What parses is canonical: it is written back as it came.
    #[test]
    fn parsed_bytes_are_written_back(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(command) = Command::parse(&bytes) {
            prop_assert_eq!(command.to_vec().unwrap(), bytes);
        }
    }

    #[test]
    fn responses_round_trip(bytes in proptest::collection::vec(any::<u8>(), 2..300)) {
        let mut out = Vec::new();
        Response::parse(&bytes).unwrap().emit(&mut out);
        prop_assert_eq!(out, bytes);
    }

    #[test]
    fn objects_read_are_written_back(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut reader = TlvReader::new(&bytes);
        let mut out = Vec::new();
        while let Ok(Some(object)) = reader.read() {
            Writer::new(&mut out).object(object.tag, object.value);
        }
        out.extend_from_slice(reader.rest());
        prop_assert_eq!(out, bytes);
    }

    /// Everything this reader takes, the more lenient oracle takes too, with the same meaning.
    #[test]
    fn objects_agree_with_the_oracle(value in proptest::collection::vec(any::<u8>(), 0..300), number in prop_oneof![Just(0x87_u32), Just(0x9F38), Just(0x80)]) {
        let mut out = Vec::new();
        Writer::new(&mut out).object(Tag::of(number), &value);
        let (oracle, rest) = iso7816_tlv::ber::Tlv::parse(&out);
        prop_assert!(rest.is_empty());
        let oracle = oracle.unwrap();
        prop_assert_eq!(oracle.tag().to_bytes(), &out[..Tag::of(number).len()]);
        prop_assert_eq!(oracle.value(), &iso7816_tlv::ber::Value::Primitive(value));
    }

    #[test]
    fn fci_round_trips(fci in fci()) {
        let mut bytes = Vec::new();
        fci.emit(&mut bytes);
        prop_assert_eq!(Fci::parse(&bytes), Ok(fci));
    }

    #[test]
    fn purse_fci_round_trips(
        df_name in proptest::collection::vec(any::<u8>(), 0..20),
        version: Option<u8>,
        issuer_data in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let fci = PurseFci { df_name, version, issuer_data };
        let mut bytes = Vec::new();
        fci.emit(&mut bytes);
        prop_assert_eq!(PurseFci::parse(&bytes), Ok(fci));
    }

    #[test]
    fn fci_of_any_bytes_is_refused_or_written_back(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(fci) = Fci::parse(&bytes) {
            let mut out = Vec::new();
            fci.emit(&mut out);
            prop_assert_eq!(out, bytes);
        }
    }

    #[test]
    fn a_split_chain_is_assembled_again(data in proptest::collection::vec(any::<u8>(), 0..600), piece in 1..256_usize) {
        let whole = Command::new(Class::ISO, 0xD6, 1, 2).with_data(&data).with_ne(9);
        let mut assembler = Assembler::new(600);
        let parts: Vec<_> = chain::split(whole, piece).collect();
        for (index, part) in parts.iter().enumerate() {
            let chaining = part.class.fields().unwrap().chaining;
            let last = index + 1 == parts.len();
            prop_assert_eq!(chaining, !last);
            prop_assert_eq!(part.ne, if last { whole.ne } else { 0 });
            let assembled = assembler.push(*part, chaining).unwrap();
            prop_assert_eq!(assembled, if last { Assembled::Complete(whole) } else { Assembled::Pending });
        }
    }

    #[test]
    fn a_cut_response_comes_whole_in_pieces(data in proptest::collection::vec(any::<u8>(), 0..600), ne in 1..256_usize) {
        let mut splitter = Splitter::default();
        let mut out = b"head".to_vec();
        out.extend_from_slice(&data);
        let mut remaining = splitter.cut(&mut out, 4, ne);
        prop_assert!(out.len() <= 4 + ne);
        prop_assert_eq!(out.len() + remaining, 4 + data.len());
        while remaining > 0 {
            prop_assert_eq!(splitter.remaining(), remaining);
            remaining = splitter.next(ne, &mut out);
        }
        prop_assert_eq!(&out[4..], &data[..]);

        // What is forgotten, or cut anew, does not come.
        out.truncate(4);
        out.extend_from_slice(&data);
        splitter.cut(&mut out, 4, ne);
        splitter.clear();
        prop_assert_eq!(splitter.remaining(), 0);
        prop_assert_eq!(splitter.next(ne, &mut out), 0);
        prop_assert_eq!(&out[4..], &data[..data.len().min(ne)]);
    }
}

#[test]
fn an_answer_in_pieces_has_an_end() {
    let joined = |pieces: &[usize]| {
        let (mut joiner, mut answer) = (Joiner::new(), Vec::new());
        let mut add = |length: &usize| joiner.add(&mut answer, &vec![0xAA; *length]);
        pieces.iter().try_for_each(&mut add).map(|()| answer.len())
    };
    assert_eq!(joined(&[48; 6]), Ok(288));
    assert_eq!(joined(&[256, MAX_ANSWER - 256]), Ok(MAX_ANSWER));
    assert_eq!(joined(&[256, MAX_ANSWER - 255]), Err(JoinError::TooLong));
    assert_eq!(joined(&[1; MAX_PIECES]), Ok(MAX_PIECES));
    assert_eq!(joined(&[1; MAX_PIECES + 1]), Err(JoinError::TooMany));
    assert_eq!(joined(&[5, 0]), Err(JoinError::Empty));
}

#[test]
fn a_chain_is_refused_when_mixed_or_too_long() {
    let part = Command::new(Class(0x10), 0xD6, 0, 0).with_data(&[1; 8]);
    for other in [
        Command { instruction: 0xD7, ..part },
        Command { p1: 1, ..part },
        Command { p2: 1, ..part },
        Command { class: Class(0x90), ..part },
    ] {
        let mut assembler = Assembler::new(100);
        assert_eq!(assembler.push(part, true), Ok(Assembled::Pending));
        assert_eq!(assembler.push(other, true), Err(ChainError::Mixed));
        // The broken chain is forgotten: the next one starts afresh.
        assert_eq!(assembler.push(part, true), Ok(Assembled::Pending));
    }
    let mut assembler = Assembler::new(15);
    assert_eq!(assembler.push(part, true), Ok(Assembled::Pending));
    assert_eq!(assembler.push(part, true), Err(ChainError::TooLong { limit: 15 }));
    let mut assembler = Assembler::new(16);
    assert_eq!(assembler.push(part, true), Ok(Assembled::Pending));
    assert_eq!(assembler.push(part, true), Ok(Assembled::Pending));
    assert_eq!(assembler.push(part, true), Err(ChainError::TooLong { limit: 16 }));
    let last = Command { class: Class::ISO, ..part };
    assert_eq!(assembler.push(last, false), Ok(Assembled::Complete(last)));
}

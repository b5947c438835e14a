//! Explains command and status bytes given on the command line: `explain 00A4040007... 6A82`.

use xuejika_apdu::status::Language;
use xuejika_apdu::{Command, StatusWord};

fn main() {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let default = vec!["00A4040007F0424A4544550100".into(), "6A82".into()];
    for text in if given.is_empty() { default } else { given } {
        match hex::decode(&text).as_deref() {
            Err(error) => println!("{text}: {error}"),
            Ok(&[high, low]) => {
                let status = StatusWord(u16::from_be_bytes([high, low]));
                let [english, chinese] = [Language::English, Language::Chinese];
                println!("{status}: {} / {}", status.text(english), status.text(chinese));
            }
            Ok(bytes) => match Command::parse(bytes) {
                Ok(command) => println!("{command:?}, case {:?}", command.case()),
                Err(error) => println!("{text}: {error}"),
            },
        }
    }
}

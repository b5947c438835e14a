//! A reader reads a pupil: unlock by the management card, connect, read, decide. The cards are
//! virtual here; any `CardChannel` takes their place.

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use xuejika_card_model::management::SamSerial;
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::{Algorithm, test_keys};
use xuejika_reader::{Locked, sam::SoftSam};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{}", test_keys::WARNING);
    let (today, valid_until) = ("2026-09-01".parse()?, "2027-08-31".parse()?);
    let serial = SamSerial { unit: "084012".parse()?, number: "000042".parse()? };
    let rng = ChaCha12Rng::seed_from_u64(1);
    let sam = SoftSam::test(Algorithm::Aes128, serial, valid_until, rng);

    let memory = test_card::management(Algorithm::Aes128, serial.unit, valid_until);
    let mut management_card = VirtualCard::new(memory, Env::from_seed(2))?;
    management_card.power_on()?;
    let mut reader = Locked::new(sam).unlock(&mut management_card, today)?;

    let mut card = VirtualCard::new(test_card::student("1100070100000017")?, Env::from_seed(3))?;
    card.power_on()?;
    let contents = reader.connect(card, today)?.read()?;
    println!("card {}, {}", contents.issuance.card_serial, contents.status.state.english());
    match &contents.pupil {
        Some(pupil) => println!("pupil {}", pupil.identity.student_number),
        None => println!("no pupil on this card"),
    }
    println!("{:?}", contents.verdict(today));
    Ok(())
}

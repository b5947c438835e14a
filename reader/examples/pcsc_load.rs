//! Sends one command to the card in a PC/SC reader over and over and prints the rate.
//!
//! `pcsc_load READER SECONDS HEX`, with READER as in `PcscChannel::open`.

use core::error::Error;
use core::time::Duration;
use std::time::Instant;

use xuejika_apdu::CardChannel;
use xuejika_reader::channel::PcscChannel;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: pcsc_load READER SECONDS HEX");
    let (reader, seconds, command) = (next()?, next()?, parse_hex(&next()?)?);
    let duration = Duration::from_secs_f64(seconds.parse()?);

    let mut channel = PcscChannel::open(&reader)?;
    let mut response = Vec::new();
    channel.transmit(&command, &mut response)?;
    let expected = status(&response);

    let mut times = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < duration {
        let sent = Instant::now();
        channel.transmit(&command, &mut response)?;
        times.push(sent.elapsed());
        if status(&response) != expected {
            return Err(format!("the status changed to {:02X?}", status(&response)).into());
        }
    }
    let rate = times.len() as f64 / begun.elapsed().as_secs_f64();
    times.sort_unstable();
    println!(
        "{rate:.0} APDU/s, p50 {} us, p99 {} us, {} APDUs, status {:04X}",
        percentile(&times, 50),
        percentile(&times, 99),
        times.len(),
        u16::from_be_bytes(expected),
    );
    Ok(())
}

fn status(response: &[u8]) -> [u8; 2] {
    response.last_chunk().copied().unwrap_or_default()
}

fn percentile(sorted: &[Duration], percent: usize) -> u128 {
    sorted.get(sorted.len() * percent / 100).map_or(0, Duration::as_micros)
}

fn parse_hex(text: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return Err("the command needs an even number of hexadecimal digits".into());
    }
    let pairs = (0..text.len()).step_by(2);
    let bytes = pairs.map(|at| u8::from_str_radix(text.get(at..at + 2).unwrap_or_default(), 16));
    Ok(bytes.collect::<Result<_, _>>()?)
}

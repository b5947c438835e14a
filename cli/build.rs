//! Notes when the program is built, so that it can tell a system clock that was never set.

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

/// The time of a repeatable build, in seconds since 1970-01-01 UTC.
const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-env-changed={SOURCE_DATE_EPOCH}");
    let seconds = match std::env::var(SOURCE_DATE_EPOCH) {
        Ok(given) => given
            .parse::<u64>()
            .map_err(|error| format!("{SOURCE_DATE_EPOCH}: {given:?} is no time: {error}"))?,
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
    };
    println!("cargo:rustc-env=XUEJIKA_BUILT={seconds}");
    Ok(())
}

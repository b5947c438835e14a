//! From a URI to a session: the module, the one token that fits, its user logged in.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::Instant;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;

use super::error::name_of;
use super::{TokenError, TokenUri};

/// Longest wait for another process.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until no other process of this program opens or changes a token of this module. Modules that
/// keep tokens in files, as SoftHSM does, return CKR_GENERAL_ERROR or no token when several do. It is
/// a courtesy to the module: nothing else depends on it, and whoever keeps the lock is not waited for
/// for long. It ends when the file is dropped.
pub(super) fn turn(module: &Path) -> Option<File> {
    let file = File::open(module).ok()?;
    let begun = Instant::now();
    while let Err(TryLockError::WouldBlock) = file.try_lock() {
        if begun.elapsed() > PATIENCE {
            break;
        }
        thread::sleep(PAUSE);
    }
    Some(file)
}

/// Loads the module.
pub(super) fn load(uri: &TokenUri) -> Result<Pkcs11, TokenError> {
    let context = Pkcs11::new(&uri.module).map_err(|error| TokenError::Module {
        module: uri.module.clone(),
        reason: error.to_string(),
    })?;
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        // Another token of this module is open in this process.
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(TokenError::of("C_Initialize")(error)),
    }
    check_library(&context, uri)?;
    Ok(context)
}

fn check_library(context: &Pkcs11, uri: &TokenUri) -> Result<(), TokenError> {
    let info = context.get_library_info().map_err(TokenError::of("C_GetInfo"))?;
    let (maker, what) = (info.manufacturer_id(), info.library_description());
    let version = info.library_version();
    let version = format!("{}.{}", version.major(), version.minor());
    let wanted = [
        (&uri.library_manufacturer, maker),
        (&uri.library_description, what),
        (&uri.library_version, version.as_str()),
    ];
    if wanted.into_iter().all(|(wanted, is)| fits(wanted, is)) {
        return Ok(());
    }
    Err(TokenError::OtherModule(format!("{what:?} {version} of {maker:?}")))
}

/// The one token that fits.
pub(super) fn choose(context: &Pkcs11, uri: &TokenUri) -> Result<(Slot, TokenInfo), TokenError> {
    let slots =
        context.get_slots_with_initialized_token().map_err(TokenError::of("C_GetSlotList"))?;
    let mut present = Vec::new();
    let mut fitting = Vec::new();
    for slot in slots {
        let info = context.get_token_info(slot).map_err(TokenError::of("C_GetTokenInfo"))?;
        let place = context.get_slot_info(slot).map_err(TokenError::of("C_GetSlotInfo"))?;
        let wanted = [
            (&uri.token, info.label()),
            (&uri.manufacturer, info.manufacturer_id()),
            (&uri.serial, info.serial_number()),
            (&uri.model, info.model()),
            (&uri.slot_description, place.slot_description()),
            (&uri.slot_manufacturer, place.manufacturer_id()),
        ];
        present.push(info.label().to_owned());
        let here = uri.slot_id.is_none_or(|wanted| wanted == slot.id());
        if here && wanted.into_iter().all(|(wanted, is)| fits(wanted, is)) {
            fitting.push((slot, info));
        }
    }
    match fitting.pop() {
        Some(only) if fitting.is_empty() => Ok(only),
        Some(_) => Err(TokenError::SeveralTokens(present)),
        None => Err(TokenError::NoToken(present)),
    }
}

/// Logs the user in.
pub(super) fn log_in(
    context: &Pkcs11,
    slot: Slot,
    session: &Session,
    info: &TokenInfo,
    pin: &str,
) -> Result<(), TokenError> {
    if info.user_pin_locked() {
        return Err(TokenError::PinLocked);
    }
    // Of exact size, so that nothing of it is moved and left behind.
    let pin = AuthPin::new(Box::from(pin));
    session.login(UserType::User, Some(&pin)).or_else(|error| match error {
        Error::Pkcs11(RvError::UserAlreadyLoggedIn, _) => Ok(()),
        Error::Pkcs11(
            code @ (RvError::PinIncorrect | RvError::PinLenRange | RvError::PinInvalid),
            _,
        ) => {
            let last_try = context.get_token_info(slot).is_ok_and(|info| info.user_pin_final_try());
            Err(TokenError::WrongPin { code: name_of(code), last_try })
        }
        Error::Pkcs11(RvError::PinLocked, _) => Err(TokenError::PinLocked),
        Error::Pkcs11(RvError::UserPinNotInitialized, _) => Err(TokenError::NoPin),
        other => Err(TokenError::of("C_Login")(other)),
    })
}

/// Whether what is there is what is asked for, where anything is.
fn fits(wanted: &Option<alloc::string::String>, is: &str) -> bool {
    wanted.as_deref().is_none_or(|wanted| wanted == is)
}

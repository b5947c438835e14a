//! Legacy: two-key TDES keys of the wallet, one type per purpose and level.
//!
//! Legacy: two-key TDES; disallowed by NIST for new protection since 2017 (two keys) and 2024
//! (any); not cache-timing safe; no fall-back between algorithms exists.
//!
//! A purpose is a type, and so is the level: a [`Root`] derives card keys and does nothing else.
//!
//! ```
//! use xuejika_keyscheme::legacy::{KeyFault, PurchaseKey, TdesKey};
//! fn pay(key: &TdesKey<PurchaseKey>) {}
//! pay(&TdesKey::<PurchaseKey>::import(*b"0123456789ABCDEF")?);
//! # Ok::<(), KeyFault>(())
//! ```
//!
//! Neither a key of another purpose nor a root takes its place:
//!
//! ```compile_fail
//! use xuejika_keyscheme::legacy::{KeyFault, LoadKey, PurchaseKey, TdesKey};
//! fn pay(key: &TdesKey<PurchaseKey>) {}
//! pay(&TdesKey::<LoadKey>::import(*b"0123456789ABCDEF")?);
//! # Ok::<(), KeyFault>(())
//! ```
//!
//! ```compile_fail
//! use xuejika_keyscheme::legacy::{KeyFault, PurchaseKey, Root, TdesKey};
//! fn pay(key: &TdesKey<PurchaseKey>) {}
//! pay(&TdesKey::<Root<PurchaseKey>>::import(*b"0123456789ABCDEF")?);
//! # Ok::<(), KeyFault>(())
//! ```

use core::fmt;
use core::marker::PhantomData;

use cipher::KeyInit;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::check::{KEY_LEN, KeyFault, KeyReport};
use crate::algorithm::TdesEde2;
use crate::kcv::Kcv;

/// Legacy: what a TDES key may be used for.
pub trait Purpose: sealed::Sealed {
    /// Name for messages.
    const NAME: &'static str;
}

/// Legacy: a purpose of the keys that a wallet stores, each derived from a root of its own.
pub trait WalletPurpose: Purpose {
    /// Name of its root for messages.
    const ROOT_NAME: &'static str;
    /// Key type in FMCOS key files.
    const KEY_TYPE: u8;
}

macro_rules! wallet_purposes {
    ($($(#[$doc:meta])* $name:ident = $key_type:literal, $text:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub enum $name {}
            impl sealed::Sealed for $name {}
            impl Purpose for $name {
                const NAME: &'static str = $text;
            }
            impl WalletPurpose for $name {
                const ROOT_NAME: &'static str = concat!("root of ", $text);
                const KEY_TYPE: u8 = $key_type;
            }
        )*

        /// Types and names of the wallet keys, in the order of the types.
        pub(super) const KEY_TYPES: &[(u8, &str)] = &[$(($key_type, $text)),*];
    };
}

mod sealed {
    pub trait Sealed {}
}

wallet_purposes! {
    /// Legacy: INTERNAL AUTHENTICATE by encryption (内部认证, 加密).
    InternalEncryptKey = 0x30, "internal encryption key";
    /// Legacy: INTERNAL AUTHENTICATE by decryption (内部认证, 解密).
    InternalDecryptKey = 0x31, "internal decryption key";
    /// Legacy: INTERNAL AUTHENTICATE by MAC (内部认证, MAC).
    InternalMacKey = 0x32, "internal MAC key";
    /// Legacy: DTK, transaction authorisation code (TAC密钥).
    TacKey = 0x34, "TAC key";
    /// Legacy: DAMK, line protection and application maintenance (线路保护, 应用维护密钥).
    LineKey = 0x36, "line protection key";
    /// Legacy: PIN UNBLOCK (个人密码解锁密钥).
    PinUnblockKey = 0x37, "PIN unblock key";
    /// Legacy: RELOAD PIN (个人密码重装密钥).
    PinReloadKey = 0x38, "PIN reload key";
    /// Legacy: EXTERNAL AUTHENTICATE (外部认证密钥).
    ExternalAuthKey = 0x39, "external authentication key";
    /// Legacy: DUK, update of the overdraft limit (修改透支限额密钥).
    LimitKey = 0x3C, "limit key";
    /// Legacy: DULK, unload (圈提密钥).
    UnloadKey = 0x3D, "unload key";
    /// Legacy: DPK, purchase and compound purchase (消费密钥).
    PurchaseKey = 0x3E, "purchase key";
    /// Legacy: DLK, load (圈存密钥).
    LoadKey = 0x3F, "load key";
}

/// Legacy: transport key (传输密钥), under which a supplier's card takes its first keys.
#[derive(Clone, Copy, Debug)]
pub enum TransportKey {}

impl sealed::Sealed for TransportKey {}

impl Purpose for TransportKey {
    const NAME: &'static str = "transport key";
}

/// Legacy: the operator's root, or a key between it and the card, of all card keys of purpose `P`.
#[derive(Clone, Copy, Debug)]
pub struct Root<P>(PhantomData<P>);

impl<P: WalletPurpose> sealed::Sealed for Root<P> {}

impl<P: WalletPurpose> Purpose for Root<P> {
    const NAME: &'static str = P::ROOT_NAME;
}

/// A root whose purpose is known by the place where it lies.
#[derive(Clone, Copy, Debug)]
pub(super) enum AnyRoot {}

impl sealed::Sealed for AnyRoot {}

impl Purpose for AnyRoot {
    const NAME: &'static str = "root of a wallet key";
}

/// A card key of such a root.
#[derive(Clone, Copy, Debug)]
pub(super) enum AnyPurpose {}

impl sealed::Sealed for AnyPurpose {}

impl Purpose for AnyPurpose {
    const NAME: &'static str = "wallet key";
}

/// Legacy: a two-key TDES key of purpose `P`, 16 bytes. Wiped on drop, never shown.
///
/// An 8-byte key of a foreign card is the same 8 bytes twice here: two-key TDES with equal halves
/// is single DES, and retail MAC is then plain CBC-MAC. Only [`Self::import_reporting`] takes it.
pub struct TdesKey<P: Purpose> {
    bytes: Zeroizing<[u8; KEY_LEN]>,
    purpose: PhantomData<P>,
}

impl<P: Purpose> TdesKey<P> {
    /// Takes the bytes as a key of purpose `P` if it has the strength of two-key TDES. Parity does
    /// not matter; [`Self::report`] tells it.
    ///
    /// # Errors
    /// Returns [`KeyFault`] when a half is one of the 64 weak DES keys or both halves are equal,
    /// parity aside.
    pub fn import(bytes: [u8; KEY_LEN]) -> Result<Self, KeyFault> {
        let (key, report) = Self::import_reporting(bytes);
        match report.faults().next() {
            Some(fault) => Err(fault),
            None => Ok(key),
        }
    }

    /// Takes any bytes as a key of purpose `P` and tells what is wrong with them, for virtual cards
    /// that must hold what the real one holds.
    #[must_use]
    pub fn import_reporting(bytes: [u8; KEY_LEN]) -> (Self, KeyReport) {
        let key = Self::derived(bytes);
        let report = key.report();
        (key, report)
    }

    /// Takes any bytes as a key of purpose `P`, for virtual cards that must use what they hold;
    /// [`Self::report`] tells what is wrong with them.
    #[must_use]
    pub fn import_any(bytes: [u8; KEY_LEN]) -> Self {
        Self::derived(bytes)
    }

    /// Parity and weaknesses of this key.
    #[must_use]
    pub fn report(&self) -> KeyReport {
        KeyReport::of(&self.bytes)
    }

    /// The secret bytes, for storage in a card or under another key.
    #[must_use]
    pub fn expose(&self) -> &[u8; KEY_LEN] {
        &self.bytes
    }

    /// Check value: encryption of the zero block, three bytes. It does not see parity.
    #[must_use]
    pub fn kcv(&self) -> Kcv {
        Kcv::zero_block(&self.cipher())
    }

    /// A key that came out of a derivation, which may be weak by chance.
    pub(super) fn derived(bytes: [u8; KEY_LEN]) -> Self {
        Self { bytes: Zeroizing::new(bytes), purpose: PhantomData }
    }

    pub(super) fn cipher(&self) -> TdesEde2 {
        TdesEde2::new((&*self.bytes).into())
    }
}

impl<P: Purpose> Clone for TdesKey<P> {
    fn clone(&self) -> Self {
        Self::derived(*self.bytes)
    }
}

impl<P: Purpose> PartialEq for TdesKey<P> {
    /// Compares in constant time.
    fn eq(&self, other: &Self) -> bool {
        bool::from(self.bytes.ct_eq(&*other.bytes))
    }
}

impl<P: Purpose> Eq for TdesKey<P> {}

impl<P: Purpose> fmt::Debug for TdesKey<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TdesKey({})", P::NAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::legacy::{Parity, Weakness};
    use alloc::format;

    #[test]
    fn import_refuses_what_the_other_one_reports() {
        let strong = *b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xAA\xBB\xCC\xDD\xEE\xFF";
        let (key, report) = TdesKey::<LoadKey>::import_reporting(strong);
        assert_eq!(report, key.report());
        assert_eq!(report.parity, Parity::Even);
        assert!(TdesKey::import(strong) == Ok(key));

        let (key, report) = TdesKey::<LoadKey>::import_reporting([0xFF; 16]);
        assert_eq!(report.left, Some(Weakness::Weak));
        assert_eq!(report.parity, Parity::Even);
        assert!(report.single_des);
        assert_eq!(key.expose(), &[0xFF; 16]);
        assert_eq!(TdesKey::<LoadKey>::import([0xFF; 16]), Err(report.faults().next().unwrap()));

        let collapsed = *b"\x3F\x01\x3F\x01\x3F\x01\x3F\x01\x3E\x00\x3E\x00\x3E\x00\x3E\x00";
        assert_eq!(TdesKey::<LoadKey>::import(collapsed), Err(KeyFault::SingleDes));
    }

    #[test]
    fn debug_shows_no_byte_of_a_key() {
        let (key, _) = TdesKey::<PurchaseKey>::import_reporting([0xA5; 16]);
        assert_eq!(format!("{key:?}"), "TdesKey(purchase key)");
        let (root, _) = TdesKey::<Root<PurchaseKey>>::import_reporting([0xA5; 16]);
        assert_eq!(format!("{root:?}"), "TdesKey(root of purchase key)");
        assert_eq!(format!("{:?}", key.session([0; 4], 0, 0)), "DesKey(purchase key)");
    }

    #[test]
    fn equality_takes_every_byte() {
        let (key, _) = TdesKey::<LoadKey>::import_reporting([1; 16]);
        for index in 0..16 {
            let mut other = [1; 16];
            other[index] ^= 1;
            assert!(TdesKey::import_reporting(other).0 != key);
        }
        assert!(key.clone() == key);
    }
}

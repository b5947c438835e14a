//! The wallet's key store: a fixed entry for each key type of FMCOS the profile uses, then the PIN
//! and the lock state. Every entry has a check value of its own. Layout project-defined.

use core::fmt;

use xuejika_keyscheme::legacy::{
    ExternalAuthKey, Fen, InternalDecryptKey, InternalEncryptKey, InternalMacKey, LineKey, LoadKey,
    NoWalletRoot, PinReloadKey, PinUnblockKey, PurchaseKey, Purpose, TacKey, TdesKey, UnloadKey,
    WalletPurpose, WalletRoots, test_keys,
};
use zeroize::Zeroizing;

use crate::card::Card;
use crate::crc;
use crate::nvm::Nvm;
use crate::txn::Transaction;

use super::lock::Lock;
use super::pin::{self, StoredPin};
use super::{Access, EnableFlag, WalletError};

/// Identifier of every key and of the PIN: the profile has one of each type.
pub const KID: u8 = 0x01;

/// Length of a key in the store, in bytes.
const ENTRY_LEN: usize = HEADER_LEN + 16 + crc::CRC_LEN;

/// Type, identifier, use access, next state, version, algorithm, tries.
const HEADER_LEN: usize = 7;

/// Where the PIN lies in the store.
pub(super) const PIN_OFFSET: usize = KEYS * ENTRY_LEN;

/// Where the lock state lies in the store.
pub(super) const LOCK_OFFSET: usize = PIN_OFFSET + StoredPin::LEN;

/// Length of the store, in bytes.
pub const LEN: usize = LOCK_OFFSET + Lock::LEN;

/// An error counter as FMCOS keeps it: the most and the remaining tries, 0 to 15 each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries {
    max: u8,
    left: u8,
}

impl Tries {
    /// Three of three.
    pub const NEW: Self = Self { max: 3, left: 3 };

    /// Reads the byte: high nibble the most, low nibble what is left.
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        Self { max: code >> 4, left: code & 0x0F }
    }

    /// The byte in the store.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.max << 4 | self.left
    }

    /// Tries left.
    #[must_use]
    pub const fn left(self) -> u8 {
        self.left
    }

    /// Whether none is left.
    #[must_use]
    pub const fn is_blocked(self) -> bool {
        self.left == 0
    }

    /// After a failure.
    #[must_use]
    pub const fn failed(self) -> Self {
        Self { max: self.max, left: self.left.saturating_sub(1) }
    }

    /// After a success.
    #[must_use]
    pub const fn restored(self) -> Self {
        Self { max: self.max, left: self.max }
    }
}

/// A key as it lies in the store.
#[derive(PartialEq, Eq)]
pub struct StoredKey<P: WalletPurpose> {
    /// When it may be used.
    pub access: Access,
    /// Security state after an authentication with it.
    pub next: u8,
    /// Version, as INITIALIZE commands answer it.
    pub version: u8,
    /// Algorithm byte, as INITIALIZE commands answer it; the cipher is two-key TDES whatever it says.
    pub algorithm: u8,
    /// Tries left.
    pub tries: Tries,
    /// The key.
    pub key: TdesKey<P>,
}

impl<P: WalletPurpose> fmt::Debug for StoredKey<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredKey({:?}, version {:02X}, {:?})", self.key, self.version, self.tries)
    }
}

impl<P: WalletPurpose> StoredKey<P> {
    /// Reads type, identifier, use access, next state, version, algorithm, tries (1 each), key (16),
    /// CRC (2).
    fn parse(bytes: &[u8]) -> Result<Self, WalletError> {
        let damaged = WalletError::Damaged(P::NAME);
        let (true, Some((&[key_type, KID, access, next, version, algorithm, tries], rest))) =
            (crc::is_sealed(bytes), bytes.split_first_chunk::<HEADER_LEN>())
        else {
            return Err(damaged);
        };
        if key_type != P::KEY_TYPE {
            return Err(damaged);
        }
        let key = TdesKey::import_any(*rest.first_chunk().ok_or(damaged)?);
        let (access, tries) = (Access(access), Tries::from_code(tries));
        Ok(Self { access, next, version, algorithm, tries, key })
    }

    /// The stored bytes.
    fn emit(&self) -> Zeroizing<[u8; ENTRY_LEN]> {
        let Self { access, next, version, algorithm, tries, key } = self;
        let mut bytes = Zeroizing::new([0; ENTRY_LEN]);
        let fields = [P::KEY_TYPE, KID, access.0, *next, *version, *algorithm, tries.code()]
            .into_iter()
            .chain(*key.expose());
        bytes.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        crc::seal(&mut *bytes);
        bytes
    }
}

/// What the profile says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyLayout {
    /// FMCOS key type.
    pub key_type: u8,
    /// Name for messages.
    pub name: &'static str,
    /// When it may be used.
    pub access: Access,
    /// Security state after an authentication with it.
    pub next: u8,
}

macro_rules! wallet_keys {
    ($($(#[$doc:meta])* $field:ident: $purpose:ident, $access:expr, $next:literal;)*) => {
        /// The keys of one wallet, on their way into a new card.
        #[derive(Clone, Debug)]
        pub struct WalletKeys {
            $($(#[$doc])* pub $field: TdesKey<$purpose>,)*
            /// Version of them all.
            pub version: u8,
            /// Algorithm byte of them all, as INITIALIZE commands answer it.
            pub algorithm: u8,
        }

        /// The keys in the order of the store.
        pub const LAYOUT: &[KeyLayout] = &[$(KeyLayout {
            key_type: $purpose::KEY_TYPE,
            name: $purpose::NAME,
            access: $access,
            next: $next,
        }),*];

        impl WalletKeys {
            /// The keys of the card with this number under the published test roots.
            #[must_use]
            pub fn test(number: [u8; 8]) -> Self {
                Self {
                    $($field: test_keys::root::<$purpose>().card_key(number),)*
                    version: 1,
                    algorithm: 0,
                }
            }

            /// The keys of the card with this number under an operator's roots.
            ///
            /// # Errors
            /// Returns [`NoWalletRoot`] unless all roots are here.
            pub fn derive(roots: &WalletRoots, number: [u8; 8]) -> Result<Self, NoWalletRoot> {
                Ok(Self {
                    $($field: roots.root::<$purpose>()?.card_key(number),)*
                    version: 1,
                    algorithm: 0,
                })
            }

            /// The entries of the store, one behind the other.
            fn emit(&self, store: &mut [u8]) {
                let entries = [$(
                    StoredKey {
                        access: $access,
                        next: $next,
                        version: self.version,
                        algorithm: self.algorithm,
                        tries: Tries::NEW,
                        key: self.$field.clone(),
                    }
                    .emit()
                ),*];
                for (place, entry) in store.chunks_exact_mut(ENTRY_LEN).zip(&entries) {
                    place.copy_from_slice(&**entry);
                }
            }
        }

        impl<N: Nvm> Card<N> {
            /// Checks that every key can be read.
            pub(super) fn check_store(&self) -> Result<(), WalletError> {
                $(self.wallet_key::<$purpose>(KID)?;)*
                Ok(())
            }
        }
    };
}

wallet_keys! {
    /// Purchase and compound purchase (消费密钥), type 3E.
    purchase: PurchaseKey, Access::FREE, 0;
    /// Load (圈存密钥), type 3F. A load asks for the PIN.
    load: LoadKey, Access::AUTHENTICATED, 0;
    /// TAC (TAC密钥), type 34.
    tac: TacKey, Access::FREE, 0;
    /// Unload (圈提密钥), type 3D. An unload asks for the PIN.
    unload: UnloadKey, Access::AUTHENTICATED, 0;
    /// Line protection and application maintenance (线路保护, 应用维护密钥), type 36.
    line: LineKey, Access::FREE, 0;
    /// PIN UNBLOCK (个人密码解锁密钥), type 37.
    pin_unblock: PinUnblockKey, Access::FREE, 0;
    /// RELOAD PIN (个人密码重装密钥), type 38.
    pin_reload: PinReloadKey, Access::FREE, 0;
    /// EXTERNAL AUTHENTICATE (外部认证密钥), type 39.
    external: ExternalAuthKey, Access::FREE, 2;
    /// INTERNAL AUTHENTICATE by encryption, type 30.
    internal_encrypt: InternalEncryptKey, Access::FREE, 0;
    /// INTERNAL AUTHENTICATE by decryption, type 31.
    internal_decrypt: InternalDecryptKey, Access::FREE, 0;
    /// INTERNAL AUTHENTICATE by MAC, type 32.
    internal_mac: InternalMacKey, Access::FREE, 0;
}

/// Number of keys in the store.
const KEYS: usize = LAYOUT.len();

/// A wallet on its way into a new card.
#[derive(Clone, Debug)]
pub struct WalletSetup {
    /// Its keys.
    pub keys: WalletKeys,
    /// Its PIN, padded with FF.
    pub pin: [u8; pin::PIN_LEN],
    /// Its enable flag.
    pub flag: EnableFlag,
    /// Its balance, at most [`super::MAX_BALANCE`].
    pub balance: Fen,
    /// Its on-line counter.
    pub online: u16,
    /// Its off-line counter.
    pub offline: u16,
}

impl WalletSetup {
    /// A wallet as it is delivered: empty, never opened, PIN 123456.
    #[must_use]
    pub const fn new(keys: WalletKeys) -> Self {
        let (flag, balance) = (EnableFlag::NotOpened, Fen(0));
        Self { keys, pin: pin::DEFAULT, flag, balance, online: 0, offline: 0 }
    }

    /// The store of the new card.
    pub(crate) fn store(&self) -> Zeroizing<[u8; LEN]> {
        let mut store = Zeroizing::new([0; LEN]);
        let (keys, rest) = store.split_at_mut(PIN_OFFSET);
        self.keys.emit(keys);
        let pin = StoredPin::new(self.pin).emit();
        let fields = pin.iter().copied().chain(Lock::default().emit());
        rest.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        store
    }
}

impl<N: Nvm> Card<N> {
    /// The wallet key of this purpose and identifier.
    ///
    /// # Errors
    /// Returns [`WalletError::KeyNotFound`], [`WalletError::Absent`] or [`WalletError::Damaged`].
    pub fn wallet_key<P: WalletPurpose>(&self, kid: u8) -> Result<StoredKey<P>, WalletError> {
        if kid != KID {
            return Err(WalletError::KeyNotFound);
        }
        let offset = entry_offset::<P>().ok_or(WalletError::KeyNotFound)?;
        StoredKey::parse(self.store_bytes(offset, ENTRY_LEN)?)
    }

    /// Where the store lies in memory.
    pub(super) fn store_offset(&self) -> Result<usize, WalletError> {
        self.tree().wallet.as_ref().map(|df| df.keys_offset).ok_or(WalletError::Absent)
    }

    /// Bytes of the store.
    pub(super) fn store_bytes(&self, offset: usize, len: usize) -> Result<&[u8], WalletError> {
        let start = self.store_offset()? + offset;
        self.bytes().get(start..start + len).ok_or(WalletError::Absent)
    }
}

/// Plans to write the key's counter, if that changes anything. `base` is where the store lies.
pub(super) fn write_tries<N: Nvm, P: WalletPurpose>(
    txn: &mut Transaction<'_, N>,
    base: usize,
    key: &StoredKey<P>,
    tries: Tries,
) {
    if let (Some(offset), true) = (entry_offset::<P>(), tries != key.tries) {
        let entry = StoredKey {
            access: key.access,
            next: key.next,
            version: key.version,
            algorithm: key.algorithm,
            tries,
            key: key.key.clone(),
        };
        txn.write(base + offset, &*entry.emit());
    }
}

/// Where the key of this purpose lies in the store.
fn entry_offset<P: WalletPurpose>() -> Option<usize> {
    LAYOUT.iter().position(|key| key.key_type == P::KEY_TYPE).map(|index| index * ENTRY_LEN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use xuejika_keyscheme::legacy::LoadKey;

    #[test]
    fn keys_are_not_shown() {
        let stored = StoredKey::<LoadKey> {
            access: Access::FREE,
            next: 0,
            version: 1,
            algorithm: 0,
            tries: Tries { max: 3, left: 2 },
            key: TdesKey::import_reporting([0xA7; 16]).0,
        };
        let shown = "StoredKey(TdesKey(load key), version 01, Tries { max: 3, left: 2 })";
        assert_eq!(alloc::format!("{stored:?}"), shown);
    }
}

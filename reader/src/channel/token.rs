//! Root keys in a PKCS#11 token: a hardware security module, or SoftHSM.
//!
//! A root is an AES key object with the label of [`super::label`], SENSITIVE and not EXTRACTABLE,
//! that may SIGN. Derivation is `CKM_AES_CMAC` over [`Step::message`] inside the token, which every
//! token with CMAC can do. The derived key comes out as the CMAC, through the memory of the host:
//! roots never leave the token, card keys do, and [`Custody::Token`] says so. District and school
//! keys go back in as session objects. `CKM_SP800_108_COUNTER_KDF`, which some tokens have and which
//! would keep district and school keys inside, is not used: the keys of cards come out all the same.
//! PKCS#11 has no mechanism for SM4.
//!
//! [`Step::message`]: xuejika_keyscheme::diversify::Step::message

mod error;
mod uri;

pub use error::TokenError;
pub use uri::{SCHEME, TokenUri, UriError};

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;
use xuejika_keyscheme::auth::CardId;
use xuejika_keyscheme::diversify::Step;
use xuejika_keyscheme::kcv::{Kcv, KcvMethod};
use xuejika_keyscheme::key::{Card, Key, List, Root};
use xuejika_keyscheme::provider::{Custody, KeyProvider, Path, ProviderError};
use xuejika_keyscheme::{Algorithm, KeyId};
use zeroize::{Zeroize, Zeroizing};

use super::label;

/// Length of a key and of a CMAC, in bytes.
const KEY_LEN: usize = 16;

/// The root keys in a token, with a session in which its user is logged in.
pub struct Token {
    context: Pkcs11,
    slot: Slot,
    label: String,
    inner: Mutex<Inner>,
}

struct Inner {
    session: Session,
    roots: BTreeMap<KeyId, ObjectHandle>,
    /// The last branch of each root as a session object: cards come school by school.
    branches: BTreeMap<KeyId, (Path, ObjectHandle)>,
}

impl Token {
    /// Opens the token that the URI names and logs its user in with `pin`.
    ///
    /// # Errors
    /// Returns a [`TokenError`] when the module, the token, the mechanism or a root is missing or
    /// unfit, or the PIN is wrong.
    pub fn open(uri: &TokenUri, pin: &str) -> Result<Self, TokenError> {
        let context = load(uri)?;
        let (slot, info) = choose(&context, uri)?;
        let mechanisms =
            context.get_mechanism_list(slot).map_err(TokenError::of("C_GetMechanismList"))?;
        if !mechanisms.contains(&MechanismType::AES_CMAC) {
            return Err(TokenError::NoMechanism(info.label().to_owned()));
        }
        let session = context.open_ro_session(slot).map_err(TokenError::of("C_OpenSession"))?;
        log_in(&context, slot, &session, &info, pin)?;
        let roots = find_roots(&session, uri)?;
        let inner = Mutex::new(Inner { session, roots, branches: BTreeMap::new() });
        Ok(Self { context, slot, label: info.label().to_owned(), inner })
    }

    /// The label of the token.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The names of the roots, in order.
    #[must_use]
    pub fn ids(&self) -> Vec<KeyId> {
        self.inner().roots.keys().copied().collect()
    }

    /// Makes a new root inside the token. It never leaves it.
    ///
    /// # Errors
    /// Returns a [`TokenError`] when the token has one of this name or refuses.
    pub fn generate(&self, id: &KeyId) -> Result<(), TokenError> {
        let length = KEY_LEN as u64;
        self.add(id, vec![Attribute::ValueLen(length.into())], |session, template| {
            session
                .generate_key(&Mechanism::AesKeyGen, template)
                .map_err(TokenError::of("C_GenerateKey"))
        })
    }

    /// Puts a root into the token, from where it cannot be read again.
    ///
    /// # Errors
    /// As [`Self::generate`].
    pub fn import(&self, id: &KeyId, root: &Key<Root>) -> Result<(), TokenError> {
        let value = Attribute::Value(root.expose().to_vec());
        self.add(id, vec![value], |session, template| {
            session.create_object(template).map_err(TokenError::of("C_CreateObject"))
        })
    }

    fn add(
        &self,
        id: &KeyId,
        mut template: Vec<Attribute>,
        make: impl FnOnce(&Session, &[Attribute]) -> Result<ObjectHandle, TokenError>,
    ) -> Result<(), TokenError> {
        let label = label::emit(id);
        let made = (|| {
            if id.algorithm != Algorithm::Aes128 {
                return Err(TokenError::Algorithm(*id));
            }
            // The login holds for every session with the token.
            let session =
                self.context.open_rw_session(self.slot).map_err(TokenError::of("C_OpenSession"))?;
            let name = Attribute::Label(label.clone().into_bytes());
            let same = session.find_objects(core::slice::from_ref(&name));
            if !same.map_err(TokenError::of("C_FindObjects"))?.is_empty() {
                return Err(TokenError::Twice(label));
            }
            template.extend(key_template(true));
            template.extend([name, Attribute::Id(id.emit().to_vec())]);
            let handle = make(&session, &template)?;
            self.inner().roots.insert(*id, handle);
            Ok(())
        })();
        wipe(&mut template);
        made
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyProvider for Token {
    fn custody(&self) -> Custody {
        Custody::Token
    }

    fn card_key(&self, id: &KeyId, path: Path, card: CardId) -> Result<Key<Card>, ProviderError> {
        let mut inner = self.inner();
        let key = inner.branch(id, path)?;
        let bytes = inner.cmac(key, &Step::Card(card).message(id))?;
        Ok(Key::new(id.algorithm, *bytes))
    }

    fn list_key(&self, id: &KeyId, path: Path) -> Result<Key<List>, ProviderError> {
        let mut inner = self.inner();
        let key = inner.branch(id, path)?;
        let bytes = inner.cmac(key, &Step::List.message(id))?;
        Ok(Key::new(id.algorithm, *bytes))
    }

    fn kcv(&self, id: &KeyId) -> Result<Kcv, ProviderError> {
        let inner = self.inner();
        let tag = inner.cmac(inner.root(id)?, &[0; KEY_LEN])?;
        let [a, b, c, ..] = *tag;
        Ok(Kcv::new(KcvMethod::Cmac(id.algorithm), [a, b, c]))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("label", &self.label).finish_non_exhaustive()
    }
}

impl Inner {
    fn root(&self, id: &KeyId) -> Result<ObjectHandle, ProviderError> {
        match self.roots.get(id) {
            Some(handle) => Ok(*handle),
            None if id.algorithm != Algorithm::Aes128 => Err(TokenError::Algorithm(*id).into()),
            None => Err(ProviderError::NoRoot(*id)),
        }
    }

    /// The key above the card: the root, or the last key of the branch as a session object.
    fn branch(&mut self, id: &KeyId, path: Path) -> Result<ObjectHandle, ProviderError> {
        match self.branches.get(id) {
            Some((known, handle)) if *known == path => return Ok(*handle),
            _ => {}
        }
        let root = self.root(id)?;
        let mut key = root;
        for step in path.branch() {
            let bytes = self.cmac(key, &step.message(id));
            if key != root {
                self.destroy(key);
            }
            key = self.session_key(&*bytes?)?;
        }
        if key != root
            && let Some((_, old)) = self.branches.insert(*id, (path, key))
        {
            self.destroy(old);
        }
        Ok(key)
    }

    fn cmac<const N: usize>(
        &self,
        key: ObjectHandle,
        message: &[u8; N],
    ) -> Result<Zeroizing<[u8; KEY_LEN]>, TokenError> {
        let tag = self.session.sign(&Mechanism::AesCMac, key, message);
        let tag = Zeroizing::new(tag.map_err(TokenError::of("C_Sign"))?);
        let tag = tag.as_slice().try_into().map_err(|_| TokenError::TagLength(tag.len()))?;
        Ok(Zeroizing::new(tag))
    }

    fn session_key(&self, bytes: &[u8; KEY_LEN]) -> Result<ObjectHandle, TokenError> {
        let mut template = key_template(false);
        template.push(Attribute::Value(bytes.to_vec()));
        let made = self.session.create_object(&template);
        wipe(&mut template);
        made.map_err(TokenError::of("C_CreateObject"))
    }

    /// Session objects end with the session anyway, so a refusal is of no consequence.
    fn destroy(&self, key: ObjectHandle) {
        let _ = self.session.destroy_object(key);
    }
}

fn load(uri: &TokenUri) -> Result<Pkcs11, TokenError> {
    let context = Pkcs11::new(&uri.module).map_err(|error| TokenError::Module {
        module: uri.module.clone(),
        reason: error.to_string(),
    })?;
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        // Another token of this module is open in this process.
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(context),
        Err(error) => Err(TokenError::of("C_Initialize")(error)),
    }
}

/// The one token that fits.
fn choose(context: &Pkcs11, uri: &TokenUri) -> Result<(Slot, TokenInfo), TokenError> {
    let slots =
        context.get_slots_with_initialized_token().map_err(TokenError::of("C_GetSlotList"))?;
    let mut present = Vec::new();
    let mut fitting = Vec::new();
    for slot in slots {
        let info = context.get_token_info(slot).map_err(TokenError::of("C_GetTokenInfo"))?;
        let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
        present.push(info.label().to_owned());
        if fits(&uri.token, info.label()) && fits(&uri.serial, info.serial_number()) {
            fitting.push((slot, info));
        }
    }
    match fitting.pop() {
        Some(only) if fitting.is_empty() => Ok(only),
        Some(_) => Err(TokenError::SeveralTokens(present)),
        None => Err(TokenError::NoToken(present)),
    }
}

fn log_in(
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
        Error::Pkcs11(RvError::PinIncorrect | RvError::PinLenRange | RvError::PinInvalid, _) => {
            let last_try = context.get_token_info(slot).is_ok_and(|info| info.user_pin_final_try());
            Err(TokenError::WrongPin { last_try })
        }
        Error::Pkcs11(RvError::PinLocked, _) => Err(TokenError::PinLocked),
        Error::Pkcs11(RvError::UserPinNotInitialized, _) => Err(TokenError::NoPin),
        other => Err(TokenError::of("C_Login")(other)),
    })
}

/// Every root in the token that the URI admits, each checked.
fn find_roots(
    session: &Session,
    uri: &TokenUri,
) -> Result<BTreeMap<KeyId, ObjectHandle>, TokenError> {
    let mut template = vec![Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Token(true)];
    template.extend(uri.object.iter().map(|label| Attribute::Label(label.clone().into_bytes())));
    template.extend(uri.id.iter().map(|id| Attribute::Id(id.clone())));
    let mut roots = BTreeMap::new();
    for handle in session.find_objects(&template).map_err(TokenError::of("C_FindObjects"))? {
        let Some((label, id)) = name(session, handle)? else { continue };
        check_root(session, handle, &label, &id)?;
        if roots.insert(id, handle).is_some() {
            return Err(TokenError::Twice(label));
        }
    }
    Ok(roots)
}

/// The label of an object and the root it names, if it names one.
fn name(session: &Session, key: ObjectHandle) -> Result<Option<(String, KeyId)>, TokenError> {
    let attributes = attributes(session, key, &[AttributeType::Label])?;
    let Some(Attribute::Label(label)) = attributes.into_iter().next() else { return Ok(None) };
    let label = String::from_utf8(label).ok();
    Ok(label.and_then(|label| label::parse(&label).map(|id| (label, id))))
}

fn check_root(
    session: &Session,
    key: ObjectHandle,
    label: &str,
    id: &KeyId,
) -> Result<(), TokenError> {
    if id.algorithm != Algorithm::Aes128 {
        return Err(TokenError::Algorithm(*id));
    }
    let wanted = [
        (Attribute::Sensitive(true), true),
        (Attribute::Extractable(false), true),
        (Attribute::KeyType(KeyType::AES), false),
        (Attribute::ValueLen((KEY_LEN as u64).into()), false),
        (Attribute::Sign(true), false),
    ];
    let types = wanted.each_ref().map(|(attribute, _)| attribute.attribute_type());
    let found = attributes(session, key, &types)?;
    match wanted.into_iter().find(|(attribute, _)| !found.contains(attribute)) {
        None => Ok(()),
        Some((_, true)) => Err(TokenError::Readable(label.to_owned())),
        Some((_, false)) => Err(TokenError::Unfit(label.to_owned())),
    }
}

fn attributes(
    session: &Session,
    key: ObjectHandle,
    types: &[AttributeType],
) -> Result<Vec<Attribute>, TokenError> {
    session.get_attributes(key, types).map_err(TokenError::of("C_GetAttributeValue"))
}

/// What every key object is: it computes CMACs and does nothing else, and cannot be read.
fn key_template(token: bool) -> Vec<Attribute> {
    vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Token(token),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        Attribute::Verify(false),
        Attribute::Encrypt(false),
        Attribute::Decrypt(false),
        Attribute::Wrap(false),
        Attribute::Unwrap(false),
        Attribute::Derive(false),
    ]
}

/// Overwrites the key in a template.
fn wipe(template: &mut [Attribute]) {
    for attribute in template {
        if let Attribute::Value(bytes) = attribute {
            bytes.zeroize();
        }
    }
}

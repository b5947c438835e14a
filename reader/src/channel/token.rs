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
//! A token is believed what it proves: at opening it is asked for published answers, each root for two
//! answers that differ, and what was put in has to answer as the root does. A root that is not safe,
//! not fit or there several times is not used, and leaves the others as they are. A root may be made
//! by several processes at once and is made by one ([`create`]).
//!
//! [`Step::message`]: xuejika_keyscheme::diversify::Step::message

mod answer;
mod create;
mod error;
mod root;
mod slot;
mod uri;

pub use error::TokenError;
pub use root::{Misuse, TokenObject};
pub use uri::{SCHEME, TokenUri, UriError};

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cryptoki::context::Pkcs11;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::slot::Slot;
use xuejika_keyscheme::auth::CardId;
use xuejika_keyscheme::diversify::Step;
use xuejika_keyscheme::kcv::{Kcv, KcvMethod};
use xuejika_keyscheme::key::{Card, Key, List, Root};
use xuejika_keyscheme::provider::{Custody, KeyProvider, Path, ProviderError};
use xuejika_keyscheme::{Algorithm, KeyId};

use super::label;
use answer::{KEY_LEN, Tag};
use root::Found;

/// The root keys in a token, with a session in which its user is logged in.
pub struct Token {
    context: Pkcs11,
    slot: Slot,
    label: String,
    uri: Box<TokenUri>,
    inner: Mutex<Inner>,
}

struct Inner {
    session: Session,
    roots: BTreeMap<KeyId, Found>,
    /// The last branch of each root as a session object: cards come school by school.
    branches: BTreeMap<KeyId, (Path, ObjectHandle)>,
}

impl Token {
    /// Opens the token that the URI names and logs its user in with `pin`.
    ///
    /// # Errors
    /// Returns a [`TokenError`] when the module, the token or the mechanism is missing or unfit, the
    /// token does not give the answers that are known, or the PIN is wrong. A root that is not used is
    /// no error; see [`Self::faults`].
    pub fn open(uri: &TokenUri, pin: &str) -> Result<Self, TokenError> {
        let _turn = slot::turn(&uri.module);
        let context = slot::load(uri)?;
        let (slot, info) = slot::choose(&context, uri)?;
        let mechanisms =
            context.get_mechanism_list(slot).map_err(TokenError::of("C_GetMechanismList"))?;
        if !mechanisms.contains(&MechanismType::AES_CMAC) {
            return Err(TokenError::NoMechanism(info.label().to_owned()));
        }
        let session = context.open_ro_session(slot).map_err(TokenError::of("C_OpenSession"))?;
        slot::log_in(&context, slot, &session, &info, pin)?;
        answer::check_token(&session)?;
        let roots = root::find(&session, uri)?;
        let inner = Mutex::new(Inner { session, roots, branches: BTreeMap::new() });
        Ok(Self {
            context,
            slot,
            label: info.label().to_owned(),
            uri: Box::new(uri.clone()),
            inner,
        })
    }

    /// The label of the token.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The names of the roots that can be used, in order.
    #[must_use]
    pub fn ids(&self) -> Vec<KeyId> {
        let inner = self.inner();
        let usable = inner.roots.iter().filter(|(_, found)| found.object.is_ok());
        usable.map(|(id, _)| *id).collect()
    }

    /// Why roots in the token are not used, in the order of their names.
    #[must_use]
    pub fn faults(&self) -> Vec<TokenError> {
        self.inner().roots.values().filter_map(|found| found.object.clone().err()).collect()
    }

    /// The roots that may do more than they need, and what.
    #[must_use]
    pub fn misuses(&self) -> Vec<(KeyId, Misuse)> {
        let inner = self.inner();
        let misused = inner.roots.iter().filter(|(_, found)| !found.misuse.is_none());
        misused.map(|(id, found)| (*id, found.misuse.clone())).collect()
    }

    /// Every root in the token and every one that was left unfinished, usable or not, by name.
    ///
    /// # Errors
    /// Returns a [`TokenError`] when the token fails.
    pub fn objects(&self) -> Result<Vec<TokenObject>, TokenError> {
        root::objects(&self.inner().session, &self.uri)
    }

    /// Makes a new root inside the token. It never leaves it.
    ///
    /// # Errors
    /// Returns a [`TokenError`] when the token has one of this name, another process makes one, or the
    /// token refuses.
    pub fn generate(&self, id: &KeyId) -> Result<(), TokenError> {
        let template = vec![Attribute::ValueLen((KEY_LEN as u64).into())];
        self.add(id, template, None, |session, template| {
            session
                .generate_key(&Mechanism::AesKeyGen, template)
                .map_err(TokenError::of("C_GenerateKey"))
        })
    }

    /// Puts a root into the token, from where it cannot be read again.
    ///
    /// # Errors
    /// As [`Self::generate`]; for a weak root; and when the token has another root afterwards.
    pub fn import(&self, id: &KeyId, root: &Key<Root>) -> Result<(), TokenError> {
        if root.is_weak() {
            return Err(TokenError::Weak(label::emit(id)));
        }
        let template = vec![Attribute::Value(root.expose().to_vec())];
        self.add(id, template, Some(root), |session, template| {
            session.create_object(template).map_err(TokenError::of("C_CreateObject"))
        })
    }

    /// Removes one object of this name with this check value, or without one if it has none. It is
    /// gone for good. Of several alike an unfinished one goes first.
    ///
    /// # Errors
    /// Returns [`TokenError::NoObject`] when there is none, or another when the token refuses.
    pub fn remove(&self, id: &KeyId, kcv: Option<Kcv>) -> Result<(), TokenError> {
        let session = self.writable()?;
        let objects = root::objects(&session, &self.uri)?;
        let wanted = objects.iter().find(|object| object.id == *id && object.kcv == kcv);
        let wanted = wanted.ok_or_else(|| TokenError::NoObject(label::emit(id)))?;
        session.destroy_object(wanted.handle).map_err(TokenError::of("C_DestroyObject"))?;
        let roots = root::find(&session, &self.uri)?;
        let mut inner = self.inner();
        inner.roots = roots;
        inner.branches.clear();
        Ok(())
    }

    fn add(
        &self,
        id: &KeyId,
        mut template: Vec<Attribute>,
        imported: Option<&Key<Root>>,
        make: impl FnOnce(&Session, &[Attribute]) -> Result<ObjectHandle, TokenError>,
    ) -> Result<(), TokenError> {
        let made = (|| {
            if id.algorithm != Algorithm::Aes128 {
                return Err(TokenError::Algorithm(*id));
            }
            let _turn = slot::turn(&self.uri.module);
            create::create(&self.writable()?, id, &mut template, imported, make)
        })();
        answer::wipe(&mut template);
        let found = Found { object: Ok(made?), misuse: Misuse::default() };
        self.inner().roots.insert(*id, found);
        Ok(())
    }

    /// A session that may change the token. The login holds for every session with it.
    fn writable(&self) -> Result<Session, TokenError> {
        self.context.open_rw_session(self.slot).map_err(TokenError::of("C_OpenSession"))
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
            Some(found) => Ok(found.object.clone()?),
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
            key = answer::session_key(&self.session, &*bytes?)?;
        }
        if key != root
            && let Some((_, old)) = self.branches.insert(*id, (path, key))
        {
            self.destroy(old);
        }
        Ok(key)
    }

    fn cmac(&self, key: ObjectHandle, message: &[u8]) -> Result<Tag, TokenError> {
        answer::cmac(&self.session, key, message)
    }

    /// Session objects end with the session anyway, so a refusal is of no consequence.
    fn destroy(&self, key: ObjectHandle) {
        let _ = self.session.destroy_object(key);
    }
}

//! The reference card, the terminal that talks to it, and the comparison with the real card. The
//! fuzz targets use them too.

pub(crate) mod basic;
pub(crate) mod card;
pub(crate) mod cipher;
pub(crate) mod command;
pub(crate) mod compare;
pub(crate) mod files;
pub(crate) mod keys;
pub(crate) mod life;
pub(crate) mod plans;
pub(crate) mod purse;
pub(crate) mod record;
pub(crate) mod rng;
pub(crate) mod run;
pub(crate) mod security;
pub(crate) mod session;
pub(crate) mod tdes;
pub(crate) mod terminal;
pub(crate) mod wallet_plans;
pub(crate) mod zone;

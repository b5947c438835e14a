//! A card's memory behind a write cache, with a tape of all that is done to it.
//!
//! Power that goes leaves the write it hits torn, as in [`RamNvm`]. What was written after the last
//! sync is still in the cache then: it outlives a card that is reset, and not a process that ends,
//! which keeps any part of it that the barriers allow.

use xuejika_card_model::nvm::{Cut, Nvm, NvmError, RamNvm};

use super::rng::Rng;

/// What is done to a memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// These bytes were written from this offset on.
    Write(usize, Vec<u8>),
    Barrier,
    Sync,
}

/// A memory.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    /// What the card sees.
    bytes: Vec<u8>,
    /// What is left when the cache is lost as a whole.
    durable: Vec<u8>,
    /// Writes and barriers since the last sync.
    cached: Vec<Op>,
    tape: Vec<Op>,
    cut: Option<Cut>,
    powered: bool,
}

impl Memory {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let durable = bytes.clone();
        Self { bytes, durable, cached: Vec::new(), tape: Vec::new(), cut: None, powered: true }
    }

    /// Puts other contents in, all of them durable.
    pub(crate) fn restore(&mut self, bytes: &[u8]) {
        self.restore_cached(bytes, bytes, &[]);
    }

    /// Puts other contents in, not all of them durable.
    pub(crate) fn restore_cached(&mut self, bytes: &[u8], durable: &[u8], cached: &[Op]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        self.durable.clear();
        self.durable.extend_from_slice(durable);
        self.cached.clear();
        self.cached.extend_from_slice(cached);
        self.tape.clear();
        self.cut = None;
        self.powered = true;
    }

    /// Plans a power cut, or none.
    pub(crate) const fn arm(&mut self, cut: Option<Cut>) {
        self.cut = cut;
    }

    pub(crate) fn durable(&self) -> &[u8] {
        &self.durable
    }

    pub(crate) fn cached(&self) -> &[Op] {
        &self.cached
    }

    /// What was done since this was asked last.
    pub(crate) fn take_tape(&mut self) -> Vec<Op> {
        core::mem::take(&mut self.tape)
    }
}

impl Nvm for Memory {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn write(&mut self, offset: usize, new: &[u8]) -> Result<(), NvmError> {
        if !self.powered {
            return Err(NvmError::PowerLost);
        }
        let range = offset..offset.saturating_add(new.len());
        let old = self.bytes.get_mut(range).ok_or(NvmError::OutOfRange)?;
        let cut = match &mut self.cut {
            Some(cut) if cut.after_writes == 0 => self.cut.take(),
            Some(cut) => {
                cut.after_writes -= 1;
                None
            }
            None => None,
        };
        let landed = cut.map_or_else(|| new.to_vec(), |cut| torn(old, new, cut));
        old.copy_from_slice(&landed);
        self.cached.push(Op::Write(offset, landed.clone()));
        self.tape.push(Op::Write(offset, landed));
        self.powered = cut.is_none();
        if self.powered { Ok(()) } else { Err(NvmError::PowerLost) }
    }

    fn barrier(&mut self) -> Result<(), NvmError> {
        if !self.powered {
            return Err(NvmError::PowerLost);
        }
        self.cached.push(Op::Barrier);
        self.tape.push(Op::Barrier);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), NvmError> {
        if !self.powered {
            return Err(NvmError::PowerLost);
        }
        for op in self.cached.drain(..) {
            apply(&mut self.durable, &op);
        }
        self.tape.push(Op::Sync);
        Ok(())
    }

    fn power_on(&mut self) -> Result<(), NvmError> {
        self.powered = true;
        Ok(())
    }
}

/// What a cut leaves of `new` over `old`.
pub(crate) fn torn(old: &[u8], new: &[u8], cut: Cut) -> Vec<u8> {
    let mut ram = RamNvm::new(old.to_vec());
    ram.arm(Some(Cut { after_writes: 0, ..cut }));
    assert_eq!(ram.write(0, new), Err(NvmError::PowerLost));
    ram.into_bytes()
}

pub(crate) fn apply(bytes: &mut [u8], op: &Op) {
    if let Op::Write(offset, new) = op {
        bytes[*offset..*offset + new.len()].copy_from_slice(new);
    }
}

/// What is left when a process ends with this in its cache: everything before some barrier, any of
/// the writes between it and the next, nothing behind that.
pub(crate) fn lost(durable: &[u8], cached: &[Op], rng: &mut Rng) -> Vec<u8> {
    let mut left = durable.to_vec();
    let spans: Vec<&[Op]> = cached.split(|op| *op == Op::Barrier).collect();
    let reached = rng.below(spans.len());
    for op in spans[..reached].iter().copied().flatten() {
        apply(&mut left, op);
    }
    for op in spans[reached] {
        if rng.one_in(2) {
            apply(&mut left, op);
        }
    }
    left
}

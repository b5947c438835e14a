//! Non-volatile memory, and the ways in which a write can be torn.

use alloc::vec::Vec;

use zeroize::Zeroize;

/// Memory that keeps its bytes without power and can be read in place.
pub trait Nvm {
    /// All bytes.
    fn bytes(&self) -> &[u8];

    /// Overwrites the bytes from `offset` on.
    ///
    /// # Errors
    /// Returns an [`NvmError`] when power went or the range does not exist. After power loss any
    /// part of the range may hold old, new or damaged bytes; nothing outside it has changed.
    fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<(), NvmError>;

    /// Returns when everything written so far will be kept before anything written later: memory that
    /// gathers writes may not reorder them across this. Nothing need be kept yet.
    ///
    /// # Errors
    /// Returns [`NvmError::Storage`] when that cannot be promised.
    fn barrier(&mut self) -> Result<(), NvmError>;

    /// Returns when everything written so far would survive the end of the process.
    ///
    /// # Errors
    /// Returns [`NvmError::Storage`] when that cannot be promised.
    fn sync(&mut self) -> Result<(), NvmError>;

    /// Called whenever power comes up, before anything is read or written.
    ///
    /// # Errors
    /// Returns [`NvmError::Storage`] when the contents cannot be had.
    fn power_on(&mut self) -> Result<(), NvmError>;
}

/// Why a write did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NvmError {
    /// Power was cut.
    #[error("power was lost during a write")]
    PowerLost,
    /// The backing store failed.
    #[error("the store behind the memory failed")]
    Storage,
    /// A write does not fit the memory.
    #[error("a write reaches beyond the memory")]
    OutOfRange,
}

/// What a power cut leaves of the write it hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Torn {
    /// The first bytes are new, the rest is old.
    Prefix,
    /// The first bytes are new, the rest is erased to this value (FF or 00).
    Erased(u8),
    /// The first bytes are new; in the rest each bit that was to change is old or new, by this seed.
    Random(u64),
}

/// A planned power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// How many more writes succeed before the one that is hit.
    pub after_writes: u64,
    /// How many bytes of that write arrive. More than it has: all, and power goes right after it.
    pub after_bytes: usize,
    /// What becomes of the others.
    pub torn: Torn,
}

impl Cut {
    /// A clean cut in front of write `n`, counted from 0.
    #[must_use]
    pub const fn before_write(n: u64) -> Self {
        Self { after_writes: n, after_bytes: 0, torn: Torn::Prefix }
    }
}

/// Memory in RAM, with a fuse that can cut power in mid-write.
#[derive(Clone)]
pub struct RamNvm {
    bytes: Vec<u8>,
    cut: Option<Cut>,
    powered: bool,
    /// Whether writes are still taken.
    writable: bool,
    writes: u64,
    bytes_written: u64,
}

impl RamNvm {
    /// Memory with these contents.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, cut: None, powered: true, writable: true, writes: 0, bytes_written: 0 }
    }

    /// Plans a power cut, or none, replacing an earlier plan.
    pub const fn arm(&mut self, cut: Option<Cut>) {
        self.cut = cut;
    }

    /// Takes no write any more: each is [`NvmError::OutOfRange`], as if there were no room for it.
    pub const fn wear_out(&mut self) {
        self.writable = false;
    }

    /// Number of writes begun so far, to find every place where power can go.
    #[must_use]
    pub const fn writes(&self) -> u64 {
        self.writes
    }

    /// Number of bytes those writes carried.
    #[must_use]
    pub const fn bytes_written(&self) -> u64 {
        self.bytes_written
    }

    /// Gives the contents back.
    #[must_use]
    pub fn into_bytes(mut self) -> Vec<u8> {
        core::mem::take(&mut self.bytes)
    }

    /// Counts the write down to the cut; says how many bytes of it arrive when this is the one.
    fn fuse(&mut self) -> Option<Cut> {
        let cut = self.cut.as_mut()?;
        if cut.after_writes > 0 {
            cut.after_writes -= 1;
            return None;
        }
        self.powered = false;
        self.cut.take()
    }
}

/// It holds keys.
impl Drop for RamNvm {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl core::fmt::Debug for RamNvm {
    /// The memory holds keys and is not shown.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { bytes, cut, powered, writes, .. } = self;
        f.debug_struct("RamNvm")
            .field("len", &bytes.len())
            .field("cut", cut)
            .field("powered", powered)
            .field("writes", writes)
            .finish_non_exhaustive()
    }
}

impl Nvm for RamNvm {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn write(&mut self, offset: usize, new: &[u8]) -> Result<(), NvmError> {
        if !self.powered {
            return Err(NvmError::PowerLost);
        }
        if !self.writable {
            return Err(NvmError::OutOfRange);
        }
        let cut = self.fuse();
        self.writes += 1;
        self.bytes_written += new.len() as u64;
        let old = offset
            .checked_add(new.len())
            .and_then(|end| self.bytes.get_mut(offset..end))
            .ok_or(NvmError::OutOfRange)?;
        match cut {
            None => {
                old.copy_from_slice(new);
                Ok(())
            }
            Some(cut) => {
                tear(old, new, cut);
                Err(NvmError::PowerLost)
            }
        }
    }

    /// Every write is kept at once.
    fn barrier(&mut self) -> Result<(), NvmError> {
        self.sync()
    }

    fn sync(&mut self) -> Result<(), NvmError> {
        if self.powered { Ok(()) } else { Err(NvmError::PowerLost) }
    }

    /// Restores power. A cut that has not fired stays planned, so that recovery can be cut too.
    fn power_on(&mut self) -> Result<(), NvmError> {
        self.powered = true;
        Ok(())
    }
}

fn tear(old: &mut [u8], new: &[u8], cut: Cut) {
    let mut noise = match cut.torn {
        Torn::Random(seed) => seed | 1,
        _ => 1,
    };
    for (index, (old, new)) in old.iter_mut().zip(new).enumerate() {
        *old = match cut.torn {
            _ if index < cut.after_bytes => *new,
            Torn::Prefix => *old,
            Torn::Erased(value) => value,
            Torn::Random(_) => {
                let [mask, ..] = xorshift(&mut noise).to_be_bytes();
                *old ^ (mask & (*old ^ *new))
            }
        };
    }
}

/// Marsaglia's xorshift64: enough to scatter torn bits, the same on every run.
fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[cfg(test)]
mod tests {
    use super::*;

    fn torn(after_bytes: usize, torn: Torn) -> Vec<u8> {
        let mut nvm = RamNvm::new(alloc::vec![0x0F; 6]);
        nvm.arm(Some(Cut { after_writes: 1, after_bytes, torn }));
        nvm.write(0, &[0xAA]).unwrap();
        assert_eq!(nvm.write(1, &[0xF0; 4]), Err(NvmError::PowerLost));
        assert_eq!(nvm.write(1, &[0xF0; 4]), Err(NvmError::PowerLost));
        assert_eq!(nvm.sync(), Err(NvmError::PowerLost));
        nvm.power_on().unwrap();
        nvm.write(5, &[0xBB]).unwrap();
        nvm.into_bytes()
    }

    #[test]
    fn tears_only_the_write_it_hits() {
        assert_eq!(torn(2, Torn::Prefix), [0xAA, 0xF0, 0xF0, 0x0F, 0x0F, 0xBB]);
        assert_eq!(torn(0, Torn::Erased(0xFF)), [0xAA, 0xFF, 0xFF, 0xFF, 0xFF, 0xBB]);
        assert_eq!(torn(4, Torn::Erased(0x00)), [0xAA, 0xF0, 0xF0, 0xF0, 0xF0, 0xBB]);
        let random = torn(1, Torn::Random(7));
        assert_eq!((random[0], random[1], random[5]), (0xAA, 0xF0, 0xBB));
        assert_eq!(random, torn(1, Torn::Random(7)));
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let mut nvm = RamNvm::new(alloc::vec![0; 4]);
        assert_eq!(nvm.write(3, &[1, 2]), Err(NvmError::OutOfRange));
        assert_eq!(nvm.write(usize::MAX, &[1, 2]), Err(NvmError::OutOfRange));
        assert_eq!(nvm.bytes(), [0; 4]);
    }
}

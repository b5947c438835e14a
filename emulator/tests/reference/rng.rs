//! Choices, from a seed or from the bytes of a fuzzer.

/// Where the choices come from.
#[derive(Clone, Debug)]
enum Source {
    /// `SplitMix64`.
    Seed(u64),
    /// One byte a choice; zeros behind the last.
    Bytes(std::vec::IntoIter<u8>),
}

/// A row of choices.
#[derive(Clone, Debug)]
pub(crate) struct Rng(Source);

impl Rng {
    /// The choices of this seed, in the stream of this name: the same on every run.
    pub(crate) fn new(seed: u64, stream: &str) -> Self {
        let mut state = seed;
        for byte in stream.bytes() {
            state = split_mix(&mut state) ^ u64::from(byte);
        }
        Self(Source::Seed(state))
    }

    /// The choices these bytes stand for.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(Source::Bytes(Vec::from(bytes).into_iter()))
    }

    /// Whether all bytes are used up.
    pub(crate) fn is_used_up(&self) -> bool {
        matches!(&self.0, Source::Bytes(bytes) if bytes.len() == 0)
    }

    pub(crate) fn next(&mut self) -> u64 {
        match &mut self.0 {
            Source::Seed(state) => split_mix(state),
            Source::Bytes(bytes) => bytes.next().unwrap_or_default().into(),
        }
    }

    /// A number below `end`; 0 when there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap();
        usize::try_from(self.next() % end).unwrap()
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        core::array::from_fn(|_| self.next().to_le_bytes()[0])
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

//! Benchmarks only; see `benches/layers.rs`. Each group measures a piece of this workspace beside a
//! named alternative in the same run, so that the ratio means something on any machine.
#![forbid(unsafe_code)]

//! Decoders on evidence that is made as kernels make it, by builders that know the decoders' types.

#![allow(clippy::unwrap_used)]

mod printk_ring;
mod vmcore;

//! The instruction sets the kernels are compiled for, and the choice between them at run
//! time.

use std::any::TypeId;
use std::sync::OnceLock;

use pulp::{Scalar128b, Simd, WithSimd};

use crate::error::{Error, Result};

/// A set of vector instructions that this machine has.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) enum Isa {
    /// AVX-512: 16 lanes, 32 registers.
    #[cfg(target_arch = "x86_64")]
    Avx512(pulp::x86::V4),
    /// AVX2 with FMA: 8 lanes, 16 registers.
    #[cfg(target_arch = "x86_64")]
    Avx2(pulp::x86::V3),
    /// NEON: 4 lanes, 32 registers.
    #[cfg(target_arch = "aarch64")]
    Neon(pulp::aarch64::Neon),
    /// What every machine of the architecture has, as the compiler vectorizes it: 4 lanes.
    Portable,
}

impl Isa {
    /// Everything this machine can run, best first; the last is always `Portable`.
    pub(in crate::engine) fn available() -> Vec<Isa> {
        let mut found = vec![];
        #[cfg(target_arch = "x86_64")]
        {
            found.extend(pulp::x86::V4::try_new().map(Isa::Avx512));
            found.extend(pulp::x86::V3::try_new().map(Isa::Avx2));
        }
        #[cfg(target_arch = "aarch64")]
        found.extend(pulp::aarch64::Neon::try_new().map(Isa::Neon));
        found.push(Isa::Portable);
        found
    }

    /// The best available set, or the one that the environment variable `STRATAGRAM_ISA`
    /// names; the variable is read once.
    ///
    /// # Errors
    /// If the variable names a set that this machine does not have.
    pub(in crate::engine) fn selected() -> Result<Isa> {
        static WISH: OnceLock<Option<String>> = OnceLock::new();
        let wish = WISH.get_or_init(|| std::env::var("STRATAGRAM_ISA").ok());
        let available = Self::available();
        match wish {
            None => Ok(available[0]),
            Some(name) => available
                .iter()
                .copied()
                .find(|isa| isa.name() == name)
                .ok_or_else(|| {
                    let names: Vec<_> = available.iter().map(|isa| isa.name()).collect();
                    Error::usage("`STRATAGRAM_ISA`", format!("is \"{name}\""))
                        .expected(format!("on this machine one of {}", names.join(", ")))
                        .fix("unset it to take the best")
                }),
        }
    }

    /// The name that `STRATAGRAM_ISA` takes.
    pub(in crate::engine) fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(_) => "avx2",
            #[cfg(target_arch = "aarch64")]
            Isa::Neon(_) => "neon",
            Isa::Portable => "portable",
        }
    }

    /// Values in one vector.
    pub(in crate::engine) fn lanes(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(_) => 16,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(_) => 8,
            _ => 4,
        }
    }

    /// Vectors that the register file holds.
    pub(super) fn registers(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(_) => 32,
            #[cfg(target_arch = "aarch64")]
            Isa::Neon(_) => 32,
            _ => 16,
        }
    }

    /// Runs an operation compiled for this set.
    #[inline]
    pub(super) fn run<Op: WithSimd>(self, op: Op) -> Op::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(simd) => Simd::vectorize(simd, op),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(simd) => Simd::vectorize(simd, op),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon(simd) => Simd::vectorize(simd, op),
            Isa::Portable => Scalar128b.vectorize(op),
        }
    }
}

/// a·b + c: fused where the instruction set has it, else two roundings (a fused product in
/// software would be a library call for each lane).
#[inline(always)]
pub(super) fn mul_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
    if TypeId::of::<S>() == TypeId::of::<Scalar128b>() {
        simd.add_f32s(simd.mul_f32s(a, b), c)
    } else {
        simd.mul_add_e_f32s(a, b, c)
    }
}

/// The sum of a vector's lanes in f64, first lane first.
#[inline(always)]
pub(super) fn sum_lanes<S: Simd>(vector: S::f32s) -> f64 {
    let lanes: &[f32] = pulp::bytemuck::cast_slice(std::slice::from_ref(&vector));
    lanes.iter().map(|&lane| f64::from(lane)).sum()
}

/// A slice of whole vectors.
#[inline(always)]
pub(super) fn vectors<S: Simd>(values: &[f32]) -> &[S::f32s] {
    S::as_simd_f32s(values).0
}

/// A mutable slice of whole vectors.
#[inline(always)]
pub(super) fn vectors_mut<S: Simd>(values: &mut [f32]) -> &mut [S::f32s] {
    S::as_mut_simd_f32s(values).0
}

//! Which instruction set runs: detected once, forced by scope or by environment.
//!
//! A kernel reads [`current`] at its entry and passes the value to its workers, so that a scope set by the caller holds
//! on every thread. Forcing an absent instruction set is an error, never a silent fallback: a test that believes it ran
//! AVX-512 must have run AVX-512.
//!
//! `ETUDE_ISA=scalar|avx2|avx512|amx|neon` lowers the choice for a whole run.

use std::cell::Cell;
use std::fmt;
use std::sync::OnceLock;

use pulp::{Scalar, Simd, WithSimd};

use crate::elem::Real;
use crate::gemm::tiles_present;
use crate::scoped;

/// An instruction set for which every kernel of f32 is compiled; f64 takes AVX2 where AVX-512 is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Isa {
    /// One lane; the portable reference.
    Scalar,
    /// x86-64 with AVX2 and FMA: 8 lanes of f32.
    Avx2,
    /// x86-64 with AVX-512 F, BW, CD, DQ and VL: 16 lanes of f32.
    Avx512,
    /// AVX-512 and the tile unit with bf16 (AMX), on Linux. Lanes are those of [`Isa::Avx512`], and so is every result,
    /// unless [`crate::precision`] allows products on the unit.
    Amx,
    /// AArch64: 4 lanes of f32.
    Neon,
}

impl Isa {
    /// All of them, the slower first on each architecture.
    pub const ALL: [Isa; 5] = [Isa::Scalar, Isa::Avx2, Isa::Avx512, Isa::Amx, Isa::Neon];

    /// The sets that this machine has, slowest first. `Scalar` is always among them.
    pub fn available() -> Vec<Isa> {
        Isa::ALL.into_iter().filter(|isa| isa.is_available()).collect()
    }

    /// Whether this machine has the instruction set.
    pub fn is_available(self) -> bool {
        match self {
            Isa::Scalar => true,
            Isa::Avx2 => tokens().avx2.is_some(),
            Isa::Avx512 => tokens().avx512.is_some(),
            Isa::Amx => tokens().avx512.is_some() && tiles_present(),
            Isa::Neon => tokens().neon.is_some(),
        }
    }

    /// Elements of f32 in a register.
    pub(crate) fn lanes(self) -> usize {
        match self {
            Isa::Scalar => 1,
            Isa::Neon => 4,
            Isa::Avx2 => 8,
            Isa::Avx512 | Isa::Amx => 16,
        }
    }

    /// The name that `ETUDE_ISA` takes.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Amx => "amx",
            Isa::Neon => "neon",
        }
    }

    /// The instruction set of that name.
    pub fn from_name(name: &str) -> Option<Isa> {
        Isa::ALL.into_iter().find(|isa| isa.name() == name)
    }

    /// Runs `op` compiled for this instruction set.
    ///
    /// # Panics
    /// If the machine lacks it.
    // Never inlined: a kernel is one instance for each operation, not one for each place that calls it.
    #[inline(never)]
    pub fn run<Op: WithSimd>(self, op: Op) -> Op::Output {
        match self {
            Isa::Scalar => Simd::vectorize(Scalar::new(), op),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Simd::vectorize(tokens().avx2.unwrap_or_else(|| absent(self)), op),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::Amx => Simd::vectorize(tokens().avx512.unwrap_or_else(|| absent(self)), op),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => Simd::vectorize(tokens().neon.unwrap_or_else(|| absent(self)), op),
            #[allow(unreachable_patterns)]
            _ => absent(self),
        }
    }

    /// Runs `op`, which works on registers of `T`. f64 checks gradients and serves small statistics: it takes AVX2's
    /// registers on AVX-512 too, since a third form of every kernel is an eighth of this crate's code.
    pub(crate) fn run_on<T: Real, Op: WithSimd>(self, op: Op) -> Op::Output {
        if const { T::F32 } { self.run(op) } else { self.run_narrow(op) }
    }

    #[inline(never)]
    fn run_narrow<Op: WithSimd>(self, op: Op) -> Op::Output {
        match self {
            Isa::Scalar => Simd::vectorize(Scalar::new(), op),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::Avx512 | Isa::Amx => Simd::vectorize(tokens().avx2.unwrap_or_else(|| absent(self)), op),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => Simd::vectorize(tokens().neon.unwrap_or_else(|| absent(self)), op),
            #[allow(unreachable_patterns)]
            _ => absent(self),
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cold]
fn absent(isa: Isa) -> ! {
    panic!("isa: this machine has no {isa}; it has {:?}", Isa::available())
}

/// pulp's proofs that a feature is present, looked up once.
#[cfg(target_arch = "x86_64")]
struct Tokens {
    avx2: Option<pulp::x86::V3>,
    avx512: Option<pulp::x86::V4>,
    neon: Option<()>,
}
#[cfg(target_arch = "aarch64")]
struct Tokens {
    avx2: Option<()>,
    avx512: Option<()>,
    neon: Option<pulp::aarch64::Neon>,
}
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
struct Tokens {
    avx2: Option<()>,
    avx512: Option<()>,
    neon: Option<()>,
}

fn tokens() -> &'static Tokens {
    static TOKENS: OnceLock<Tokens> = OnceLock::new();
    TOKENS.get_or_init(|| {
        #[cfg(target_arch = "x86_64")]
        return Tokens { avx2: pulp::x86::V3::try_new(), avx512: pulp::x86::V4::try_new(), neon: None };
        #[cfg(target_arch = "aarch64")]
        return Tokens { avx2: None, avx512: None, neon: pulp::aarch64::Neon::try_new() };
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        return Tokens { avx2: None, avx512: None, neon: None };
    })
}

thread_local! {
    static FORCED: Cell<Option<Isa>> = const { Cell::new(None) };
}

/// The instruction set that a kernel entered now would use: the innermost [`with`], else `ETUDE_ISA`, else the best.
///
/// # Panics
/// If `ETUDE_ISA` names an unknown or absent instruction set.
#[inline]
pub fn current() -> Isa {
    FORCED.get().unwrap_or_else(default)
}

fn default() -> Isa {
    static DEFAULT: OnceLock<Isa> = OnceLock::new();
    *DEFAULT.get_or_init(|| match std::env::var("ETUDE_ISA") {
        Ok(name) => {
            let isa = Isa::from_name(&name)
                .unwrap_or_else(|| panic!("ETUDE_ISA={name}: unknown; it takes scalar, avx2, avx512, amx or neon"));
            assert!(isa.is_available(), "ETUDE_ISA={name}: this machine has {:?}", Isa::available());
            isa
        }
        Err(_) => *Isa::available().last().expect("scalar is always available"),
    })
}

/// Runs `f` with `isa` forced on this thread, and on the workers of the kernels that `f` calls.
///
/// # Panics
/// If the machine lacks it.
pub fn with<R>(isa: Isa, f: impl FnOnce() -> R) -> R {
    if !isa.is_available() {
        absent(isa)
    }
    scoped::with(&FORCED, Some(isa), f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_nest_and_restore() {
        let outer = current();
        with(Isa::Scalar, || {
            assert_eq!(current(), Isa::Scalar);
            for isa in Isa::available() {
                with(isa, || assert_eq!(current(), isa));
            }
            assert_eq!(current(), Isa::Scalar);
        });
        assert_eq!(current(), outer);
    }

    #[test]
    fn a_scope_ends_with_a_panic_too() {
        let outer = current();
        let _ = std::panic::catch_unwind(|| with(Isa::Scalar, || panic!("expected")));
        assert_eq!(current(), outer);
    }

    #[test]
    fn an_absent_set_is_refused() {
        let absent = if cfg!(target_arch = "aarch64") { Isa::Avx2 } else { Isa::Neon };
        let error = std::panic::catch_unwind(|| with(absent, || ())).expect_err("must refuse");
        assert!(error.downcast_ref::<String>().expect("a message").contains(absent.name()));
    }
}

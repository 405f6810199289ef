//! Floats of 16 bits, as they lie in files and in packed weights: bf16 and the half precision of IEEE 754.
//!
//! Every value of both is a value of f32, so that widening is exact. Narrowing to bf16 rounds to the nearest, ties to
//! even. These are three conversions, not two number types: arithmetic on 16 bits is nowhere done. (The crate `half` has
//! the types; it takes a seventh of a small program's build with it, and is the tests' yardstick here.)

/// The f32 whose upper half these bits are.
#[inline]
pub fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The bits of the bf16 nearest to `x`, ties to even. What is beyond the largest becomes infinite, NaN stays NaN.
#[inline]
pub fn bf16_from_f32(x: f32) -> u16 {
    let bits = x.to_bits();
    if x.is_nan() {
        // The upper half of a NaN may be that of an infinity: the quiet bit makes it one in any case.
        return (bits >> 16) as u16 | 0x0040;
    }
    // Half a unit, less one bit of the last place kept where that is 0, so that ties go to even.
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

/// The f32 equal to a number of half precision: 1 bit of sign, 5 of exponent (offset 15), 10 of significand.
#[inline]
pub fn f16_to_f32(bits: u16) -> f32 {
    /// 2¹¹²: the offsets of the exponents are 127 and 15.
    const REBIAS: f32 = f32::from_bits((112 + 127) << 23);
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7fff) << 13;
    let widened = if bits & 0x7c00 == 0x7c00 {
        // Infinite, or NaN, which is made quiet.
        let quiet = if bits & 0x03ff == 0 { 0 } else { 0x0040_0000 };
        0x7f80_0000 | magnitude | quiet
    } else {
        // Exact, for subnormal numbers too: those of half precision are normal in f32.
        (f32::from_bits(magnitude) * REBIAS).to_bits()
    };
    f32::from_bits(sign | widened)
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn widening_is_that_of_half_for_every_number() {
        for bits in 0..=u16::MAX {
            assert_eq!(f16_to_f32(bits).to_bits(), f16::from_bits(bits).to_f32().to_bits(), "f16 {bits:#06x}");
            let wide = bf16_to_f32(bits);
            assert_eq!(wide.to_bits(), u32::from(bits) << 16, "bf16 {bits:#06x}");
            if !wide.is_nan() {
                assert_eq!(bf16_from_f32(wide), bits, "there and back");
            }
        }
    }

    #[test]
    fn narrowing_is_that_of_half_around_every_number() {
        // Both neighbours of each bf16, both neighbours of each tie, and the ties.
        for upper in 0..=u16::MAX {
            for lower in [0u32, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
                let x = f32::from_bits(u32::from(upper) << 16 | lower);
                assert_eq!(bf16_from_f32(x), bf16::from_f32(x).to_bits(), "{x:e} = {:#010x}", x.to_bits());
            }
        }
    }

    proptest! {
        #[test]
        fn narrowing_is_that_of_half(bits: u32) {
            let x = f32::from_bits(bits);
            prop_assert_eq!(bf16_from_f32(x), bf16::from_f32(x).to_bits());
        }
    }
}

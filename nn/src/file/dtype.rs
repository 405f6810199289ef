//! The element types of safetensors files, and how their bytes become ours.
//!
//! Floats of any width are read as f32, integers and truth values as i64; both widenings are exact. Narrowing f64 rounds
//! to the nearest f32, and a finite value that would become infinite is an error, as is a u64 beyond i64.

use etude_kernels::narrow::{bf16_to_f32, f16_to_f32};

/// What an element type is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `Tensor<f32>`.
    Float,
    /// `Tensor<i64>`.
    Int,
}

macro_rules! dtypes {
    ($($(#[doc = $doc:literal])* $variant:ident $name:literal $bytes:literal $kind:expr),* $(,)?) => {
        /// An element type in a file.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Dtype {
            $($(#[doc = $doc])* $variant),*
        }
        impl Dtype {
            pub(crate) fn parse(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Dtype::$variant),)*
                    _ => None,
                }
            }
            /// The name in the file.
            pub fn name(self) -> &'static str {
                match self { $(Dtype::$variant => $name),* }
            }
            /// Bytes an element.
            pub fn bytes(self) -> u64 {
                match self { $(Dtype::$variant => $bytes),* }
            }
            /// What it is read as; `None` for types that have no counterpart here.
            pub fn kind(self) -> Option<Kind> {
                match self { $(Dtype::$variant => $kind),* }
            }
        }
    };
}
dtypes! {
    /// Truth values.
    Bool "BOOL" 1 Some(Kind::Int),
    /// Unsigned, 8 bits.
    U8 "U8" 1 Some(Kind::Int),
    /// Signed, 8 bits.
    I8 "I8" 1 Some(Kind::Int),
    /// Unsigned, 16 bits.
    U16 "U16" 2 Some(Kind::Int),
    /// Signed, 16 bits.
    I16 "I16" 2 Some(Kind::Int),
    /// Unsigned, 32 bits.
    U32 "U32" 4 Some(Kind::Int),
    /// Signed, 32 bits.
    I32 "I32" 4 Some(Kind::Int),
    /// Unsigned, 64 bits.
    U64 "U64" 8 Some(Kind::Int),
    /// Signed, 64 bits.
    I64 "I64" 8 Some(Kind::Int),
    /// IEEE half precision.
    F16 "F16" 2 Some(Kind::Float),
    /// The upper half of an f32.
    Bf16 "BF16" 2 Some(Kind::Float),
    /// IEEE single precision.
    F32 "F32" 4 Some(Kind::Float),
    /// IEEE double precision.
    F64 "F64" 8 Some(Kind::Float),
    /// Eight-bit float, 5 bits of exponent.
    F8E5M2 "F8_E5M2" 1 None,
    /// Eight-bit float, 4 bits of exponent.
    F8E4M3 "F8_E4M3" 1 None,
    /// Complex of two f32.
    C64 "C64" 8 None,
}

/// Appends little-endian elements; the error is a value that does not fit.
pub(crate) fn decode_floats(dtype: Dtype, bytes: &[u8], out: &mut Vec<f32>) -> Result<(), String> {
    match dtype {
        Dtype::F32 => out.extend(bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b))),
        Dtype::F16 => out.extend(bytes.as_chunks().0.iter().map(|&b| f16_to_f32(u16::from_le_bytes(b)))),
        Dtype::Bf16 => out.extend(bytes.as_chunks().0.iter().map(|&b| bf16_to_f32(u16::from_le_bytes(b)))),
        Dtype::F64 => {
            for &b in bytes.as_chunks().0 {
                let wide = f64::from_le_bytes(b);
                let x = wide as f32;
                if x.is_infinite() && wide.is_finite() {
                    return Err(format!("{wide:e}"));
                }
                out.push(x);
            }
        }
        _ => return Err(format!("of type {}", dtype.name())),
    }
    Ok(())
}

/// Appends little-endian elements; the error is a value that does not fit.
pub(crate) fn decode_ints(dtype: Dtype, bytes: &[u8], out: &mut Vec<i64>) -> Result<(), String> {
    match dtype {
        Dtype::Bool | Dtype::U8 => out.extend(bytes.iter().map(|&b| i64::from(b))),
        Dtype::I8 => out.extend(bytes.iter().map(|&b| i64::from(b as i8))),
        Dtype::U16 => out.extend(bytes.as_chunks().0.iter().map(|&b| i64::from(u16::from_le_bytes(b)))),
        Dtype::I16 => out.extend(bytes.as_chunks().0.iter().map(|&b| i64::from(i16::from_le_bytes(b)))),
        Dtype::U32 => out.extend(bytes.as_chunks().0.iter().map(|&b| i64::from(u32::from_le_bytes(b)))),
        Dtype::I32 => out.extend(bytes.as_chunks().0.iter().map(|&b| i64::from(i32::from_le_bytes(b)))),
        Dtype::I64 => out.extend(bytes.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b))),
        Dtype::U64 => {
            for &b in bytes.as_chunks().0 {
                let x = u64::from_le_bytes(b);
                out.push(i64::try_from(x).map_err(|_| x.to_string())?);
            }
        }
        _ => return Err(format!("of type {}", dtype.name())),
    }
    Ok(())
}

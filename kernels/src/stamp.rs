//! `stamp!`: generic doors over concrete code.
//!
//! Rust compiles a generic function again in every crate that calls it. A door made by `stamp!` is one forwarding call
//! to a method of a hidden trait whose implementations for `f32`, `f64` (and `i64`, `bool` for plain movement of data)
//! are compiled once, here.
//!
//! `stamp! { Hidden: Real = [f32, f64]; /// doc pub fn door(x: &mut [T]) = body; }` expands to the trait `Hidden<T>`, its
//! implementations calling `body::<f32>` and `body::<f64>`, and `pub fn door<T: Real>(x: &mut [T])`.

macro_rules! stamp {
    ($hidden:ident: $bound:ident = $types:tt; $($functions:tt)*) => {
        $crate::stamp::stamp!(@doors $hidden $bound { $($functions)* });
        $crate::stamp::stamp!(@each $hidden $types { $($functions)* });
    };
    (@each $hidden:ident [$($t:ident),*] $functions:tt) => {
        $($crate::stamp::stamp!(@one $hidden $t $functions);)*
    };
    (@doors $hidden:ident $bound:ident {
        $($(#[$doc:meta])* pub fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? = $body:path;)*
    }) => {
        #[doc(hidden)]
        #[allow(missing_docs, clippy::too_many_arguments)]
        pub trait $hidden<T> {
            $(fn $name($($arg: $ty),*) $(-> $ret)?;)*
        }
        $(
            $(#[$doc])*
            #[allow(clippy::too_many_arguments)]
            #[inline]
            pub fn $name<T: $bound>($($arg: $ty),*) $(-> $ret)? {
                <T as $hidden<T>>::$name($($arg),*)
            }
        )*
    };
    (@one $hidden:ident $t:ident {
        $($(#[$doc:meta])* pub fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? = $body:path;)*
    }) => {
        const _: () = {
            type T = $t;
            impl $hidden<T> for T {
                $(fn $name($($arg: $ty),*) $(-> $ret)? {
                    $body($($arg),*)
                })*
            }
        };
    };
}
pub(crate) use stamp;

//! Safetensors files under random damage, and random contents there and back.

use std::collections::{BTreeMap, HashMap};

use etude_autograd::Tensor;
use etude_nn::{Value, file};
use proptest::prelude::*;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};

use crate::safetensors_files::{build, read};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
        let _ = read(&build(&bytes, &[]));
    }

    /// Damage of a valid file of another program, which has no checksum: an error, or what the reference reads too.
    #[test]
    fn damaged_files_are_read_as_the_reference_reads_them(
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let data: Vec<u8> = (0..24).collect();
        let view = |dtype, shape: &[usize], data| TensorView::new(dtype, shape.to_vec(), data).expect("consistent");
        let tensors = [
            ("a", view(Dtype::F32, &[2, 1], &data[..8])),
            ("b", view(Dtype::F16, &[4], &data[8..16])),
            ("c", view(Dtype::I64, &[], &data[16..])),
        ];
        let strings = HashMap::from([("k".to_string(), "v".to_string())]);
        let mut bytes = serialize(tensors, Some(strings)).expect("consistent");
        for (index, byte) in flips {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(ours) = read(&bytes) {
            let theirs = SafeTensors::deserialize(&bytes).expect("the reference accepts what we accept");
            prop_assert_eq!(ours.tensors.len(), theirs.len());
            for (name, value) in &ours.tensors {
                let view = theirs.tensor(name).expect("there");
                prop_assert_eq!(value.shape(), view.shape());
            }
        }
    }

    #[test]
    fn what_is_written_is_read(
        tensors in proptest::collection::btree_map(".{0,12}", proptest::collection::vec(any::<u32>(), 0..9), 0..6),
        note in ".{0,20}",
    ) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("t.safetensors");
        // All bit patterns, NaN payloads included; every other tensor holds integers.
        let tensors: Vec<(String, Value)> = tensors.into_iter().enumerate().map(|(i, (name, bits))| {
            let n = bits.len();
            let value = if i % 2 == 0 {
                Value::Float(Tensor::from_vec(bits.into_iter().map(f32::from_bits).collect(), [n]))
            } else {
                Value::Int(Tensor::from_vec(bits.into_iter().map(|b| i64::from(b) << 20).collect(), [n, 1]))
            };
            (name, value)
        }).collect();
        file::write(&path, &tensors, &BTreeMap::from([("note".to_string(), note.clone())])).expect("writable");
        let contents = file::read(&path).expect("whole");
        prop_assert_eq!(&contents.metadata["note"], &note);
        let by_name: HashMap<&String, &Value> = contents.tensors.iter().map(|(n, v)| (n, v)).collect();
        prop_assert_eq!(by_name.len(), tensors.len());
        for (name, value) in &tensors {
            prop_assert!(by_name[name].same_bits(value), "{}", name);
        }
        SafeTensors::deserialize(&std::fs::read(&path).expect("there")).expect("the reference accepts it");
    }
}

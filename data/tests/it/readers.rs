//! Readers: what is well formed comes back equal, everything else is an error that names it, and nothing panics.

use etude_data::idx::{self, Idx, Values};
use etude_data::series::Series;
use etude_data::table::{Format, Table};
use etude_data::text::{Text, Vocab};
use etude_data::{DataError, mnist};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{cases, gz};

fn arrays() -> impl Strategy<Value = Idx> {
    vec(0usize..4, 1..4).prop_flat_map(|shape| {
        let n: usize = shape.iter().product();
        let values = prop_oneof![
            vec(any::<u8>(), n).prop_map(Values::U8),
            vec(any::<i8>(), n).prop_map(Values::I8),
            vec(any::<i16>(), n).prop_map(Values::I16),
            vec(any::<i32>(), n).prop_map(Values::I32),
            vec(-1e9..1e9f32, n).prop_map(Values::F32),
            vec(-1e9..1e9f64, n).prop_map(Values::F64),
        ];
        values.prop_map(move |values| Idx { file: "a.idx".into(), shape: shape.clone(), values })
    })
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn idx_comes_back_equal(array in arrays()) {
        let bytes = array.encode();
        prop_assert_eq!(&idx::parse(&bytes, "a.idx").expect("well formed"), &array);
        prop_assert_eq!(&idx::parse(&gz(&bytes), "a.idx").expect("well formed"), &array);
    }

    #[test]
    fn idx_cut_anywhere_or_continued_is_an_error(array in arrays(), extra in 1usize..5) {
        let bytes = array.encode();
        for cut in 0..bytes.len() {
            prop_assert!(idx::parse(&bytes[..cut], "a.idx").is_err(), "cut at {}", cut);
        }
        let packed = gz(&bytes);
        for cut in 0..packed.len() {
            prop_assert!(idx::parse(&packed[..cut], "a.idx").is_err(), "gzip cut at {}", cut);
        }
        let longer = [bytes, vec![0; extra]].concat();
        for form in [longer.clone(), gz(&longer)] {
            let error = idx::parse(&form, "a.idx").expect_err("trailing bytes");
            prop_assert!(matches!(error, DataError::Trailing { .. }), "{}", error);
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in vec(any::<u8>(), 0..200), start in 0usize..5) {
        // Half of the noise begins as a real file does, so that it comes past the first check.
        let starts: [&[u8]; 5] = [b"", b"\x00\x00\x08\x01", b"\x1f\x8b\x08\x00", b"\x89PNG\r\n\x1a\n", b"time,x\n1900,1\n"];
        let bytes = [starts[start], &bytes].concat();
        let _ = idx::parse(&bytes, "noise");
        let _ = Table::parse(&bytes, "noise", &Format::tsv()).map(|t| (t.matrix().is_ok(), t.numbers("0").is_ok()));
        let _ = Series::parse(&bytes, "noise");
        let _ = etude_data::picture::Picture::decode(&bytes, "noise");
    }

    #[test]
    fn text_comes_back_equal(text: String, foreign: char) {
        let whole = Text::new(&text);
        prop_assert_eq!(whole.vocab().decode(whole.ids()).expect("its own ids"), text.clone());
        prop_assert_eq!(whole.len(), text.chars().count());
        prop_assert!(whole.vocab().chars().is_sorted());
        let with_foreign = format!("{text}{foreign}");
        let encoded = whole.vocab().encode(&with_foreign);
        prop_assert_eq!(encoded.is_ok(), text.contains(foreign));
    }

    #[test]
    fn a_split_keeps_every_character_once(text: String, held_out in 0.0..=1.0f64) {
        let whole = Text::new(&text);
        let (train, held) = whole.split(held_out).expect("a fraction");
        prop_assert_eq!([train, held].concat(), whole.ids());
        prop_assert!((held.len() as f64 - held_out * whole.len() as f64).abs() <= 0.5);
    }

    #[test]
    fn numbers_of_a_table_come_back_equal(rows in vec(vec(-1e12..1e12f64, 3), 1..20)) {
        let line = |row: &Vec<f64>| row.iter().map(f64::to_string).collect::<Vec<_>>().join(",");
        let csv = format!("a,b,c\n{}", rows.iter().map(line).collect::<Vec<_>>().join("\n"));
        for bytes in [csv.clone().into_bytes(), gz(csv.as_bytes())] {
            let table = Table::parse(&bytes, "t.csv", &Format::default()).expect("well formed");
            prop_assert_eq!(table.matrix().expect("numbers"), rows.concat());
            let b: Vec<f64> = rows.iter().map(|r| r[1]).collect();
            prop_assert_eq!(table.numbers("b").expect("numbers"), b);
        }
    }
}

#[test]
fn a_wrong_magic_names_the_file_and_the_bytes() {
    let error = idx::parse(b"GIF89a..........", "pictures.idx").expect_err("not IDX").to_string();
    assert!(error.starts_with("pictures.idx: magic number: expected 00 00"), "{error}");
    assert!(error.ends_with("found 47 49 46 38"), "{error}");
    for bad in [[0, 0, 0x0a, 1], [0, 0, 0x08, 0], [0, 1, 0x08, 1]] {
        assert!(idx::parse(&[bad, [0; 4]].concat(), "x").is_err(), "{bad:?}");
    }
}

#[test]
fn a_header_is_not_believed_beyond_the_size_of_the_file() {
    // 2³² − 1 images of 2³² − 1 × 2³² − 1: more bytes than a u64 counts, from 20 bytes of file.
    let greedy = [&[0, 0, 8, 3][..], &[0xff; 12], b"tiny"].concat();
    for bytes in [greedy.clone(), gz(&greedy)] {
        let error = idx::parse(&bytes, "greedy").expect_err("impossible counts");
        assert_eq!(
            error.to_string(),
            "greedy: lengths of the axes: expected fewer than 2⁶⁴ bytes of elements, \
             found 4294967295 × 4294967295 × 4294967295"
        );
    }
    // A thousand images of 28 × 28 from 4 bytes: the count fits, the file does not.
    let short = [&[0, 0, 8, 3, 0, 0, 3, 232, 0, 0, 0, 28, 0, 0, 0, 28][..], b"tiny"].concat();
    let error = idx::parse(&short, "short").expect_err("784,000 bytes are announced");
    assert!(matches!(error, DataError::Truncated { expected: 784_000, found: 4, .. }), "{error}");
    // A bomb behind an honest-looking header: one byte past the announced 10 is read, and no more.
    let bomb = [&[0, 0, 8, 1, 0, 0, 0, 10][..], &vec![0; 8 << 20]].concat();
    let error = idx::parse(&gz(&bomb), "bomb").expect_err("8 MiB after 10 elements");
    assert!(matches!(error, DataError::Trailing { expected: 18, .. }), "{error}");
}

#[test]
fn a_table_names_the_record_and_the_column() {
    let csv = b"time,passengers\n1949,112\n1950,many\n";
    let table = Table::parse(csv, "air.csv", &Format::default()).expect("two columns");
    let error = table.numbers("passengers").expect_err("a word").to_string();
    assert_eq!(error, "air.csv: record 3, column \"passengers\": expected a finite number, found \"many\"");
    let error = table.numbers("litres").expect_err("no such column").to_string();
    assert_eq!(error, "air.csv: header: expected a column \"litres\", found columns [\"time\", \"passengers\"]");
    let error = Table::parse(b"a,b\n1,2\n3\n", "t.csv", &Format::default()).expect_err("a short row").to_string();
    assert_eq!(error, "t.csv: record 3, line 3: expected 2 fields, found 1");
    let error = Table::parse(b"a,b\n1,\xff\n", "t.csv", &Format::default()).and_then(|t| t.column("b").map(|_| ()));
    assert!(error.is_err(), "0xff is never UTF-8");
}

#[test]
fn a_series_with_a_gap_is_an_error_at_the_gap() {
    let error = Series::parse(b"time,x\n1949-11,1\n1949-12,2\n1950-02,3\n", "s.csv").expect_err("January is missing");
    assert_eq!(error.to_string(), "s.csv: record 4, column \"time\": expected 1950-01, found 1950-02");
    for bad in ["time,x\n", "x,time\n1,1900\n", "time,x\n1949-13,1\n", "time,x\n19x9,1\n", "time,x\n1949,NaN\n", ""] {
        assert!(Series::parse(bad.as_bytes(), "s.csv").is_err(), "{bad:?}");
    }
}

#[test]
fn a_vocabulary_names_what_it_lacks() {
    let vocab = Vocab::of("abc");
    let error = vocab.encode("cab!").expect_err("no exclamation mark").to_string();
    assert_eq!(error, "character '!' at position 3 is not among the 3 characters of the vocabulary");
    let error = vocab.decode(&[0, 9]).expect_err("three characters").to_string();
    assert_eq!(error, "id 9 at position 1: the vocabulary has ids 0..3");
    assert!(Text::new("abc").split(1.5).is_err());
    assert!(Text::new("abc").split(f64::NAN).is_err());
}

#[test]
fn a_vocabulary_comes_back_from_its_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("vocab.json");
    for text in ["", "hello, world", "\"\\\n\t\u{0}é\u{1f600}"] {
        let vocab = Vocab::of(text);
        vocab.save(&path).expect("writable");
        assert_eq!(Vocab::open(&path).expect("just written"), vocab);
    }
    // Ids in another order than the characters', as other programs have them.
    let vocab = Vocab::parse(br#"{"b": 0, "a": 1}"#, "v.json").expect("each once");
    assert_eq!((vocab.encode("ab").expect("both"), vocab.chars()), (vec![1, 0], &['b', 'a'][..]));
    for (bytes, says) in [
        (r#"{"a": 0, "a": 1}"#, "v.json: token 'a': expected each token once, found ids 0 and 1"),
        (r#"{"a": 0, "b": 0}"#, "v.json: token \"b\": expected an id of its own, found 0, which 'a' has"),
        (r#"{"a": 0, "b": 2}"#, "v.json: token \"b\": expected an id below 2, the number of tokens, found 2"),
        (r#"{"ab": 0}"#, "v.json: id 0: expected a token of one character, found \"ab\""),
        (r#"{"": 0}"#, "v.json: id 0: expected a token of one character, found \"\""),
    ] {
        assert_eq!(Vocab::parse(bytes.as_bytes(), "v.json").expect_err(bytes).to_string(), says);
    }
    for bytes in [r#"{"a": -1}"#, r#"{"a": 1.5}"#, r#"{"a": 18446744073709551616}"#, r#"["a"]"#, "{", ""] {
        let error = Vocab::parse(bytes.as_bytes(), "v.json").expect_err(bytes).to_string();
        assert!(error.starts_with("v.json: line ") && error.contains("an object from tokens to ids"), "{error}");
    }
}

/// A folder with MNIST's file names: `n` images of 2 × 2 in each half, the second half compressed.
fn folder(n: usize, labels: Vec<u8>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let images = Values::U8((0..4 * n).map(|i| (i % 256) as u8).collect());
    let images = Idx { file: String::new(), shape: vec![n, 2, 2], values: images }.encode();
    let labels = Idx { file: String::new(), shape: vec![labels.len()], values: Values::U8(labels) }.encode();
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).expect("a writable folder");
    write("train-images-idx3-ubyte", &images);
    write("train-labels-idx1-ubyte", &labels);
    write("t10k-images.idx3-ubyte.gz", &gz(&images));
    write("t10k-labels.idx1-ubyte.gz", &gz(&labels));
    dir
}

#[test]
fn a_folder_of_mnist_files_opens_plain_or_compressed() {
    let dir = folder(3, vec![7, 0, 9]);
    let set = mnist::open(dir.path()).expect("four good files");
    for half in [&set.train, &set.test] {
        assert_eq!(half.images.shape(), [3, 1, 2, 2]);
        assert_eq!(half.labels.to_vec(), [7, 0, 9]);
        let expected: Vec<f32> = (0..12u8).map(|p| f32::from(p) / 255.0).collect();
        assert_eq!(half.images.to_vec(), expected);
    }
}

#[test]
fn a_bad_mnist_folder_is_an_error_that_names_the_file() {
    let error = |labels: Vec<u8>| mnist::open(folder(3, labels).path()).expect_err("bad labels").to_string();
    let counts = error(vec![1, 2]);
    assert!(counts.contains("train-labels") && counts.contains("[3]") && counts.contains("[2]"), "{counts}");
    let class = error(vec![1, 2, 10]);
    assert!(class.contains("train-labels") && class.contains("label 2") && class.ends_with("found 10"), "{class}");
    let nowhere = tempfile::tempdir().expect("a temporary folder");
    let missing = mnist::open(nowhere.path()).expect_err("an empty folder").to_string();
    assert!(missing.contains("train-images-idx3-ubyte"), "{missing}");
    // Images where labels belong.
    let dir = folder(3, vec![1, 2, 3]);
    std::fs::copy(dir.path().join("train-images-idx3-ubyte"), dir.path().join("train-labels-idx1-ubyte"))
        .expect("a writable folder");
    assert!(mnist::open(dir.path()).expect_err("rank 3 labels").to_string().contains("[3, 2, 2]"));
}

//! The readers of data files: an error that names the file, or contents that keep the reader's promises.

use etude_data::idx::{self, Values};
use etude_data::picture::Picture;
use etude_data::series::Series;
use etude_data::table::{Format, Table};
use etude_data::text::Vocab;
use etude_data::{DataError, ImageSet, Text};

const NAME: &str = "hostile.file";

fn named<T>(result: Result<T, DataError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            assert!(error.to_string().starts_with(NAME), "{error}");
            None
        }
    }
}

/// IDX, plain and gzip.
pub fn idx(bytes: &[u8]) {
    let Some(array) = named(idx::parse(bytes, NAME)) else { return };
    let count = match &array.values {
        Values::U8(v) => v.len(),
        Values::I8(v) => v.len(),
        Values::I16(v) => v.len(),
        Values::I32(v) => v.len(),
        Values::F32(v) => v.len(),
        Values::F64(v) => v.len(),
        _ => unreachable!("these are all"),
    };
    assert_eq!(array.shape.iter().product::<usize>(), count);
    let again = array.encode();
    let second = idx::parse(&again, NAME).expect("just written");
    assert_eq!((second.shape.clone(), second.encode()), (array.shape.clone(), again));
    named(ImageSet::from_idx(&array, &array, 10));
}

/// CSV and TSV with and without header, and series.
pub fn table(bytes: &[u8]) {
    for format in [Format::default(), Format::tsv(), Format::default().without_header()] {
        let Some(table) = named(Table::parse(bytes, NAME, &format)) else { continue };
        let columns = table.header().to_vec();
        if let Some(matrix) = named(table.matrix()) {
            assert_eq!(matrix.len(), table.len() * columns.len());
            assert!(matrix.iter().all(|x| x.is_finite()));
        }
        for name in columns.iter().take(4) {
            assert_eq!(table.column(name).expect("a column of the header").len(), table.len());
            named(table.numbers(name));
        }
    }
    if let Some(series) = named(Series::parse(bytes, NAME)) {
        assert!(!series.values.is_empty() && series.values.iter().all(|x| x.is_finite()));
        series.time(series.values.len());
    }
}

/// Texts and their vocabulary.
pub fn text(bytes: &[u8]) {
    let Some(text) = named(Text::parse(bytes, NAME)) else { return };
    let decoded = text.vocab().decode(text.ids()).expect("its own ids");
    assert_eq!(decoded.chars().count(), text.len());
    assert!(text.vocab().decode(&[text.vocab().len() as u32]).is_err());
}

/// Vocabularies.
pub fn vocab(bytes: &[u8]) {
    let Some(vocab) = named(Vocab::parse(bytes, NAME)) else { return };
    let all: String = vocab.chars().iter().collect();
    let ids: Vec<u32> = (0..vocab.len() as u32).collect();
    assert_eq!((vocab.encode(&all).expect("its own"), vocab.decode(&ids).expect("its own")), (ids, all));
}

/// PNG pictures.
pub fn picture(bytes: &[u8]) {
    let Some(picture) = named(Picture::decode(bytes, NAME)) else { return };
    assert_eq!(picture.pixels().len() % (picture.width() * picture.height()), 0);
    let again = Picture::decode(&picture.encode().expect("not empty"), NAME).expect("just written");
    assert_eq!(again, picture);
}

//! Files that lie: no panic, no memory beyond what the file justifies, an error that names the file. The properties are those
//! of the fuzz targets, here on stable and on damaged copies of their corpus.

use std::path::Path;

use etude_data::table::{Format, Table};
use etude_data::{DataError, Text, idx};

use crate::gz;

#[path = "../../../fuzz/src/damage.rs"]
mod damage;
#[path = "../../../fuzz/src/data.rs"]
mod target;
#[path = "../../../fuzz/src/twin.rs"]
mod twin;

fn run(name: &str, target: fn(&[u8]), cases: usize) {
    twin::run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name), target, cases);
}

#[test]
fn damaged_files() {
    run("idx", target::idx, 3_000);
    run("table", target::table, 3_000);
    run("text", target::text, 3_000);
    run("vocab", target::vocab, 3_000);
    run("picture", target::picture, 3_000);
}

#[test]
#[ignore = "minutes: cargo test -p etude-data --test it hostile::a_million -- --ignored"]
fn a_million_damaged_files() {
    run("idx", target::idx, 250_000);
    run("table", target::table, 250_000);
    run("text", target::text, 250_000);
    run("vocab", target::vocab, 250_000);
    run("picture", target::picture, 250_000);
}

#[test]
fn a_bomb_is_refused_before_it_fills_the_memory() {
    // 80 MiB of rows of one digit, from some 80 kB.
    let bomb = gz(&b"1\n".repeat(40 << 20));
    let limit = 64 << 20;
    let used = allocation_counter::measure(|| {
        let error = Table::parse(&bomb, "bomb", &Format::default()).expect_err("a bomb");
        assert!(matches!(error, DataError::TooLarge { limit: found, .. } if found == limit), "{error}");
        assert!(matches!(Text::parse(&bomb, "bomb"), Err(DataError::TooLarge { .. })));
        assert!(matches!(idx::parse(&bomb, "bomb"), Err(DataError::Malformed { .. })));
    });
    // The last doubling of a buffer of `limit` bytes.
    assert!(used.bytes_max < 4 * limit, "{} bytes", used.bytes_max);
}

#[test]
fn rows_of_one_digit_take_little_more_than_their_bytes() {
    let csv = b"1\n".repeat(100_000);
    let used = allocation_counter::measure(|| {
        let table = Table::parse(&csv, "long", &Format::default().without_header()).expect("one column");
        assert_eq!((table.len(), table.header().len()), (100_000, 1));
    });
    assert!(used.bytes_max < 10 * csv.len() as u64, "{} bytes for {}", used.bytes_max, csv.len());
}

//! The journal's files, read back by a reader of this test's own, and its progress lines.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use etude_nn::{Error, Journal, JournalPosition};

/// A field of a protocol buffer: its number and, by wire type, a number (0: varint, 1: 64 bits, 5: 32 bits) or bytes (2).
#[derive(Clone, Debug, PartialEq)]
enum Field {
    Number(u64, u64),
    Bytes(u64, Vec<u8>),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut x = 0;
    for shift in (0..).step_by(7) {
        let (&first, rest) = bytes.split_first().expect("a varint ends");
        *bytes = rest;
        x |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            break;
        }
    }
    x
}

fn take<'a>(bytes: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (head, rest) = bytes.split_at(n);
    *bytes = rest;
    head
}

fn fields(mut bytes: &[u8]) -> Vec<Field> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        out.push(match key & 7 {
            0 => Field::Number(key >> 3, varint(&mut bytes)),
            1 => Field::Number(key >> 3, u64::from_le_bytes(take(&mut bytes, 8).try_into().expect("8 bytes"))),
            5 => Field::Number(key >> 3, u32::from_le_bytes(take(&mut bytes, 4).try_into().expect("4 bytes")).into()),
            2 => {
                let n = varint(&mut bytes) as usize;
                Field::Bytes(key >> 3, take(&mut bytes, n).to_vec())
            }
            other => panic!("wire type {other}"),
        });
    }
    out
}

fn bytes(fields: &[Field], number: u64) -> Vec<u8> {
    let found = fields.iter().find_map(|f| {
        if let Field::Bytes(n, b) = f
            && *n == number
        {
            Some(b)
        } else {
            None
        }
    });
    found.unwrap_or_else(|| panic!("no field {number} in {fields:?}")).clone()
}

fn number(fields: &[Field], number: u64) -> u64 {
    let found = fields.iter().find_map(|f| {
        if let Field::Number(n, x) = f
            && *n == number
        {
            Some(x)
        } else {
            None
        }
    });
    *found.unwrap_or_else(|| panic!("no field {number} in {fields:?}"))
}

/// CRC-32C bit by bit, then TensorFlow's mask.
fn masked(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The events of a file, checksums verified.
fn events(path: &Path) -> Vec<Vec<Field>> {
    let file = std::fs::read(path.join("events.out.tfevents.etude")).expect("written");
    let mut rest = &file[..];
    let mut out = Vec::new();
    while !rest.is_empty() {
        let length = take(&mut rest, 8);
        assert_eq!(take(&mut rest, 4), masked(length).to_le_bytes());
        let data = take(&mut rest, u64::from_le_bytes(length.try_into().expect("8 bytes")) as usize);
        assert_eq!(take(&mut rest, 4), masked(data).to_le_bytes());
        out.push(fields(data));
    }
    out
}

/// Step and value of an event.
fn value(event: &[Field]) -> (u64, Vec<Field>) {
    (number(event, 2), fields(&bytes(&fields(&bytes(event, 5)), 1)))
}

/// The head of an RGB picture, 3 wide and 2 high; what follows plays no part here.
fn png() -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &[0, 0, 0, 3, 0, 0, 0, 2, 8, 2, 0, 0, 0], b"rest"].concat()
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path.join("journal.jsonl")).expect("written");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn what_is_noted_is_in_both_files() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut journal = Journal::new(Some(folder.path()), "run", 300).expect("writable").silent();
    journal.scalar("loss", 0, 1.5f32);
    journal.scalar("loss", 300, f64::NAN);
    journal.image("sample", 7, &png());
    journal.text("said", 8, "ROMEO: \"ä\"");
    journal.finish().expect("writable");

    let run = folder.path().join("run");
    let events = events(&run);
    assert_eq!(events.len(), 5);
    assert_eq!(bytes(&events[0], 3), b"brain.Event:2");
    let seconds = f64::from_bits(number(&events[0], 1));
    assert!(seconds > 1.6e9, "{seconds} is not a time since 2020");

    let (step, first) = value(&events[1]);
    assert_eq!((step, bytes(&first, 1)), (0, b"loss".to_vec()));
    assert_eq!(f32::from_bits(number(&first, 2) as u32), 1.5);
    let (step, second) = value(&events[2]);
    assert_eq!(step, 300);
    assert!(f32::from_bits(number(&second, 2) as u32).is_nan());

    let (step, image) = value(&events[3]);
    assert_eq!((step, bytes(&image, 1)), (7, b"sample".to_vec()));
    let image = fields(&bytes(&image, 4));
    assert_eq!([1, 2, 3].map(|field| number(&image, field)), [2, 3, 3], "height, width, channels");
    assert_eq!(bytes(&image, 4), png());

    let (step, text) = value(&events[4]);
    assert_eq!((step, bytes(&text, 1)), (8, b"said".to_vec()));
    let tensor = fields(&bytes(&text, 8));
    assert_eq!((number(&tensor, 1), bytes(&tensor, 8)), (7, "ROMEO: \"ä\"".as_bytes().to_vec()));
    assert_eq!(bytes(&fields(&bytes(&fields(&bytes(&text, 9)), 1)), 1), b"text");

    let lines = lines(&run);
    let steps: Vec<u64> = lines.iter().map(|line| line["step"].as_u64().expect("a step")).collect();
    assert_eq!(steps, [0, 300, 7, 8]);
    assert_eq!((&lines[0]["tag"], &lines[0]["value"]), (&"loss".into(), &1.5.into()));
    assert_eq!(lines[1]["value"], "NaN");
    assert_eq!(lines[2]["image"], serde_json::json!([3, 2]));
    assert_eq!(lines[3]["text"], "ROMEO: \"ä\"");
}

/// The values of a journal's lines, without the seconds, and the count of its events.
fn noted(run: &Path) -> (Vec<f64>, usize) {
    (lines(run).iter().map(|line| line["value"].as_f64().expect("a number")).collect(), events(run).len())
}

#[test]
fn a_resumed_run_goes_on_where_its_checkpoint_was_and_a_new_one_replaces() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = folder.path().join("run");
    let note = |journal: &mut Journal, steps: std::ops::Range<u64>| {
        steps.for_each(|step| journal.scalar("x", step, step as f64));
    };
    let mut first = Journal::new(Some(folder.path()), "run", 9).expect("writable").silent();
    note(&mut first, 0..3);
    let position = first.position();
    note(&mut first, 3..5);
    first.finish().expect("writable");
    assert_eq!(noted(&run).1, 6);
    // A program that is killed leaves half a line and half an event.
    for name in ["journal.jsonl", "events.out.tfevents.etude"] {
        let mut file = std::fs::OpenOptions::new().append(true).open(run.join(name)).expect("there");
        file.write_all(b"{\"secon").expect("writable");
    }
    for _ in 0..2 {
        // The position survives a checkpoint's JSON.
        let json = serde_json::to_string(&position).expect("numbers");
        let position = serde_json::from_str(&json).expect("just written");
        let mut second = Journal::resume(Some(folder.path()), "run", 9, &position).expect("long enough").silent();
        assert_eq!(noted(&run), (vec![0.0, 1.0, 2.0], 4));
        note(&mut second, 3..6);
        second.finish().expect("writable");
        assert_eq!(noted(&run), (vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 7));
    }
    let seconds: Vec<f64> = lines(&run).iter().map(|line| line["seconds"].as_f64().expect("a number")).collect();
    assert!(seconds.is_sorted(), "the clock goes on: {seconds:?}");

    let mut anew = Journal::new(Some(folder.path()), "run", 9).expect("writable").silent();
    note(&mut anew, 0..1);
    anew.finish().expect("writable");
    assert_eq!(noted(&run), (vec![0.0], 2));
    let error = Journal::resume(Some(folder.path()), "run", 9, &position).err().expect("too short").to_string();
    assert!(error.contains("journal.jsonl") && error.contains("fewer than"), "{error}");
    assert_eq!(noted(&run), (vec![0.0], 2), "what is too short is left as it is");
    // Nor is a file that is gone replaced by an empty one.
    std::fs::remove_file(run.join("journal.jsonl")).expect("there");
    let error = Journal::resume(Some(folder.path()), "run", 9, &position).err().expect("gone").to_string();
    assert!(error.contains("journal.jsonl") && !run.join("journal.jsonl").exists(), "{error}");
    let nothing = JournalPosition::default();
    Journal::resume(Some(folder.path()), "fresh", 9, &nothing).expect("a run that noted nothing").silent();
    assert_eq!(noted(&folder.path().join("fresh")), (vec![], 1));
}

#[test]
fn errors_wait_until_the_end() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut journal = Journal::new(Some(folder.path()), "run", 1).expect("writable").silent();
    journal.image("saliency", 0, b"GIF89a");
    journal.scalar("loss", 0, 0.0);
    let error = journal.finish().expect_err("not a PNG");
    assert!(matches!(&error, Error::NoPng { tag, .. } if tag == "saliency"), "{error}");
    for name in ["", "..", "a/b", "/"] {
        let error = Journal::new(Some(folder.path()), name, 1).err().expect("no folder of that name");
        assert!(error.to_string().contains(name), "{error}");
    }
    let occupied = folder.path().join("file");
    std::fs::write(&occupied, "").expect("writable");
    let error = Journal::new(Some(&occupied), "run", 1).err().expect("a file is no folder");
    assert!(error.to_string().contains(&*occupied.to_string_lossy()), "{error}");
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);
impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn progress_is_a_line_now_and_then() {
    let shown = |every: Duration| {
        let out = Shared::default();
        let mut journal = Journal::new(None, "lenet", 4).expect("no files").lines_to(out.clone(), every);
        for step in 1..=4 {
            journal.tick(step, format!("loss {step}"));
        }
        journal.finish().expect("no files");
        let text = String::from_utf8(out.0.lock().expect("not poisoned").clone()).expect("text");
        text.lines().map(str::to_string).collect::<Vec<_>>()
    };
    assert_eq!(shown(Duration::from_secs(3600)), ["lenet 4/4 100% 0:00 loss 4"]);
    assert_eq!(shown(Duration::ZERO)[..2], ["lenet 1/4 25% 0:00 loss 1", "lenet 2/4 50% 0:00 loss 2"]);
}

/// Writes what `tests/tensorboard_read.py` expects into the folder that JOURNAL_DIR names.
#[test]
#[ignore = "writes a journal for tests/tensorboard_read.py"]
fn a_journal_for_tensorboard() {
    let folder = std::env::var("JOURNAL_DIR").expect("JOURNAL_DIR names a folder");
    let mut journal = Journal::new(Some(Path::new(&folder)), "run", 8).expect("writable").silent();
    for step in [0, 1, 3, 7] {
        journal.scalar("train/loss", step, 1.0 / (step + 1) as f64);
    }
    journal.image("sample", 7, &png());
    journal.text("said", 7, "To be, or *not* to be: ä");
    journal.finish().expect("writable");
}

//! TensorBoard event files: a sequence of records, each a protocol buffer between checksums.
//!
//! Sources: tensorflow/core/lib/io/record_writer.h (framing: length, its masked CRC-32C, data, its masked CRC-32C),
//! tensorflow/core/util/event.proto and framework/summary.proto (field numbers below), and Google's *Protocol Buffers
//! encoding* for varints and wire types. Only the few messages that scalars, pictures and texts need.

use std::io::{self, Write};

use crate::crc32c::Crc32c;

/// The first record of every file.
const VERSION: &str = "brain.Event:2";
/// `DT_STRING` of tensorflow/core/framework/types.proto.
const STRING: u64 = 7;

/// A protocol buffer in the making.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut x: u64) {
        while x >= 0x80 {
            self.0.push(x as u8 | 0x80);
            x >>= 7;
        }
        self.0.push(x as u8);
    }

    /// Wire type 0.
    fn int(mut self, field: u64, x: u64) -> Self {
        self.varint(field << 3);
        self.varint(x);
        self
    }

    /// Wire type 1.
    fn double(mut self, field: u64, x: f64) -> Self {
        self.varint(field << 3 | 1);
        self.0.extend(x.to_le_bytes());
        self
    }

    /// Wire type 2: texts, bytes, messages.
    fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    /// Wire type 5.
    fn float(mut self, field: u64, x: f32) -> Self {
        self.varint(field << 3 | 5);
        self.0.extend(x.to_le_bytes());
        self
    }
}

/// What a PNG says of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PngHead {
    pub(super) width: u32,
    pub(super) height: u32,
    /// The number of channels, as `Summary.Image.colorspace` counts them.
    pub(super) channels: u8,
}

impl PngHead {
    /// Signature and IHDR chunk: PNG specification, 5.2 and 11.2.2.
    pub(super) fn read(png: &[u8]) -> Option<Self> {
        let rest = png.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")?;
        let (width, rest) = rest.split_first_chunk()?;
        let (height, rest) = rest.split_first_chunk()?;
        let channels = match rest.get(1)? {
            0 => 1,
            4 => 2,
            2 | 3 => 3,
            6 => 4,
            _ => return None,
        };
        Some(PngHead { width: u32::from_be_bytes(*width), height: u32::from_be_bytes(*height), channels })
    }
}

/// Writes events.
pub(super) struct EventWriter<W: Write> {
    out: W,
}

impl<W: Write> EventWriter<W> {
    /// Starts a file.
    pub(super) fn new(out: W, time: f64) -> io::Result<Self> {
        let mut writer = EventWriter { out };
        writer.record(&Message::default().double(1, time).bytes(3, VERSION.as_bytes()).0)?;
        Ok(writer)
    }

    /// Goes on with a file that was started before.
    pub(super) fn continued(out: W) -> Self {
        EventWriter { out }
    }

    pub(super) fn scalar(&mut self, time: f64, tag: &str, step: u64, value: f64) -> io::Result<()> {
        self.value(time, step, Message::default().bytes(1, tag.as_bytes()).float(2, value as f32))
    }

    pub(super) fn image(&mut self, time: f64, tag: &str, step: u64, head: PngHead, png: &[u8]) -> io::Result<()> {
        let image = Message::default()
            .int(1, u64::from(head.height))
            .int(2, u64::from(head.width))
            .int(3, u64::from(head.channels))
            .bytes(4, png);
        self.value(time, step, Message::default().bytes(1, tag.as_bytes()).bytes(4, &image.0))
    }

    /// A text is a tensor of one string, marked for the plugin `text`.
    pub(super) fn text(&mut self, time: f64, tag: &str, step: u64, text: &str) -> io::Result<()> {
        let plugin = Message::default().bytes(1, b"text");
        let metadata = Message::default().bytes(1, &plugin.0);
        let shape = Message::default().bytes(2, &Message::default().int(1, 1).0);
        let tensor = Message::default().int(1, STRING).bytes(2, &shape.0).bytes(8, text.as_bytes());
        let value = Message::default().bytes(1, tag.as_bytes()).bytes(8, &tensor.0).bytes(9, &metadata.0);
        self.value(time, step, value)
    }

    /// An event whose summary is this one value.
    fn value(&mut self, time: f64, step: u64, value: Message) -> io::Result<()> {
        let summary = Message::default().bytes(1, &value.0);
        self.record(&Message::default().double(1, time).int(2, step).bytes(5, &summary.0).0)
    }

    fn record(&mut self, data: &[u8]) -> io::Result<()> {
        let length = (data.len() as u64).to_le_bytes();
        self.out.write_all(&length)?;
        self.out.write_all(&masked(&length).to_le_bytes())?;
        self.out.write_all(data)?;
        self.out.write_all(&masked(data).to_le_bytes())
    }

    /// What it writes to.
    pub(super) fn out(&self) -> &W {
        &self.out
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// tensorflow/core/lib/hash/crc32c.h: a checksum that can itself be part of checksummed data.
fn masked(bytes: &[u8]) -> u32 {
    Crc32c::of(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

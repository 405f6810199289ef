//! Tables in CSV or TSV: named columns of text or numbers, over the `csv` crate.
//!
//! Invariant: every row has as many fields as the header; a number that is not finite is an error that names row and column.

use std::path::Path;

use crate::error::{DataError, Result};
use crate::file;

/// How a table is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Format {
    /// Byte between fields: `,`, `;`, tab.
    pub delimiter: u8,
    /// Whether the first row names the columns; otherwise they are called "0", "1", ….
    pub header: bool,
}

impl Default for Format {
    /// Comma-separated with a header.
    fn default() -> Self {
        Self { delimiter: b',', header: true }
    }
}

impl Format {
    /// Tab-separated with a header.
    pub fn tsv() -> Self {
        Self { delimiter: b'\t', ..Self::default() }
    }

    /// The same without a header row.
    pub fn without_header(self) -> Self {
        Self { header: false, ..self }
    }
}

/// A table in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    file: String,
    header: Vec<String>,
    rows: usize,
    /// The fields of all rows one behind the other, and where each ends. A row of one digit takes two bytes of a file: a
    /// record of its own would take fifty times as much.
    fields: String,
    ends: Vec<u32>,
    /// Rows before the first data row, to count as an editor does.
    offset: usize,
}

impl Table {
    /// Reads a file, plain or gzip.
    pub fn open(path: impl AsRef<Path>, format: &Format) -> Result<Self> {
        let path = path.as_ref();
        Self::parse(&file::read(path)?, &path.display().to_string(), format)
    }

    /// Reads bytes, plain or gzip; `file` names them in messages.
    pub fn parse(bytes: &[u8], file: &str, format: &Format) -> Result<Self> {
        let text = file::inflate(bytes, file)?;
        let mut reader =
            csv::ReaderBuilder::new().delimiter(format.delimiter).has_headers(format.header).from_reader(&*text);
        let mut header = Vec::new();
        if format.header {
            header = reader.headers().map_err(|e| malformed(file, e))?.iter().map(str::to_owned).collect();
        }
        let (mut fields, mut ends, mut rows) = (String::new(), Vec::new(), 0);
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record).map_err(|e| malformed(file, e))? {
            if !format.header && rows == 0 {
                header = (0..record.len()).map(|i| i.to_string()).collect();
            }
            for field in &record {
                fields.push_str(field);
                // The text has at most LIMIT bytes, its fields no more.
                ends.push(fields.len() as u32);
            }
            rows += 1;
        }
        Ok(Self { file: file.to_owned(), header, rows, fields, ends, offset: usize::from(format.header) })
    }

    /// Number of rows, the header not counted.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// True without a row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    fn field(&self, row: usize, column: usize) -> &str {
        let at = row * self.header.len() + column;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.fields[start as usize..self.ends[at] as usize]
    }

    /// Names of the columns.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The texts of one column.
    pub fn column(&self, name: &str) -> Result<Vec<&str>> {
        let index = self.index(name)?;
        Ok((0..self.rows).map(|row| self.field(row, index)).collect())
    }

    /// The numbers of one column.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        let index = self.index(name)?;
        (0..self.rows).map(|row| self.number(row, index)).collect()
    }

    /// All fields as numbers, row-major: `len() * header().len()` values.
    pub fn matrix(&self) -> Result<Vec<f64>> {
        let columns = self.header.len();
        (0..self.rows).flat_map(|row| (0..columns).map(move |column| self.number(row, column))).collect()
    }

    fn index(&self, name: &str) -> Result<usize> {
        self.header.iter().position(|h| h == name).ok_or_else(|| {
            DataError::malformed(
                &self.file,
                "header",
                format!("a column {name:?}"),
                format!("columns {:?}", self.header),
            )
        })
    }

    fn number(&self, row: usize, column: usize) -> Result<f64> {
        let field = self.field(row, column);
        let number: Option<f64> = field.trim().parse().ok();
        number.filter(|v| v.is_finite()).ok_or_else(|| {
            DataError::malformed(&self.file, self.place(row, column), "a finite number", format!("{field:?}"))
        })
    }

    /// "record 3, column passengers", records counted from 1 with the header.
    pub(crate) fn place(&self, row: usize, column: usize) -> String {
        format!("record {}, column {:?}", row + self.offset + 1, self.header[column])
    }
}

fn malformed(file: &str, error: csv::Error) -> DataError {
    let at = error
        .position()
        .map_or_else(|| "table".to_owned(), |p| format!("record {}, line {}", p.record() + 1, p.line()));
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            DataError::malformed(file, at, format!("{expected_len} fields"), format!("{len}"))
        }
        csv::ErrorKind::Utf8 { err, .. } => DataError::malformed(file, at, "UTF-8 text", err),
        _ => DataError::malformed(file, at, "a row of fields", error),
    }
}

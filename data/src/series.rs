//! Univariate time series: the embedded classics and a reader for files of the same form.
//!
//! The form is CSV with a header and two columns: `time` (`1949-01` for monthly, `1871` for yearly data) and the value.
//! Invariant: the times follow one another without a gap, so that the position of a value says its time.

use std::path::Path;

use crate::error::{DataError, Result};
use crate::file;
use crate::table::{Format, Table};

/// When an observation was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Calendar year.
    pub year: i32,
    /// 1 to 12 in a monthly series, 1 in a yearly one.
    pub month: u32,
}

/// Equally spaced observations.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Name of the value's column.
    pub name: String,
    /// The observations.
    pub values: Vec<f64>,
    /// Time of the first one.
    pub start: Time,
    /// Observations a year: 12 or 1; the natural seasonal period.
    pub period: usize,
}

impl Series {
    /// Reads a file, plain or gzip.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::parse(&file::read(path)?, &path.display().to_string())
    }

    /// Reads CSV bytes, plain or gzip; `file` names them in messages.
    pub fn parse(bytes: &[u8], file: &str) -> Result<Self> {
        let table = Table::parse(bytes, file, &Format::default())?;
        let (Some("time"), [_, name]) = (table.header().first().map(String::as_str), table.header()) else {
            return Err(DataError::malformed(
                file,
                "header",
                "2 columns, time and a value",
                format!("{:?}", table.header()),
            ));
        };
        let times = table.column("time")?;
        let Some(first) = times.first() else {
            return Err(DataError::malformed(file, "table", "at least one observation", "none"));
        };
        let wrong =
            |row: usize, expected: String| DataError::malformed(file, table.place(row, 0), expected, times[row]);
        let (start, period) =
            parse_time(first).ok_or_else(|| wrong(0, "a year or year-month such as 1949-01".into()))?;
        for (i, time) in times.iter().enumerate() {
            let due = advance(start, period, i);
            if parse_time(time) != Some((due, period)) {
                let due = if period == 12 { format!("{:04}-{:02}", due.year, due.month) } else { due.year.to_string() };
                return Err(wrong(i, due));
            }
        }
        Ok(Self { name: name.clone(), values: table.numbers(name)?, start, period })
    }

    /// Time of observation `i`, which may lie beyond the last (a forecast).
    pub fn time(&self, i: usize) -> Time {
        advance(self.start, self.period, i)
    }

    /// The same as a decimal year, for the axis of a plot: 1949-07 is 1949.5.
    pub fn year(&self, i: usize) -> f64 {
        f64::from(self.start.year) + f64::from(self.start.month - 1) / 12.0 + i as f64 / self.period as f64
    }

    /// Natural logarithms of the values.
    pub fn ln(&self) -> Vec<f64> {
        self.values.iter().map(|v| v.ln()).collect()
    }
}

fn parse_time(text: &str) -> Option<(Time, usize)> {
    // Four digits bound the arithmetic of `advance` and leave signs out.
    let digits =
        |s: &str, n: usize| (s.len() == n && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse().ok()).flatten();
    match text.split_once('-') {
        None => Some((Time { year: digits(text, 4)? as i32, month: 1 }, 1)),
        Some((year, month)) => {
            let month: u32 = digits(month, 2)?;
            (1..=12).contains(&month).then_some((Time { year: digits(year, 4)? as i32, month }, 12))
        }
    }
}

fn advance(start: Time, period: usize, steps: usize) -> Time {
    let months = (start.month as usize - 1) + steps * (12 / period);
    Time { year: start.year.saturating_add((months / 12) as i32), month: (months % 12) as u32 + 1 }
}

macro_rules! embedded {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)*) => {$(
        $(#[$doc])*
        pub fn $name() -> Series {
            Series::parse(include_bytes!(concat!("../assets/timeseries/", $file)), $file).expect("an embedded series is whole, as the tests show")
        }
    )*};
}

embedded! {
    /// Airline passengers a month in thousands, 1949–1960: 144 values (Box and Jenkins 1976, series G).
    air_passengers = "air_passengers.csv";
    /// Mean sunspot number a year, 1700–2008: 309 values.
    sunspots = "sunspots_yearly.csv";
    /// Flow of the Nile at Aswan a year in 10⁸ m³, 1871–1970: 100 values.
    nile = "nile.csv";
    /// CO₂ at Mauna Loa a month in ppm, from March 1958 to 2001: 526 values.
    co2 = "co2_mauna_loa_monthly.csv";
    /// Lynx trapped in Canada a year, 1821–1934: 114 values.
    lynx = "lynx.csv";
    /// Australian wine sales a month, from 1980 to August 1994: 176 values.
    wineind = "wineind.csv";
}

/// Fits of four of these series by statsmodels 0.15.0 (log-likelihood, parameters, 12-step forecast), as JSON text.
pub fn sarima_reference() -> &'static str {
    include_str!("../assets/timeseries/sarima_reference.json")
}

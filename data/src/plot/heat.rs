//! Heat maps as SVG: a matrix in the viridis scale with a colour bar, names of rows and columns and a text in each cell if
//! wanted.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::scale::{Scale, label};
use super::{Area, Drawn, INK, UNITS, font, sized, title, units};
use crate::colour::viridis;
use crate::error::{DataError, Result};

/// A matrix of values, drawn with row 0 at the top.
#[derive(Clone, Debug)]
pub struct HeatMap {
    title: String,
    columns: usize,
    values: Vec<f64>,
    text: Vec<String>,
    names: Option<[Vec<String>; 2]>,
    bar: bool,
}

/// Pixels to the left and above that names take.
const NAMES: i32 = 24;

impl HeatMap {
    /// Values row by row, `columns` a row. Checked by [`HeatMap::svg`].
    pub fn new(title: impl Into<String>, columns: usize, values: impl IntoIterator<Item = f64>) -> Self {
        let values = values.into_iter().collect();
        Self { title: title.into(), columns, values, text: Vec::new(), names: None, bar: true }
    }

    /// A short text for each cell.
    pub fn text(mut self, text: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.text = text.into_iter().map(Into::into).collect();
        self
    }

    /// A short name for each row, to its left, and for each column, above it.
    pub fn names<T: Into<String>>(
        mut self,
        rows: impl IntoIterator<Item = T>,
        columns: impl IntoIterator<Item = T>,
    ) -> Self {
        self.names = Some([rows.into_iter().map(Into::into).collect(), columns.into_iter().map(Into::into).collect()]);
        self
    }

    /// No colour bar, for colours that only support the cells' texts.
    pub fn without_bar(mut self) -> Self {
        self.bar = false;
        self
    }

    /// The map as SVG text. An error if the values are not whole rows, or the texts or names are not as many.
    pub fn svg(&self) -> Result<String> {
        let n = self.values.len();
        if self.columns == 0 || n == 0 || !n.is_multiple_of(self.columns) {
            return Err(DataError::argument("heat map", format!("whole rows of {} values", self.columns), n));
        }
        if !self.text.is_empty() && self.text.len() != n {
            return Err(DataError::argument("heat map text", format!("{n}, one for each value"), self.text.len()));
        }
        let rows = n / self.columns;
        if let Some(names) = &self.names {
            let (found, expected) = (names.each_ref().map(Vec::len), [rows, self.columns]);
            if found != expected {
                let [expected, found] = [expected, found].map(|[r, c]| format!("{r} rows and {c} columns"));
                return Err(DataError::argument("heat map names", expected, found));
            }
        }
        // The longer side is 420 pixels, cells are square, and every one is at least a pixel high.
        let cell = 420.0 / self.columns.max(rows) as f64;
        let inner = ((cell * self.columns as f64) as i32, ((cell * rows as f64) as i32).max(60));
        let names = if self.names.is_some() { NAMES } else { 0 };
        let size = (inner.0 + names + if self.bar { 140 } else { 40 }, inner.1 + names + 64);
        let mut svg = String::new();
        let drawn = self.draw(&SVGBackend::with_string(&mut svg, units(size)).into_drawing_area(), size, inner, rows);
        drawn.map_err(|e| DataError::Chart { title: self.title.clone(), reason: e.to_string() })?;
        Ok(sized(&svg, size))
    }

    fn draw(&self, area: &Area<'_>, size: (i32, i32), inner: (i32, i32), rows: usize) -> Drawn {
        area.fill(&WHITE)?;
        title(area, &self.title, size.0)?;
        let finite = || self.values.iter().copied().filter(|v| v.is_finite());
        let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
        let scale = Scale::new(self.values.iter().copied(), Some(&(low..high)), false, 0.0);
        let names = if self.names.is_some() { NAMES } else { 0 };
        let (left, top) = ((20 + names) * UNITS, (48 + names) * UNITS);
        let edge = |i: usize, of: usize, length: i32| (i as f64 / of as f64 * f64::from(length * UNITS)).round() as i32;
        for (i, &value) in self.values.iter().enumerate() {
            let (column, row) = (i % self.columns, i / self.columns);
            // One unit too far right and down: the next cell covers it, and no seam shows when the picture is scaled.
            let more = |i: usize, of: usize| if i + 1 < of { UNITS } else { 0 };
            let from = (left + edge(column, self.columns, inner.0), top + edge(row, rows, inner.1));
            let to = (
                left + edge(column + 1, self.columns, inner.0) + more(column, self.columns),
                top + edge(row + 1, rows, inner.1) + more(row, rows),
            );
            let [r, g, b] = viridis(scale.part(value));
            area.draw(&Rectangle::new([from, to], RGBColor(r, g, b).filled()))?;
        }
        let middle = |i: usize, of: usize, length| (edge(i, of, length) + edge(i + 1, of, length)) / 2;
        let beside = font(18.0).color(&INK).pos(Pos::new(HPos::Center, VPos::Center));
        let [row_names, column_names] = self.names.as_ref().map_or([&[][..], &[]], |[r, c]| [r, c]);
        for (i, name) in row_names.iter().enumerate() {
            let place = (left - NAMES / 2 * UNITS, top + middle(i, rows, inner.1));
            area.draw(&Text::new(name.as_str(), place, beside.clone()))?;
        }
        for (i, name) in column_names.iter().enumerate() {
            let place = (left + middle(i, self.columns, inner.0), top - NAMES / 2 * UNITS);
            area.draw(&Text::new(name.as_str(), place, beside.clone()))?;
        }
        let letter = (f64::from(inner.0) / self.columns as f64 * 0.6).min(20.0);
        for (i, text) in self.text.iter().enumerate() {
            let place =
                (left + middle(i % self.columns, self.columns, inner.0), top + middle(i / self.columns, rows, inner.1));
            // Yellow and green are light, violet and blue are dark.
            let colour = if scale.part(self.values[i]) > 0.6 { BLACK } else { WHITE };
            let style = font(letter).color(&colour).pos(Pos::new(HPos::Center, VPos::Center));
            area.draw(&Text::new(text.as_str(), place, style))?;
        }
        if self.bar {
            self.bar(area, &scale, (left + (inner.0 + 16) * UNITS, top), inner.1)?;
        }
        area.present()?;
        Ok(())
    }

    fn bar(&self, area: &Area<'_>, scale: &Scale, (left, top): (i32, i32), height: i32) -> Drawn {
        const STEPS: i32 = 60;
        let (low, high) = scale.ends();
        for i in 0..STEPS {
            let [r, g, b] = viridis(1.0 - (f64::from(i) + 0.5) / f64::from(STEPS));
            let y = |i: i32| top + i * height * UNITS / STEPS;
            let bottom = if i + 1 < STEPS { y(i + 1) + UNITS } else { y(STEPS) };
            area.draw(&Rectangle::new([(left, y(i)), (left + 18 * UNITS, bottom)], RGBColor(r, g, b).filled()))?;
        }
        // Three significant digits are what a person reads off a colour.
        let step = 10f64.powf(((high - low).log10() - 1.0).floor());
        for (value, at, anchor) in
            [(high, 0, VPos::Top), ((low + high) / 2.0, height / 2, VPos::Center), (low, height, VPos::Bottom)]
        {
            let style = font(18.0).color(&INK).pos(Pos::new(HPos::Left, anchor));
            area.draw(&Text::new(label(value, step), (left + 24 * UNITS, top + at * UNITS), style))?;
        }
        Ok(())
    }
}

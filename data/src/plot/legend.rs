//! The legend: a wrapped row of names between the title and the plot, where it hides nothing.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Area, Drawn, INK, Mark, Shape, THICK, UNITS, font, letters};

/// Height of a row in pixels.
const ROW: i32 = 28;
/// Width of a sample of line, and the gap after a sample or a name.
const SAMPLE: i32 = 26;
const GAP: i32 = 8;

/// Names with their places, in pixels from the left edge and the row's number.
pub(super) struct Legend<'a> {
    entries: Vec<(&'a Mark, i32, i32)>,
    rows: i32,
}

impl<'a> Legend<'a> {
    /// Lays the named marks out in rows that are centred in `width`.
    pub(super) fn new(marks: &'a [Mark], width: i32) -> Self {
        let need = |mark: &Mark| SAMPLE + 3 * GAP + letters(&mark.name, 20.0);
        let mut rows: Vec<Vec<&Mark>> = Vec::new();
        let mut used = i32::MAX;
        for mark in marks.iter().filter(|m| !m.name.is_empty()) {
            if used.saturating_add(need(mark)) > width {
                rows.push(Vec::new());
                used = 0;
            }
            used += need(mark);
            rows.last_mut().expect("the first mark opens a row").push(mark);
        }
        let mut entries = Vec::new();
        for (row, number) in rows.iter().zip(0..) {
            let total: i32 = row.iter().copied().map(need).sum();
            let mut x = ((width - total) / 2).max(GAP);
            for &mark in row {
                entries.push((mark, x, number));
                x += need(mark);
            }
        }
        Self { entries, rows: rows.len() as i32 }
    }

    /// Pixels that it needs.
    pub(super) fn height(&self) -> i32 {
        self.rows * ROW
    }

    pub(super) fn draw(&self, area: &Area<'_>, top: i32) -> Drawn {
        for &(mark, x, row) in &self.entries {
            let middle = (top + row * ROW + ROW / 2) * UNITS;
            let (from, to) = (x * UNITS, (x + SAMPLE) * UNITS);
            let line =
                |a: i32, b: i32| PathElement::new(vec![(a, middle), (b, middle)], mark.colour.stroke_width(THICK));
            match mark.shape {
                Shape::Dots => {
                    area.draw(&Circle::new(((from + to) / 2, middle), 5 * UNITS, mark.colour.filled()))?;
                }
                Shape::Rings => {
                    let thin = mark.colour.stroke_width(UNITS as u32 * 3 / 2);
                    area.draw(&Circle::new(((from + to) / 2, middle), 9 * UNITS, thin))?;
                }
                Shape::Band => {
                    let corners = [(from, middle - 7 * UNITS), (to, middle + 7 * UNITS)];
                    area.draw(&Rectangle::new(corners, mark.colour.mix(0.25).filled()))?;
                }
                Shape::Dashed => {
                    area.draw(&line(from, from + 10 * UNITS))?;
                    area.draw(&line(to - 10 * UNITS, to))?;
                }
                Shape::Line | Shape::Faint => area.draw(&line(from, to))?,
            }
            let beside = font(20.0).color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(mark.name.as_str(), (to + GAP * UNITS, middle), beside))?;
        }
        Ok(())
    }
}

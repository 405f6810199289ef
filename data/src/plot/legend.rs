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
        let mut rows: Vec<(i32, Vec<(&Mark, i32)>)> = Vec::new();
        for mark in marks.iter().filter(|m| !m.name.is_empty()) {
            let need = SAMPLE + 3 * GAP + letters(&mark.name, 20.0);
            match rows.last_mut().filter(|(used, _)| used + need <= width) {
                Some((used, row)) => {
                    row.push((mark, *used));
                    *used += need;
                }
                None => rows.push((need, vec![(mark, 0)])),
            }
        }
        let count = rows.len() as i32;
        let centred = |(number, (used, row)): (usize, (i32, Vec<(&'a Mark, i32)>))| {
            let margin = ((width - used) / 2).max(GAP);
            row.into_iter().map(move |(mark, x)| (mark, margin + x, number as i32))
        };
        Self { entries: rows.into_iter().enumerate().flat_map(centred).collect(), rows: count }
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

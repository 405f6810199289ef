//! Charts as SVG text: curves, points, forecast bands and heat maps, over plotters.
//!
//! They are drawn for a white card of about 640 × 400 that may shrink to the width of a phone: large letters, thick lines, few
//! ticks, colours that survive inversion in dark mode. Values that are not finite leave a gap; nothing else is left out silently
//! but what cannot be told apart: a curve of more points than pixels is thinned to the extremes of each column.

mod heat;
mod scale;

use std::ops::Range;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::colour::KINDS;
use crate::error::{DataError, Result};
pub use heat::HeatMap;
use scale::Scale;

/// Drawing units a pixel: plotters rounds to whole units, which at 1 would show as steps in a curve.
const UNITS: i32 = 4;

/// plotters' SVG letters come out smaller than asked by this factor (`plotters-svg` 0.3.7, `draw_text`).
const LETTER: f64 = 1.24;

/// A point of a chart.
pub type Point = (f64, f64);

#[derive(Clone, Debug)]
enum Shape {
    Line,
    Dashed,
    Faint,
    Dots,
    /// Every point is followed by the one at the other edge of the band.
    Band,
}

#[derive(Clone, Debug)]
struct Mark {
    name: String,
    shape: Shape,
    points: Vec<Point>,
    colour: RGBColor,
}

/// A chart with two axes, built by chaining and drawn by [`Chart::svg`].
///
/// ```
/// let loss = (0..100).map(|step| (f64::from(step), (-0.05 * f64::from(step)).exp()));
/// let svg = etude_data::plot::Chart::new("Training").x("step").y("loss").line("train", loss).svg()?;
/// assert!(svg.starts_with("<svg"));
/// # Ok::<(), etude_data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Chart {
    title: String,
    x: String,
    y: String,
    size: (i32, i32),
    x_range: Option<Range<f64>>,
    y_range: Option<Range<f64>>,
    log_y: bool,
    marks: Vec<Mark>,
    kinds: usize,
}

impl Chart {
    /// An empty chart of 640 × 400.
    pub fn new(title: impl Into<String>) -> Self {
        let (x, y) = (String::new(), String::new());
        Self {
            title: title.into(),
            x,
            y,
            size: (640, 400),
            x_range: None,
            y_range: None,
            log_y: false,
            marks: Vec::new(),
            kinds: 0,
        }
    }

    /// What the horizontal axis shows.
    pub fn x(mut self, label: impl Into<String>) -> Self {
        self.x = label.into();
        self
    }

    /// What the vertical axis shows.
    pub fn y(mut self, label: impl Into<String>) -> Self {
        self.y = label.into();
        self
    }

    /// 520 × 520, for planes whose axes have the same unit.
    pub fn square(mut self) -> Self {
        self.size = (520, 520);
        self
    }

    /// Shows exactly this range; marks outside are cut.
    pub fn x_range(mut self, range: Range<f64>) -> Self {
        self.x_range = Some(range);
        self
    }

    /// Shows exactly this range; marks outside are cut.
    pub fn y_range(mut self, range: Range<f64>) -> Self {
        self.y_range = Some(range);
        self
    }

    /// A logarithmic vertical axis; values that are not positive leave a gap.
    pub fn log_y(mut self) -> Self {
        self.log_y = true;
        self
    }

    /// A curve. An empty name leaves it out of the legend, here and below.
    pub fn line(self, name: impl Into<String>, points: impl IntoIterator<Item = Point>) -> Self {
        self.mark(name, Shape::Line, points)
    }

    /// A dashed curve, for a target or another model.
    pub fn dashed(self, name: impl Into<String>, points: impl IntoIterator<Item = Point>) -> Self {
        self.mark(name, Shape::Dashed, points)
    }

    /// A noisy curve: the values faintly, and over them their running mean (exponential, over a fiftieth of the points).
    pub fn smoothed(self, name: impl Into<String>, points: impl IntoIterator<Item = Point>) -> Self {
        let points: Vec<Point> = points.into_iter().collect();
        let mean = running_mean(&points);
        let mut chart = self.mark("", Shape::Faint, points);
        chart.kinds -= 1;
        chart.mark(name, Shape::Line, mean)
    }

    /// Separate points.
    pub fn scatter(self, name: impl Into<String>, points: impl IntoIterator<Item = Point>) -> Self {
        self.mark(name, Shape::Dots, points)
    }

    /// A shaded band from `low` to `high` at each x, in the colour of the next mark: draw the band, then its centre line.
    pub fn band(self, name: impl Into<String>, edges: impl IntoIterator<Item = (f64, f64, f64)>) -> Self {
        let mut chart =
            self.mark(name, Shape::Band, edges.into_iter().flat_map(|(x, low, high)| [(x, low), (x, high)]));
        chart.kinds -= 1;
        chart
    }

    fn mark(mut self, name: impl Into<String>, shape: Shape, points: impl IntoIterator<Item = Point>) -> Self {
        let colour = kind_colour(self.kinds);
        self.kinds += 1;
        self.marks.push(Mark { name: name.into(), shape, points: points.into_iter().collect(), colour });
        self
    }

    /// The chart as SVG text.
    pub fn svg(&self) -> Result<String> {
        let mut svg = String::new();
        let drawn = self.draw(SVGBackend::with_string(&mut svg, units(self.size)).into_drawing_area());
        drawn.map_err(|e| DataError::Chart { title: self.title.clone(), reason: e.to_string() })?;
        Ok(sized(&svg, self.size))
    }

    fn draw(
        &self,
        area: DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let all = || self.marks.iter().flat_map(|m| &m.points);
        let x_room = if self.marks.iter().any(|m| matches!(m.shape, Shape::Dots)) { 0.05 } else { 0.01 };
        let x = Scale::new(all().map(|p| p.0), self.x_range.as_ref(), false, x_room, 5);
        let y = Scale::new(all().map(|p| p.1), self.y_range.as_ref(), self.log_y, 0.06, 5);
        area.fill(&WHITE)?;
        title(&area, &self.title, self.size.0)?;
        let mut chart = ChartBuilder::on(&area)
            .margin_top(46 * UNITS)
            .margin_right(22 * UNITS)
            .margin_bottom(8 * UNITS)
            .margin_left(if self.y.is_empty() { 6 } else { 30 } * UNITS)
            .x_label_area_size(if self.x.is_empty() { 34 } else { 60 } * UNITS)
            .y_label_area_size(66 * UNITS)
            .build_cartesian_2d(Axis(x.clone()), Axis(y.clone()))?;
        chart
            .configure_mesh()
            .axis_style(GREY.stroke_width(2 * UNITS as u32))
            .bold_line_style(PALE.stroke_width(UNITS as u32))
            .light_line_style(TRANSPARENT)
            .label_style(font(20.0).color(&INK))
            .set_all_tick_mark_size(0)
            .draw()?;
        for mark in &self.marks {
            let columns = self.size.0 as usize;
            mark.draw(&mut chart, &x, &y, columns)?;
        }
        let centre = |from: i32, to: i32| (from + to) / 2;
        let plot = chart.plotting_area().get_pixel_range();
        let below = Pos::new(HPos::Center, VPos::Bottom);
        let place = (centre(plot.0.start, plot.0.end), (self.size.1 - 8) * UNITS);
        area.draw(&Text::new(self.x.as_str(), place, font(20.0).color(&INK).pos(below)))?;
        let upright = font(20.0).transform(FontTransform::Rotate270).color(&INK).pos(Pos::new(HPos::Center, VPos::Top));
        area.draw(&Text::new(self.y.as_str(), (10 * UNITS, centre(plot.1.start, plot.1.end)), upright))?;
        self.legend(&area, &plot, &x, &y)?;
        area.present()?;
        Ok(())
    }

    /// Names in the corner of the plot that holds the fewest points.
    fn legend(
        &self,
        area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
        plot: &(Range<i32>, Range<i32>),
        x: &Scale,
        y: &Scale,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let named: Vec<&Mark> = self.marks.iter().filter(|m| !m.name.is_empty()).collect();
        if named.is_empty() {
            return Ok(());
        }
        let letters = named.iter().map(|m| m.name.chars().count()).max().unwrap_or(0) as i32;
        // Half an em is the mean width of a letter in common sans-serif fonts; a little more keeps wide names inside.
        let (width, row) = ((46 + letters * 11) * UNITS, 26 * UNITS);
        let height = row * named.len() as i32 + 8 * UNITS;
        let (share_x, share_y) = (
            f64::from(width) / f64::from(plot.0.end - plot.0.start),
            f64::from(height) / f64::from(plot.1.end - plot.1.start),
        );
        let crowd = |right: bool, top: bool| {
            let inside = |p: &&Point| {
                let (u, v) = (x.part(p.0), y.part(p.1));
                (if right { u > 1.0 - share_x } else { u < share_x })
                    && (if top { v > 1.0 - share_y } else { v < share_y })
            };
            // Shares, not counts: a curve of a thousand points is as much in the way as one of ten.
            let share = |m: &Mark| m.points.iter().filter(inside).count() as f64 / m.points.len().max(1) as f64;
            self.marks.iter().map(share).sum::<f64>()
        };
        let corners = [(true, true), (false, true), (true, false), (false, false)];
        let (right, top) =
            corners.into_iter().min_by(|a, b| crowd(a.0, a.1).total_cmp(&crowd(b.0, b.1))).unwrap_or((true, true));
        let gap = 8 * UNITS;
        let left = if right { plot.0.end - gap - width } else { plot.0.start + gap };
        let upper = if top { plot.1.start + gap } else { plot.1.end - gap - height };
        area.draw(&Rectangle::new([(left, upper), (left + width, upper + height)], WHITE.mix(0.85).filled()))?;
        for (i, mark) in named.iter().enumerate() {
            let middle = upper + 4 * UNITS + row * i as i32 + row / 2;
            let (from, to) = (left + 6 * UNITS, left + 30 * UNITS);
            let half = 6 * UNITS;
            let colour = mark.colour;
            match mark.shape {
                Shape::Dots => area.draw(&Circle::new(((from + to) / 2, middle), 5 * UNITS, colour.filled()))?,
                Shape::Band => {
                    area.draw(&Rectangle::new([(from, middle - half), (to, middle + half)], colour.mix(0.25).filled()))?
                }
                Shape::Dashed => {
                    for start in [from, (from + to) / 2 + 2 * UNITS] {
                        area.draw(&PathElement::new(
                            vec![(start, middle), (start + 9 * UNITS, middle)],
                            colour.stroke_width(THICK),
                        ))?;
                    }
                }
                Shape::Line | Shape::Faint => {
                    area.draw(&PathElement::new(vec![(from, middle), (to, middle)], colour.stroke_width(THICK)))?
                }
            }
            let beside = font(20.0).color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(mark.name.as_str(), (to + 8 * UNITS, middle), beside))?;
        }
        Ok(())
    }
}

const INK: RGBColor = RGBColor(40, 40, 40);
const GREY: RGBColor = RGBColor(140, 140, 140);
const PALE: RGBColor = RGBColor(225, 225, 225);
const THICK: u32 = 3 * UNITS as u32;

/// [`Scale`] is its own coordinate; plotters wants a conversion from the type that it is given.
struct Axis(Scale);

impl plotters::coord::ranged1d::AsRangedCoord for Axis {
    type CoordDescType = Scale;
    type Value = f64;
}

impl From<Axis> for Scale {
    fn from(axis: Axis) -> Self {
        axis.0
    }
}

type Plane<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Scale, Scale>>;

impl Mark {
    fn draw(
        &self,
        chart: &mut Plane<'_, '_>,
        x: &Scale,
        y: &Scale,
        columns: usize,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let visible = |p: &Point| {
            let (u, v) = (x.part(p.0), y.part(p.1));
            u.is_finite() && v.is_finite() && (-1e-9..=1.0 + 1e-9).contains(&u)
        };
        let thick = self.colour.stroke_width(THICK);
        let runs = || self.points.split(|p| !visible(p)).filter(|run| !run.is_empty()).map(|run| thin(run, columns));
        match self.shape {
            Shape::Line => runs().try_for_each(|run| chart.draw_series(LineSeries::new(run, thick)).map(drop))?,
            Shape::Faint => {
                let faint = self.colour.mix(0.3).stroke_width(UNITS as u32 * 3 / 2);
                runs().try_for_each(|run| chart.draw_series(LineSeries::new(run, faint)).map(drop))?;
            }
            Shape::Dashed => runs().try_for_each(|run| {
                let (dash, gap) = (9 * UNITS, 6 * UNITS);
                chart.draw_series(DashedLineSeries::new(run, dash, gap, thick)).map(drop)
            })?,
            Shape::Dots => {
                let shown = self.points.iter().filter(|p| visible(p) && (0.0..=1.0).contains(&y.part(p.1)));
                // A cloud of thousands of points shows its density; a few stay solid.
                let (radius, opacity) = if self.points.len() > 400 { (2 * UNITS, 0.35) } else { (4 * UNITS, 0.85) };
                let style = self.colour.mix(opacity).filled();
                chart.draw_series(shown.map(|&p| Circle::new(p, radius, style)))?;
            }
            Shape::Band => {
                let pairs: Vec<[Point; 2]> = self.points.as_chunks::<2>().0.to_vec();
                for run in pairs.split(|pair| !pair.iter().all(visible)).filter(|run| !run.is_empty()) {
                    let outline = run.iter().map(|p| p[0]).chain(run.iter().rev().map(|p| p[1])).collect::<Vec<_>>();
                    chart.draw_series(std::iter::once(Polygon::new(outline, self.colour.mix(0.25))))?;
                }
            }
        }
        Ok(())
    }
}

/// The lowest and the highest point of each of `columns` stretches, in their order, if there are more points than that shows.
fn thin(points: &[Point], columns: usize) -> Vec<Point> {
    if points.len() <= 2 * columns {
        return points.to_vec();
    }
    let extremes = |stretch: &[Point]| {
        let by_y = |a: &usize, b: &usize| stretch[*a].1.total_cmp(&stretch[*b].1);
        let (low, high) = ((0..stretch.len()).min_by(by_y).unwrap_or(0), (0..stretch.len()).max_by(by_y).unwrap_or(0));
        [stretch[low.min(high)], stretch[low.max(high)]]
    };
    points.chunks(points.len().div_ceil(columns)).flat_map(extremes).collect()
}

/// Exponential mean of the finite values, corrected for its start as Adam's moments are (Kingma and Ba 2015, section 3).
fn running_mean(points: &[Point]) -> Vec<Point> {
    let keep = 1.0 - 1.0 / (points.len() as f64 / 50.0).max(1.0);
    let (mut mean, mut weight) = (0.0, 0.0);
    let smooth = |&(x, y): &Point| {
        if !y.is_finite() {
            return (x, f64::NAN);
        }
        mean = keep * mean + (1.0 - keep) * y;
        weight = keep * weight + (1.0 - keep);
        (x, mean / weight)
    };
    points.iter().map(smooth).collect()
}

fn kind_colour(index: usize) -> RGBColor {
    let [r, g, b] = KINDS[index % KINDS.len()];
    RGBColor(r, g, b)
}

/// Sans-serif letters of a height in pixels.
fn font(pixels: f64) -> FontDesc<'static> {
    FontDesc::new(FontFamily::SansSerif, pixels * LETTER * f64::from(UNITS), FontStyle::Normal)
}

/// Draws the title in the middle of the top, smaller if it is long.
fn title(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    text: &str,
    width: i32,
) -> Result<(), Box<dyn std::error::Error>> {
    // 0.52 em a letter, as above.
    let fitting = f64::from(width - 20) / (0.52 * text.chars().count().max(1) as f64);
    let style = font(fitting.clamp(10.0, 24.0)).color(&INK).pos(Pos::new(HPos::Center, VPos::Center));
    area.draw(&Text::new(text, (width * UNITS / 2, 24 * UNITS), style))?;
    Ok(())
}

fn units((width, height): (i32, i32)) -> (u32, u32) {
    ((width * UNITS) as u32, (height * UNITS) as u32)
}

/// Says the size in pixels where plotters says it in units; the viewBox stays.
fn sized(svg: &str, (width, height): (i32, i32)) -> String {
    let (w, h) = units((width, height));
    svg.replacen(&format!("width=\"{w}\" height=\"{h}\""), &format!("width=\"{width}\" height=\"{height}\""), 1)
}

//! Charts as SVG text: curves, points, forecast bands and heat maps, over plotters.
//!
//! They are drawn for a white card of about 640 × 400 that may shrink to the width of a phone: large letters, thick lines, few
//! ticks, colours that survive inversion in dark mode. Values that are not finite leave a gap; nothing else is left out silently
//! but what cannot be told apart: a curve of more points than pixels is thinned to the extremes of each column.

mod heat;
mod legend;
mod scale;

use std::ops::Range;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::colour::KINDS;
use crate::error::{DataError, Result};
pub use heat::HeatMap;
use legend::Legend;
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
    Rings,
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

    /// A noisy curve: the values faintly, and over them their running mean (centred, over a fiftieth of the points).
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

    /// Hollow circles around points, so that what lies at them stays visible.
    pub fn rings(self, name: impl Into<String>, points: impl IntoIterator<Item = Point>) -> Self {
        self.mark(name, Shape::Rings, points)
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
        let legend = Legend::new(&self.marks, self.size.0);
        let size = (self.size.0, self.size.1 + legend.height());
        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, units(size)).into_drawing_area();
        let drawn = self.draw(&area, &legend, size);
        drop(area);
        drawn.map_err(|e| DataError::Chart { title: self.title.clone(), reason: e.to_string() })?;
        Ok(sized(&svg, size))
    }

    fn draw(&self, area: &Area<'_>, legend: &Legend<'_>, size: (i32, i32)) -> Drawn {
        let all = || self.marks.iter().flat_map(|m| &m.points);
        let dots = self.marks.iter().any(|m| matches!(m.shape, Shape::Dots | Shape::Rings));
        let x_room = if dots { 0.05 } else { 0.01 };
        let x = Scale::new(all().map(|p| p.0), self.x_range.as_ref(), false, x_room);
        let y = Scale::new(all().map(|p| p.1), self.y_range.as_ref(), self.log_y, 0.06);
        area.fill(&WHITE)?;
        title(area, &self.title, size.0)?;
        legend.draw(area, TITLE)?;
        let mut chart = ChartBuilder::on(area)
            .margin_top((TITLE + 6 + legend.height()) * UNITS)
            .margin_right(30 * UNITS)
            .margin_bottom(if self.x.is_empty() { 6 } else { 32 } * UNITS)
            .margin_left(if self.y.is_empty() { 6 } else { 32 } * UNITS)
            .x_label_area_size(34 * UNITS)
            .y_label_area_size(70 * UNITS)
            .build_cartesian_2d(Axis(x.clone()), Axis(y.clone()))?;
        chart
            .configure_mesh()
            .axis_style(GREY.stroke_width(2 * UNITS as u32))
            .bold_line_style(PALE.stroke_width(UNITS as u32))
            .light_line_style(TRANSPARENT)
            .label_style(font(20.0).color(&INK))
            .set_all_tick_mark_size(6 * UNITS)
            .draw()?;
        for mark in &self.marks {
            mark.draw(&mut chart, &x, &y, size.0 as usize)?;
        }
        let plot = chart.plotting_area().get_pixel_range();
        self.axis_names(area, size.1, plot)?;
        area.present()?;
        Ok(())
    }

    fn axis_names(&self, area: &Area<'_>, height: i32, plot: (Range<i32>, Range<i32>)) -> Drawn {
        let middle = |range: Range<i32>| (range.start + range.end) / 2;
        let below = font(20.0).color(&INK).pos(Pos::new(HPos::Center, VPos::Bottom));
        let place = (middle(plot.0), (height - 10) * UNITS);
        area.draw(&Text::new(self.x.as_str(), place, below))?;
        let upright = font(20.0).transform(FontTransform::Rotate270).color(&INK);
        let upright = upright.pos(Pos::new(HPos::Center, VPos::Top));
        area.draw(&Text::new(self.y.as_str(), (10 * UNITS, middle(plot.1)), upright))?;
        Ok(())
    }
}

/// Pixels from the top that the title takes.
const TITLE: i32 = 44;
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

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;
type Plane<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Scale, Scale>>;

impl Mark {
    fn draw(&self, chart: &mut Plane<'_, '_>, x: &Scale, y: &Scale, columns: usize) -> Drawn {
        let visible = |p: &Point| {
            let (u, v) = (x.part(p.0), y.part(p.1));
            u.is_finite() && v.is_finite() && (-1e-9..=1.0 + 1e-9).contains(&u)
        };
        let thick = self.colour.stroke_width(THICK);
        let runs = || self.points.split(|p| !visible(p)).filter(|run| !run.is_empty()).map(|run| thin(run, columns));
        let inside = || self.points.iter().filter(|p| visible(p) && (0.0..=1.0).contains(&y.part(p.1)));
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
            Shape::Rings => {
                let thin = self.colour.stroke_width(UNITS as u32 * 3 / 2);
                chart.draw_series(inside().map(|&p| Circle::new(p, 9 * UNITS, thin)))?;
            }
            Shape::Dots => {
                // A cloud of thousands of points shows its density; a few stay solid.
                let (radius, opacity) = if self.points.len() > 400 { (2 * UNITS, 0.35) } else { (4 * UNITS, 0.85) };
                let style = self.colour.mix(opacity).filled();
                chart.draw_series(inside().map(|&p| Circle::new(p, radius, style)))?;
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

/// Mean of the finite values within a hundredth of the points to either side; centred, so that it does not lag, but at
/// the ends.
fn running_mean(points: &[Point]) -> Vec<Point> {
    let half = points.len() / 100;
    let mut sums = vec![(0.0, 0.0)];
    for &(_, y) in points {
        let (sum, count) = sums[sums.len() - 1];
        sums.push(if y.is_finite() { (sum + y, count + 1.0) } else { (sum, count) });
    }
    let mean = |(i, &(x, _)): (usize, &Point)| {
        let (low, high) = (sums[i.saturating_sub(half)], sums[(i + half + 1).min(points.len())]);
        (x, (high.0 - low.0) / (high.1 - low.1))
    };
    points.iter().enumerate().map(mean).collect()
}

fn kind_colour(index: usize) -> RGBColor {
    let [r, g, b] = KINDS[index % KINDS.len()];
    RGBColor(r, g, b)
}

/// Sans-serif letters of a height in pixels.
fn font(pixels: f64) -> FontDesc<'static> {
    FontDesc::new(FontFamily::SansSerif, pixels * LETTER * f64::from(UNITS), FontStyle::Normal)
}

/// Width of a text in pixels, estimated: common sans-serif fonts take at most 0.6 em a letter in the mean.
fn letters(text: &str, size: f64) -> i32 {
    (0.6 * size * text.chars().count() as f64).ceil() as i32
}

/// Draws the title in the middle of the top, smaller if it is long.
fn title(area: &Area<'_>, text: &str, width: i32) -> Drawn {
    let fitting = 24.0 * f64::from(width - 16) / f64::from(letters(text, 24.0).max(1));
    let style = font(fitting.clamp(10.0, 24.0)).color(&INK);
    let style = style.pos(Pos::new(HPos::Center, VPos::Center));
    area.draw(&Text::new(text, (width * UNITS / 2, TITLE / 2 * UNITS), style))?;
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

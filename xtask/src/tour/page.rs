//! The page of the tour: one HTML file that holds everything it shows.
//!
//! Invariant: no address outside the file and no script. Pictures and drawings are `data:` addresses inside `<img>`,
//! where a drawing cannot run anything; every text of an example is escaped.

use std::fmt::Write;

use super::html::{data_uri, duration, escape, png_size};
use super::report::{Figure, Kind, Measured, Report};
use super::showpieces::{Metric, Unit};
use super::{Outcome, Tour, Visit, table};

/// Pictures narrower than this are enlarged by a whole factor.
const SMALL: u32 = 420;

/// Pictures narrower than this keep square pixels; wider ones would show uneven squares where the page scales them.
const TINY: u32 = 200;

/// The whole page.
pub fn render(tour: &Tour) -> String {
    let mut page = String::new();
    let style = include_str!("page.css");
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Étude: the tour</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>\n{style}</style>\n</head>\n<body>\n"
    );
    header(&mut page, tour);
    page.push_str("<main>\n");
    let mut open = "";
    for visit in &tour.visits {
        if visit.family.folder != open {
            if !open.is_empty() {
                page.push_str("</section>\n");
            }
            open = visit.family.folder;
            let title = escape(visit.family.title);
            let package = visit.family.package();
            let _ = write!(page, "<section class=\"card\" id=\"{open}\">\n<h2>{title} <code>{package}</code></h2>\n");
        }
        article(&mut page, tour, visit);
    }
    if !open.is_empty() {
        page.push_str("</section>\n");
    }
    page.push_str("</main>\n<footer><p>Written by <code>cargo xtask tour</code>. The same figures for programs: ");
    page.push_str("<code>results.json</code>, beside this page.</p></footer>\n</body>\n</html>\n");
    page
}

/// Title, what ran where, and every figure in one table.
fn header(page: &mut String, tour: &Tour) {
    let seconds = duration(tour.seconds);
    let mut folders: Vec<_> = tour.visits.iter().map(|visit| visit.family.folder).collect();
    folders.dedup();
    let families = match folders.len() {
        1 => "One family of models".to_string(),
        n => format!("{n} families of models"),
    };
    let (mode, seed) = (if tour.quick { "quick" } else { "full" }, tour.seed);
    let _ = write!(
        page,
        "<header>\n<p class=\"mark\">Étude</p>\n<h1>Small studies, trained on this machine</h1>\n\
         <p class=\"lead\">{families}, each trained from scratch on the processor alone: {seconds} from the first \
         step to the last picture. {}</p>\n<p class=\"meta\">{} · {mode} tour · seed {seed}</p>\n",
        verdict(&tour.visits),
        escape(&tour.machine)
    );
    page.push_str("<table>\n<thead><tr><th scope=\"col\">What was learned</th>");
    page.push_str("<th scope=\"col\" class=\"value\">reached</th></tr></thead>\n<tbody>\n");
    let mut family = "";
    for visit in &tour.visits {
        let folder = visit.family.folder;
        let title = escape(visit.family.title);
        let example = visit.showpiece.example;
        let mut row = |label: &str, class: &str, value: &str| {
            let (more, link) = if family == folder {
                (" class=\"more\"", String::new())
            } else {
                ("", format!("<a href=\"#{folder}\">{title}</a>"))
            };
            family = folder;
            let label = format!("<small><code>{example}</code> {label}</small>");
            let _ =
                writeln!(page, "<tr{more}><th scope=\"row\">{link}{label}</th><td class=\"{class}\">{value}</td></tr>");
        };
        match &visit.outcome {
            Outcome::Failed(_) => row("", "value bad", "failed"),
            Outcome::Done(report) => {
                for (at, measured) in report.results.iter().enumerate() {
                    if is_headline(visit, at, measured) {
                        let label = escape(&label(visit, &measured.metric));
                        row(&label, "value", &overview(visit, measured));
                    }
                }
            }
        }
    }
    page.push_str("</tbody>\n</table>\n</header>\n");
}

/// How many figures and examples did what was wanted, as one sentence.
fn verdict(visits: &[Visit]) -> String {
    let failed = visits.iter().filter(|visit| visit.report().is_none()).count();
    let results = visits.iter().filter_map(Visit::report).flat_map(|report| &report.results);
    let (all, missed) =
        results.fold((0, 0), |(all, missed), measured| (all + 1, missed + usize::from(!measured.passed())));
    let met = match missed {
        0 => format!("All {all} figures are as good as wanted."),
        _ => format!("{} of {all} figures are as good as wanted.", all - missed),
    };
    match failed {
        0 => met,
        _ => format!("{met} {failed} of {} examples failed.", visits.len()),
    }
}

/// Whether a figure belongs to the overview: the first, the other headlines, and whatever missed its threshold.
fn is_headline(visit: &Visit, at: usize, measured: &Measured) -> bool {
    let headline = |metric: &Metric| metric.headline && metric.name == measured.metric;
    at == 0 || visit.showpiece.metrics.iter().any(headline) || !measured.passed()
}

/// The cell of the overview: the value, and below it what was wanted, the unit, and whether it was met.
fn overview(visit: &Visit, measured: &Measured) -> String {
    let unit = table::unit(visit, &measured.metric);
    let (value, threshold) = measured.numbers();
    let (number, name) = match unit {
        Unit::Share => (table::value(value, unit), ""),
        Unit::Number(name) => (table::value(value, Unit::Number("")), name),
    };
    let wanted = table::threshold(threshold, measured.better, unit);
    format!("{number}<small>{wanted} {} {}</small>", escape(name), mark(measured))
}

/// One showpiece: what it is, its figures, its pictures, and how to run it alone.
fn article(page: &mut String, tour: &Tour, visit: &Visit) {
    let example = visit.showpiece.example;
    match &visit.outcome {
        Outcome::Failed(reason) => {
            let _ = write!(
                page,
                "<article>\n<h3>{example}</h3>\n<p class=\"bad\">This example failed.</p>\n\
                 <pre class=\"failure\">{}</pre>\n",
                escape(reason)
            );
        }
        Outcome::Done(report) => {
            let _ = writeln!(page, "<article>\n<h3>{}</h3>", escape(&report.title));
            about(page, report);
            page.push_str("<dl class=\"results\">\n");
            for (at, measured) in report.results.iter().enumerate() {
                result(page, visit, measured, at == 0);
            }
            page.push_str("</dl>\n");
            let alike = |a: &Figure, b: &Figure| (a.kind == Kind::Text) == (b.kind == Kind::Text);
            for group in report.figures.chunk_by(alike) {
                page.push_str("<div class=\"figures\">\n");
                group.iter().for_each(|shown| figure(page, visit, shown));
                page.push_str("</div>\n");
            }
        }
    }
    let quick = if tour.quick { " --quick" } else { "" };
    let _ = write!(
        page,
        "<p class=\"run\">{} · seed {} · <code>cargo run --release -p {} --example {example} -- --seed {}{quick}</code></p>\n\
         </article>\n",
        duration(visit.seconds),
        tour.seed,
        visit.family.package(),
        tour.seed
    );
}

fn about(page: &mut String, report: &Report) {
    for (at, sentence) in report.about.iter().enumerate() {
        let class = if at == 0 { "" } else { " class=\"look\"" };
        let _ = writeln!(page, "<p{class}>{}</p>", escape(sentence));
    }
}

fn result(page: &mut String, visit: &Visit, measured: &Measured, headline: bool) {
    let unit = table::unit(visit, &measured.metric);
    let (value, threshold) = measured.numbers();
    let size = if headline { "" } else { " minor" };
    let number = match unit {
        Unit::Share => table::value(value, unit),
        Unit::Number(name) => {
            let number = table::value(value, Unit::Number(""));
            format!("{number}<span class=\"unit\">{}</span>", escape(name))
        }
    };
    let _ = writeln!(
        page,
        "<div><dt>{}</dt><dd class=\"number{size}\">{number}</dd><dd class=\"limit\">wanted {} · {}</dd></div>",
        escape(&label(visit, &measured.metric)),
        table::threshold(threshold, measured.better, unit),
        mark(measured)
    );
}

/// A promised figure has a label; another goes by its name, without that of its example.
fn label(visit: &Visit, metric: &str) -> String {
    let promised = visit.showpiece.metrics.iter().find(|promised| promised.name == metric);
    let name = metric.strip_prefix(visit.showpiece.example).unwrap_or(metric);
    promised.map_or_else(|| name.replace('_', " ").trim().to_string(), |promised| promised.label.to_string())
}

fn mark(measured: &Measured) -> &'static str {
    if measured.passed() { "<span class=\"good\">✓ met</span>" } else { "<span class=\"bad\">✗ missed</span>" }
}

fn figure(page: &mut String, visit: &Visit, figure: &Figure) {
    let caption = escape(&figure.caption);
    let bytes = figure.file.as_ref().map(|file| std::fs::read(visit.folder.join(file)));
    let body = match (figure.kind, bytes) {
        (Kind::Text, _) => {
            let text = figure.text.as_deref().unwrap_or_default();
            // Prose wraps on a narrow screen; the columns of a table would fall apart and scroll instead.
            let is_table = text.lines().any(|line| line.trim().contains("   "));
            let class = if is_table { " class=\"table\" tabindex=\"0\"" } else { "" };
            format!("<pre{class}>{}</pre>", escape(text))
        }
        (Kind::Svg, Some(Ok(bytes))) => {
            let address = data_uri("image/svg+xml", &bytes);
            format!("<div class=\"paper\"><img class=\"drawing\" alt=\"{caption}\" src=\"{address}\"></div>")
        }
        (Kind::Png, Some(Ok(bytes))) => picture(&bytes, &caption),
        (_, Some(Err(error))) => format!("<p class=\"bad\">{}</p>", escape(&error.to_string())),
        (_, None) => "<p class=\"bad\">The report names no file.</p>".to_string(),
    };
    let class = if figure.kind == Kind::Text { " class=\"text\"" } else { "" };
    let _ = writeln!(page, "<figure{class}>{body}<figcaption>{caption}</figcaption></figure>");
}

/// A raster picture at a whole multiple of its size, unless the screen is narrower.
fn picture(bytes: &[u8], caption: &str) -> String {
    let address = data_uri("image/png", bytes);
    let (width, height) = png_size(bytes).unwrap_or((SMALL, SMALL));
    let scale = SMALL.div_ceil(width.max(1));
    let class = if width < TINY { " class=\"pixel\"" } else { "" };
    format!(
        "<img{class} width=\"{}\" height=\"{}\" alt=\"{caption}\" src=\"{address}\">",
        width * scale,
        height * scale
    )
}

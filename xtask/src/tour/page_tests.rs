//! The page holds everything it shows, shows what went wrong, and trusts no text.

use super::report::{Figure, Kind};
use super::{Outcome, Tour, Visit, fake, page};

fn tour(visits: Vec<Visit>) -> Tour {
    Tour { quick: true, seed: 7, seconds: 61.0, machine: "A <CPU>".into(), visits }
}

/// A visit whose every text tries to leave its place, with a picture, a drawing and a sample.
fn hostile(folder: &std::path::Path) -> Visit {
    let attack = "\"><script src='http://x/'></script>";
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    png.extend([0, 0, 0, 28, 0, 0, 0, 14]);
    std::fs::write(folder.join("a.png"), png).expect("it is writable");
    std::fs::write(folder.join("b.svg"), "<svg xmlns='http://www.w3.org/2000/svg'/>").expect("it is writable");
    let mut visit = fake::done(0.75);
    visit.folder = folder.to_path_buf();
    let Outcome::Done(report) = &mut visit.outcome else {
        panic!("a fake that is done");
    };
    report.title = attack.into();
    report.about = vec![attack.into(); 2];
    let mut extra = report.results[0].clone();
    extra.metric = attack.into();
    report.results.push(extra);
    let figure = |kind, file: Option<&str>, text: Option<&str>| Figure {
        kind,
        file: file.map(Into::into),
        text: text.map(Into::into),
        caption: attack.into(),
    };
    report.figures = vec![
        figure(Kind::Png, Some("a.png"), None),
        figure(Kind::Svg, Some("b.svg"), None),
        figure(Kind::Text, None, Some(attack)),
    ];
    visit
}

/// The value of every attribute `name` in the page.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let opening = format!(" {name}=\"");
    let rest = page.split(opening.as_str()).skip(1);
    rest.filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn nothing_on_the_page_comes_from_outside_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let page = page::render(&tour(vec![hostile(folder.path()), fake::failed("<b>no</b>")]));
    let outside: Vec<_> = attributes(&page, "src")
        .into_iter()
        .chain(attributes(&page, "href"))
        .filter(|address| !address.starts_with("data:") && !address.starts_with('#'))
        .collect();
    assert_eq!(outside, [""; 0], "addresses outside the page");
    assert_eq!(attributes(&page, "src").len(), 2, "a picture and a drawing");
    for forbidden in ["<script", "@import", "url(", "<iframe", "<b>no"] {
        assert!(!page.contains(forbidden), "the page contains {forbidden}");
    }
    assert!(page.contains("A &lt;CPU&gt;"));
    // What is left of the attack is text.
    assert!(page.contains("&quot;&gt;&lt;script src=&#39;http://x/&#39;&gt;"));
}

#[test]
fn every_picture_has_its_caption_as_alternative_text() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let page = page::render(&tour(vec![hostile(folder.path())]));
    assert_eq!(attributes(&page, "alt").len(), 2);
    assert!(attributes(&page, "alt").iter().all(|text| !text.is_empty()));
    // 28 × 14 pixels, enlarged by a whole factor with square pixels.
    assert!(page.contains("<img class=\"pixel\" width=\"420\" height=\"210\""), "{page}");
}

#[test]
fn failures_and_misses_are_shown_as_such() {
    let page = page::render(&tour(vec![fake::done(0.75), fake::done(0.25), fake::failed("loss is NaN")]));
    assert_eq!(page.matches("✓ met").count(), 2, "in the overview and in the section");
    assert_eq!(page.matches("✗ missed").count(), 2);
    assert!(page.contains("<pre class=\"failure\">loss is NaN</pre>"));
    assert!(page.contains("class=\"value bad\">failed"));
}

#[test]
fn a_picture_that_is_not_there_is_said_to_be_missing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let visit = hostile(folder.path());
    std::fs::remove_file(folder.path().join("a.png")).expect("it was written");
    let page = page::render(&tour(vec![visit]));
    assert!(page.contains("<p class=\"bad\">No such file"), "{page}");
}

#[test]
fn tables_keep_their_columns_and_prose_wraps() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let page_with = |text: &str| {
        let mut visit = hostile(folder.path());
        let Outcome::Done(report) = &mut visit.outcome else {
            panic!("a fake that is done");
        };
        report.figures[2].text = Some(text.into());
        page::render(&tour(vec![visit]))
    };
    assert!(page_with("name     value\nma1       -0.4").contains("<pre class=\"table\""));
    assert!(page_with("    NURSE.\nO, my good lord.").contains("<pre>    NURSE."));
}

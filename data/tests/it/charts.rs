//! Charts: every mark appears, names are escaped, and no data makes drawing fail.

use etude_data::plot::{Chart, HeatMap};
use proptest::prelude::*;

use crate::cases;

#[test]
fn every_mark_title_and_name_is_in_the_svg() {
    let line = |k: f64| (0..10).map(move |i| (f64::from(i), k * f64::from(i)));
    let svg = Chart::new("A < B & C")
        .x("step")
        .y("loss")
        .line("first", line(1.0))
        .dashed("second", line(2.0))
        .smoothed("third", line(3.0))
        .band("fourth", (0..10).map(|i| (f64::from(i), 0.0, 1.0)))
        .scatter("fifth", line(4.0))
        .rings("sixth", line(5.0))
        .svg()
        .expect("finite points");
    for text in ["step", "loss", "first", "second", "third", "fourth", "fifth", "sixth", "A &lt; B &amp; C"] {
        assert!(svg.contains(text), "{text} is missing");
    }
    // One sample in the legend and one mark in the plot each; `smoothed` draws two curves.
    assert!(svg.matches("<circle").count() == 2 * (1 + 10));
    assert!(svg.lines().filter(|l| l.contains("<circle") && l.contains("fill=\"none\"")).count() == 1 + 10, "rings");
    assert!(svg.matches("<polygon").count() == 1);
    assert!(svg.starts_with("<svg width=\"640\"") && svg.trim_end().ends_with("</svg>"));
}

#[test]
fn a_gap_splits_a_curve_and_a_long_one_is_thinned_to_its_extremes() {
    let curves = |points: Vec<(f64, f64)>| {
        let svg = Chart::new("").line("", points).svg().expect("drawn");
        let paths: Vec<usize> = svg.lines().filter(|l| l.contains("#0072B2")).map(|l| l.matches(',').count()).collect();
        paths
    };
    let with_gap = (0..9).map(|i| (f64::from(i), if i == 4 { f64::NAN } else { f64::from(i) })).collect();
    assert_eq!(curves(with_gap), [4, 4]);
    // 100,000 points with one spike: few remain, the spike among them, so the range of the axis is drawn through.
    let spike = |i: u32| if i == 77_777 { 1.0 } else { 0.0 };
    let long = curves((0..100_000).map(|i| (f64::from(i), spike(i))).collect());
    assert!(long.len() == 1 && (100..=2000).contains(&long[0]), "{long:?}");
    let svg = Chart::new("").line("", (0..100_000).map(|i| (f64::from(i), spike(i)))).svg().expect("drawn");
    let heights = |svg: &str| {
        let path = svg.lines().find(|l| l.contains("#0072B2")).expect("the curve").to_owned();
        let points = path.split("points=\"").nth(1).expect("points").split('"').next().expect("points").to_owned();
        let ys: Vec<i32> =
            points.split_whitespace().map(|p| p.split(',').nth(1).expect("x,y").parse().expect("a number")).collect();
        ys.iter().max().expect("points") - ys.iter().min().expect("points")
    };
    assert!(heights(&svg) > 500, "{}", heights(&svg));
}

#[test]
fn a_heat_map_has_a_rectangle_for_each_value() {
    let svg = HeatMap::new("map", 4, (0..12).map(f64::from))
        .text((0..12).map(|i| format!("c{i}")))
        .svg()
        .expect("3 rows of 4");
    // The background, 12 cells and 60 steps of the colour bar.
    assert_eq!(svg.matches("<rect").count(), 1 + 12 + 60);
    assert!((0..12).all(|i| svg.contains(&format!("c{i}\n"))));
    let named = HeatMap::new("map", 4, (0..12).map(f64::from)).without_bar();
    let named = named.names(["r0", "r1", "r2"].to_vec(), ["k0", "k1", "k2", "k3"].to_vec());
    let svg = named.clone().svg().expect("3 rows of 4");
    assert_eq!(svg.matches("<rect").count(), 1 + 12);
    assert!(["r0", "r1", "r2", "k0", "k1", "k2", "k3"].iter().all(|name| svg.contains(&format!("{name}\n"))));
    assert!(named.names(["r0"], ["k0"]).svg().is_err());
    assert!(HeatMap::new("map", 5, (0..12).map(f64::from)).svg().is_err());
    assert!(HeatMap::new("map", 0, []).svg().is_err());
    assert!(HeatMap::new("map", 4, (0..12).map(f64::from)).text(["one"]).svg().is_err());
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn any_points_can_be_drawn(
        points in proptest::collection::vec((proptest::num::f64::ANY, proptest::num::f64::ANY), 0..20),
        log: bool,
        title in "\\PC{0,80}",
    ) {
        let mut chart = Chart::new(title).line(" ", points.clone()).scatter("b", points.clone()).smoothed("c", points.clone());
        chart = chart.band("d", points.iter().map(|&(x, y)| (x, y, -y))).dashed("e", points.clone());
        if log {
            chart = chart.log_y();
        }
        let svg = chart.svg();
        prop_assert!(svg.is_ok(), "{:?}", svg);
        let map = HeatMap::new("m", 1, points.iter().map(|p| p.0)).svg();
        prop_assert_eq!(map.is_ok(), !points.is_empty());
    }
}

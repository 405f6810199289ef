//! Shows the embedded data sets and what pictures and charts look like:
//! `cargo run --release -p etude-data --example gallery -- --out DIR`.

use etude_data::example::Args;
use etude_data::picture::{self, Grid, Picture};
use etude_data::plot::{Chart, HeatMap};
use etude_data::{Augment, Result, digits, emoji, mnist, series};
use etude_kernels::rng::Rng;

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let mut rng = Rng::new(args.seed);
    std::fs::create_dir_all(&args.out)?;
    pictures(&args, &mut rng)?;
    charts(&args, &mut rng)?;
    println!("{}", args.out.display());
    Ok(())
}

fn pictures(args: &Args, rng: &mut Rng) -> Result<()> {
    let test = mnist::test().first(40);
    picture::save_grid(args.out.join("mnist.png"), &test.images, 10)?;
    let augment = Augment { shift: 2.0, rotate: 15.0, scale: 0.15, ..Augment::default() };
    let changed = augment.apply(&test.images, rng);
    picture::save_grid(args.out.join("mnist-augmented.png"), &changed, 10)?;
    picture::save_grid(args.out.join("heat.png"), &picture::heat(&test.images), 10)?;
    let grid = Grid { background: 1.0, padding: 4, ..Grid::new(24) };
    Picture::grid(&emoji().images.narrow(0, 600, 240), &grid).save(args.out.join("emoji.png"))
}

fn charts(args: &Args, rng: &mut Rng) -> Result<()> {
    let save = |name: &str, svg: String| {
        let path = args.out.join(name);
        std::fs::write(&path, svg).map_err(|source| etude_data::DataError::Io { path, action: "write", source })
    };

    let air = series::air_passengers();
    let points = |from: usize, to: usize| (from..to).map(|i| (air.year(i), air.values[i]));
    let naive = |i: usize| air.values[i - 12] * air.values[120] / air.values[108];
    let forecast = (120..144).map(|i| (air.year(i), naive(i)));
    let band = (120..144).map(|i| (air.year(i), 0.9 * naive(i), 1.1 * naive(i)));
    let chart = Chart::new("Airline passengers, seasonal naive forecast ± 10 %")
        .x("year")
        .y("thousands a month")
        .line("observed", points(0, 144))
        .band("± 10 %", band)
        .dashed("forecast", forecast);
    save("forecast.svg", chart.svg()?)?;

    let loss: Vec<(f64, f64)> = (0..5000)
        .map(|i| (f64::from(i), 2.3 * (-f64::from(i) / 900.0).exp() + 0.05 + 0.03 * rng.normal().abs()))
        .collect();
    let chart = Chart::new("Training").x("step").y("loss").log_y().smoothed("train", loss);
    save("loss.svg", chart.svg()?)?;

    let real = (0..2000).map(|i| (f64::from(i % 5) * 2.0 - 4.0, f64::from(i / 5 % 5) * 2.0 - 4.0));
    let fake: Vec<_> = real.clone().map(|(x, y)| (x + 0.2 * rng.normal(), y + 0.2 * rng.normal())).collect();
    let chart = Chart::new("25 Gaussians").square().scatter("samples", fake).scatter("centres", real.take(25));
    save("scatter.svg", chart.svg()?)?;

    let digits = digits();
    let map = HeatMap::new("One digit of 8 × 8", 8, digits.pixels.narrow(0, 5, 1).to_vec().into_iter().map(f64::from));
    save("heat.svg", map.svg()?)
}

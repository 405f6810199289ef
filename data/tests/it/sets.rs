//! The embedded sets are what `assets/README.md` says they are.

use etude_data::{Text, digits, emoji, mnist, series};

fn counts(labels: &[i64], classes: usize) -> Vec<usize> {
    (0..classes as i64).map(|class| labels.iter().filter(|&&l| l == class).count()).collect()
}

#[test]
fn mnist_has_a_thousand_and_two_hundred_of_each_class() {
    let (train, test) = (mnist::train(), mnist::test());
    assert_eq!(train.images.shape(), [10_000, 1, 28, 28]);
    assert_eq!(test.images.shape(), [2_000, 1, 28, 28]);
    assert_eq!(counts(&train.labels.to_vec(), 10), [1_000; 10]);
    assert_eq!(counts(&test.labels.to_vec(), 10), [200; 10]);
    let pixels = train.images.to_vec();
    assert!(pixels.iter().all(|p| (0.0..=1.0).contains(p)));
    // The mean and deviation of MNIST's 60,000 training images are 0.1307 and 0.3081; a balanced sixth of them is near.
    let mean = pixels.iter().map(|&p| f64::from(p)).sum::<f64>() / pixels.len() as f64;
    let deviation = (pixels.iter().map(|&p| (f64::from(p) - mean).powi(2)).sum::<f64>() / pixels.len() as f64).sqrt();
    assert!((mean - 0.1307).abs() < 2e-3 && (deviation - 0.3081).abs() < 2e-3, "{mean} {deviation}");
    assert_eq!(test.first(3).labels.to_vec(), test.labels.to_vec()[..3]);
    assert_eq!(test.first(5_000).len(), 2_000);
}

#[test]
fn digits_are_1797_counts_of_0_to_16() {
    let digits = digits();
    assert_eq!(digits.pixels.shape(), [1797, 64]);
    let pixels = digits.pixels.to_vec();
    assert!(pixels.iter().all(|p| p.fract() == 0.0 && (0.0..=16.0).contains(p)));
    // Samples per class, from scikit-learn's `load_digits` (Bunch.target).
    assert_eq!(counts(&digits.labels.to_vec(), 10), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    // The first row of the file, read by eye.
    assert_eq!(pixels[..8], [0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0]);
}

#[test]
fn emoji_have_nine_categories_and_white_corners() {
    let emoji = emoji();
    assert_eq!(emoji.images.shape(), [1906, 3, 32, 32]);
    assert_eq!((emoji.names.len(), emoji.categories.len()), (1906, 9));
    // Lines of labels.tsv per category, counted with `cut -f4 | sort | uniq -c`.
    assert_eq!(counts(&emoji.labels.to_vec(), 9), [85, 159, 270, 131, 264, 386, 169, 224, 218]);
    assert_eq!(emoji.categories[2], "Flags");
    assert_eq!(emoji.names[0], "hash");
    let pixels = emoji.images.to_vec();
    assert!(pixels.iter().all(|p| (0.0..=1.0).contains(p)));
    // Round pictures on white: nearly all upper left corners are white in all channels, which a wrong cut would not give.
    let corner = |i: usize| (0..3).all(|c| pixels[(i * 3 + c) * 1024] > 0.95);
    let white = (0..1906).filter(|&i| corner(i)).count();
    assert!(white > 1600, "{white}");
    // A red heart is red: its middle has much red and little green.
    let heart = emoji.names.iter().position(|n| n == "heart").expect("a heart");
    let middle = |c: usize| pixels[(heart * 3 + c) * 1024 + 16 * 32 + 16];
    assert!(middle(0) > 0.7 && middle(1) < 0.4, "{} {}", middle(0), middle(1));
}

#[test]
fn seven_plays_of_76_characters() {
    let text = Text::shakespeare();
    assert_eq!((text.len(), text.vocab().len()), (844_923, 76));
    let plays = text.vocab().decode(text.ids()).expect("its own ids");
    assert!(plays.starts_with("HAMLET, PRINCE OF DENMARK") && plays.contains("To be, or not to be"));
    let (train, held) = text.split(0.1).expect("a fraction");
    assert_eq!((train.len(), held.len()), (760_431, 84_492));
}

#[test]
fn series_have_their_lengths_and_known_values() {
    let lengths = [
        (series::air_passengers(), 144, 12, 1949),
        (series::sunspots(), 309, 1, 1700),
        (series::nile(), 100, 1, 1871),
        (series::co2(), 526, 12, 1958),
        (series::lynx(), 114, 1, 1821),
        (series::wineind(), 176, 12, 1980),
    ];
    for (series, n, period, year) in lengths {
        assert_eq!((series.values.len(), series.period, series.start.year), (n, period, year), "{}", series.name);
        assert!(series.values.iter().all(|v| v.is_finite()));
    }
    let air = series::air_passengers();
    // Box and Jenkins 1976, series G: the first and the last month.
    assert_eq!((air.values[0], air.values[143]), (112.0, 432.0));
    assert_eq!((air.time(143).year, air.time(143).month), (1960, 12));
    assert_eq!((air.time(144).year, air.time(144).month), (1961, 1));
    assert!((air.year(6) - 1949.5).abs() < 1e-12);
    let co2 = series::co2();
    assert_eq!((co2.start.month, co2.time(10).year, co2.time(10).month), (3, 1959, 1));
    assert_eq!(air.ln()[0], 112f64.ln());
    let reference: serde_json::Value = serde_json::from_str(series::sarima_reference()).expect("JSON");
    assert_eq!(reference["statsmodels"], "0.15.0");
}

//! Loaders and windows: every sample once an epoch, the same seed the same order, and resuming equal to never stopping.

use etude_autograd::Tensor;
use etude_data::loader::Cursor;
use etude_data::windows::{RandomWindows, Scored, Streams};
use etude_data::{Samples, mnist};
use etude_kernels::rng::Rng;
use proptest::prelude::*;

use crate::cases;

/// Two tensors whose rows carry their number.
fn numbered(n: usize) -> (Tensor, Tensor<i64>) {
    let values: Vec<f32> = (0..2 * n).map(|i| (i / 2) as f32).collect();
    (Tensor::from_vec(values, [n, 2]), Tensor::from_vec((0..n as i64).collect(), [n]))
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn an_epoch_has_every_sample_once(n in 0usize..40, size in 1usize..12, seed: u64, shuffle: bool) {
        let mut batches = numbered(n).batches(size);
        if shuffle {
            batches = batches.shuffled(&mut Rng::new(seed));
        }
        prop_assert_eq!(batches.batches_an_epoch(), n.div_ceil(size));
        let mut seen = Vec::new();
        for (x, y) in batches {
            prop_assert_eq!(x.shape(), [y.len(), 2]);
            let rows: Vec<i64> = x.to_vec().chunks(2).map(|row| row[0] as i64).collect();
            prop_assert_eq!(&rows, &y.to_vec(), "the parts stay together");
            seen.extend(rows);
        }
        if !shuffle {
            prop_assert!(seen.is_sorted());
        }
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..n as i64).collect::<Vec<_>>());
    }

    #[test]
    fn drop_last_gives_only_whole_batches(n in 0usize..40, size in 1usize..12, seed: u64) {
        let lengths: Vec<usize> = numbered(n).1.batches(size).drop_last().shuffled(&mut Rng::new(seed)).map(|b| b.len()).collect();
        prop_assert_eq!(lengths, vec![size; n / size]);
    }

    #[test]
    fn a_resumed_loader_goes_on_as_if_never_stopped(n in 1usize..30, size in 1usize..8, seed: u64, stop in 0usize..40, drop_last: bool) {
        let make = |seed| {
            let batches = numbered(n).1.batches(size).endless().shuffled(&mut Rng::new(seed));
            if drop_last { batches.drop_last() } else { batches }
        };
        let mut whole = make(seed);
        for _ in 0..stop {
            whole.next();
        }
        // The cursor survives a file, and the loader that takes it had another order.
        let json = serde_json::to_string(&whole.cursor()).expect("a few numbers");
        let cursor: Cursor = serde_json::from_str(&json).expect("just written");
        let mut resumed = make(seed ^ 1);
        resumed.resume(&cursor).expect("the same data");
        for _ in 0..20 {
            prop_assert_eq!(whole.next().map(|b| b.to_vec()), resumed.next().map(|b| b.to_vec()));
        }
    }

    #[test]
    fn windows_hold_neighbours(n in 2usize..60, batch in 1usize..5, len in 1usize..20, seed: u64) {
        let ids: Vec<u32> = (0..n as u32).collect();
        let random = RandomWindows::new(&ids, batch, len, &mut Rng::new(seed));
        prop_assert_eq!(random.is_ok(), n > len);
        for (x, y) in random.into_iter().flat_map(|w| w.take(5)) {
            prop_assert_eq!(x.shape(), [batch, len]);
            let (x, y) = (x.to_vec(), y.to_vec());
            prop_assert!(x.iter().zip(&y).all(|(x, y)| y - x == 1), "y follows x");
            prop_assert!(x.chunks(len).all(|row| row.windows(2).all(|w| w[1] - w[0] == 1)), "rows are contiguous");
        }
    }

    #[test]
    fn streams_go_on_where_they_stopped(n in 2usize..80, batch in 1usize..6, len in 1usize..12) {
        let ids: Vec<u32> = (0..n as u32).collect();
        let Ok(streams) = Streams::new(&ids, batch, len) else {
            prop_assert!(n <= batch);
            return Ok(());
        };
        let (stream, windows) = (streams.stream_len(), streams.windows());
        prop_assert_eq!(stream, (n - 1) / batch);
        let mut next: Vec<i64> = (0..batch).map(|b| (b * stream) as i64).collect();
        let mut count = 0;
        for (x, y) in streams {
            let width = x.dim(1);
            for (b, (x, y)) in x.to_vec().chunks(width).zip(y.to_vec().chunks(width)).enumerate() {
                for (&x, &y) in x.iter().zip(y) {
                    prop_assert_eq!((x, y), (next[b], next[b] + 1));
                    next[b] += 1;
                }
            }
            count += 1;
        }
        prop_assert_eq!(count, windows);
        let ends: Vec<i64> = (1..=batch).map(|b| (b * stream) as i64).collect();
        prop_assert_eq!(next, ends, "every stream was read to its end");
    }

    #[test]
    fn scored_windows_predict_each_id_once_with_half_a_window(n in 2usize..120, from in 0usize..120, batch in 1usize..5, len in 1usize..20) {
        let ids: Vec<u32> = (0..n as u32).collect();
        let scored = Scored::new(&ids, from, batch, len);
        prop_assert_eq!(scored.is_ok(), n > len && from >= len.div_ceil(2) && from <= n);
        let mut times = vec![0; n];
        for window in scored.into_iter().flatten() {
            let (y, weight) = (window.y.to_vec(), window.weight.to_vec());
            prop_assert_eq!(window.x.shape(), window.weight.shape());
            for (i, (&y, &w)) in y.iter().zip(&weight).enumerate() {
                prop_assert_eq!(window.x.to_vec()[i] + 1, y);
                if w == 1.0 {
                    times[y as usize] += 1;
                    prop_assert!(i % len + 1 >= len.div_ceil(2), "id {} has {} before it", y, i % len + 1);
                }
            }
        }
        if n > len && from >= len.div_ceil(2) && from <= n {
            prop_assert!(times.iter().enumerate().all(|(id, &t)| t == usize::from(id >= from)), "{:?}", times);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_order_and_another_epoch_another() {
    let order = |seed, epoch| {
        let mut batches = numbered(100).1.batches(100).shuffled(&mut Rng::new(seed));
        (0..epoch).for_each(|_| batches.next_epoch());
        batches.next().expect("one batch").to_vec()
    };
    assert_eq!(order(1, 0), order(1, 0));
    assert_eq!(order(1, 3), order(1, 3));
    assert_ne!(order(1, 0), order(1, 1));
    assert_ne!(order(1, 0), order(2, 0));
}

#[test]
fn every_place_is_equally_likely() {
    // 2,000 epochs of 5 samples: each of 25 (sample, place) pairs is expected 400 times, with deviation √(2000·0.2·0.8) ≈ 18.
    let mut counts = [[0i32; 5]; 5];
    for batch in numbered(5).1.batches(5).endless().shuffled(&mut Rng::new(7)).take(2000) {
        batch.to_vec().iter().enumerate().for_each(|(place, &sample)| counts[sample as usize][place] += 1);
    }
    assert!(counts.iter().flatten().all(|&c| (c - 400).abs() < 6 * 18), "{counts:?}");
}

#[test]
fn a_foreign_cursor_is_refused_and_changes_nothing() {
    let mut batches = numbered(10).1.batches(3);
    batches.next();
    let before = batches.cursor();
    let foreign = numbered(11).1.batches(3).cursor();
    assert!(batches.resume(&foreign).expect_err("11 samples").to_string().contains("11 samples"));
    let beyond = Cursor { position: 99, ..before };
    assert!(batches.resume(&beyond).is_err());
    let endless = Cursor { epoch: u64::MAX, ..before };
    assert!(batches.resume(&endless).expect_err("no count").to_string().contains("epoch"));
    assert_eq!(batches.cursor(), before);
}

#[test]
fn endless_over_nothing_ends() {
    assert!(numbered(0).1.batches(4).endless().next().is_none());
    assert!(numbered(3).1.batches(4).drop_last().endless().next().is_none());
}

#[test]
fn random_windows_resume_by_their_cursor() {
    let ids: Vec<u32> = (0..1000).collect();
    let mut whole = RandomWindows::new(&ids, 4, 16, &mut Rng::new(3)).expect("long enough");
    whole.by_ref().take(5).for_each(drop);
    let mut resumed = RandomWindows::new(&ids, 4, 16, &mut Rng::new(4)).expect("long enough");
    resumed.resume(&whole.cursor()).expect("a count");
    let error = resumed.resume(&(0, u64::MAX)).expect_err("no count").to_string();
    assert!(error.contains("cursor step") && error.contains("2⁶³"), "{error}");
    for _ in 0..5 {
        assert_eq!(whole.next().map(|w| w.0.to_vec()), resumed.next().map(|w| w.0.to_vec()));
    }
}

#[test]
fn bits_are_the_mean_over_the_scored_ids() {
    // A model whose surprise at an id is the id itself, in nats: the mean of 70..=99 over ln 2.
    let ids: Vec<u32> = (0..100).collect();
    let bits = Scored::new(&ids, 70, 2, 16).expect("long enough").bits_each(|_, y| y.to_float());
    assert!((bits - 84.5 / std::f64::consts::LN_2).abs() < 1e-6, "{bits}");
}

#[test]
fn a_data_set_gives_pictures_with_their_labels() {
    let test = mnist::test();
    let (images, labels) = test.batches(50).nth(2).expect("40 batches");
    assert_eq!((images.shape(), labels.shape()), (&[50, 1, 28, 28][..], &[50][..]));
    assert_eq!(images.to_vec(), test.images.narrow(0, 100, 50).to_vec());
    assert_eq!(labels.to_vec(), test.labels.narrow(0, 100, 50).to_vec());
}

#[test]
#[should_panic(expected = "samples: the parts have 3 and 4 samples")]
fn parts_of_unequal_length_are_refused() {
    (numbered(3).0, numbered(4).1).batches(2);
}

#[test]
fn an_order_depends_on_the_seed_alone_not_on_threads_or_registers() {
    let order = || -> Vec<i64> {
        let data = Tensor::from_vec((0..5000).collect(), [5000]);
        data.batches(64).shuffled(&mut Rng::new(11)).endless().take(100).flat_map(|b| b.to_vec()).collect()
    };
    let once = order();
    for isa in etude_kernels::isa::Isa::available() {
        for threads in [1, 2, 3, 8] {
            let run = || etude_kernels::par::with_threads(threads, order);
            assert!(etude_kernels::isa::with(isa, run) == once, "{threads} threads on {}", isa.name());
        }
    }
}

//! Ties, where the op table has none: which of equal elements an operation names, and where its gradient goes.

use etude_autograd::table::{Draw, Size, entries};
use etude_autograd::{Pool1dArgs, Pool2dArgs, Pool3dArgs, Tensor};
use etude_kernels::rng::Rng;

fn leaf(values: &[f64], shape: &[usize]) -> Tensor<f64> {
    Tensor::from_slice(values, shape).requires_grad()
}

/// The gradient of the sum of `f(x)`, weighted 1, 2, 3, … so that its places can be told apart.
fn gradient(x: &Tensor<f64>, f: impl Fn(&Tensor<f64>) -> Tensor<f64>) -> Vec<f64> {
    let y = f(x);
    let weights = Tensor::arange(y.len()).to_float::<f64>().affine(1.0, 1.0).reshape(y.shape());
    (y * weights).sum().backward().get(x).expect("depends on x").to_vec()
}

#[test]
fn the_first_of_equal_extrema_is_named_and_gets_the_gradient() {
    let x = leaf(&[1.0, 3.0, 3.0, 3.0, 2.0, 2.0, 2.0, 5.0], &[2, 4]);
    assert_eq!(x.argmax(1).to_vec(), [1, 3]);
    assert_eq!(x.argmin(1).to_vec(), [0, 0]);
    assert_eq!(gradient(&x, |x| x.max(1)), [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0]);
    assert_eq!(gradient(&x, |x| x.min(1)), [1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0]);
    assert_eq!(gradient(&x, |x| x.max_keep(0)), [0.0, 2.0, 3.0, 0.0, 1.0, 0.0, 0.0, 4.0]);
    let pixels = leaf(&[4.0; 9], &[1, 1, 3, 3]);
    let pooled = gradient(&pixels, |x| x.max_pool2d(Pool2dArgs { stride: [1, 1], ..Pool2dArgs::new(2) }));
    assert_eq!(pooled, [1.0, 2.0, 0.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0]);
    // Where each comes from: of equals the first, and never from the border.
    let args = Pool2dArgs { stride: [2, 2], padding: [1, 1], ..Pool2dArgs::new(2) };
    let image =
        Tensor::<f64>::from_slice(&[1.0, 5.0, 5.0, 0.0, 7.0, 2.0, -3.0, -1.0, -2.0, 7.0, 7.0, -9.0], [1, 2, 2, 3]);
    let (y, index) = image.max_pool2d_with_indices(args);
    assert_eq!(index.shape(), y.shape());
    assert_eq!(index.to_vec(), [0, 1, 3, 4, 0, 1, 3, 4]);
    assert_eq!(image.flatten_from(2).gather(2, &index.flatten_from(2)).to_vec(), y.to_vec());
    assert_eq!(image.max_pool2d(args).to_vec(), y.to_vec());
    // PyTorch's of the same, with a last column that begins in the image and ends behind its border.
    let args = Pool2dArgs { stride: [1, 3], padding: [0, 0], ceil_mode: true, ..args };
    let (y, index) = image.max_pool2d_with_indices(Pool2dArgs { stride: [1, 2], ..args });
    assert_eq!((y.to_vec(), index.to_vec()), (vec![7.0, 5.0, 7.0, -2.0], vec![4, 2, 3, 2]));
    assert_eq!(image.max_pool2d_with_indices(args).1.to_vec(), [4, 3]);
    let line = leaf(&[4.0; 3], &[1, 1, 3]);
    let pooled = gradient(&line, |x| x.max_pool1d(Pool1dArgs { stride: 1, ..Pool1dArgs::new(2) }));
    assert_eq!(pooled, [1.0, 2.0, 0.0]);
    let volume = leaf(&[4.0; 12], &[1, 1, 3, 2, 2]);
    let (y, index) = line.max_pool1d_with_indices(Pool1dArgs { padding: 1, ..Pool1dArgs::new(2) });
    assert_eq!((y.to_vec(), index.to_vec()), (vec![4.0; 2], vec![0, 1]));
    let args = Pool3dArgs { stride: [1; 3], padding: [0, 1, 0], dilation: [2, 1, 1], ..Pool3dArgs::new(2) };
    let (y, index) = volume.max_pool3d_with_indices(args);
    assert_eq!((y.shape(), index.shape()), (&[1, 1, 1, 3, 1][..], y.shape()));
    assert_eq!(index.to_vec(), [0, 0, 2]);
    let pooled = gradient(&volume, |x| x.max_pool3d(Pool3dArgs { stride: [1; 3], ..Pool3dArgs::new(2) }));
    assert_eq!(pooled, [1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
}

/// PyTorch leaves open which stays, and gives all of them the gradient.
#[test]
fn the_last_of_several_elements_for_one_place_stays() {
    let (x, index) = (leaf(&[5.0, 6.0, 7.0], &[1, 1, 3]), Tensor::from_slice(&[1i64, 3, 1], [1, 1, 3]));
    assert_eq!(x.max_unpool1d(&index, 4).to_vec(), [0.0, 7.0, 0.0, 6.0]);
    assert_eq!(gradient(&x, |x| x.max_unpool1d(&index, 4)), [0.0, 4.0, 2.0]);
}

#[test]
fn equal_operands_share_the_gradient() {
    let (a, b) = (leaf(&[1.0, 2.0], &[2]), leaf(&[1.0, 3.0], &[2]));
    assert_eq!(gradient(&a, |a| a.maximum(&b)), [0.5, 0.0]);
    assert_eq!(gradient(&b, |b| a.maximum(b)), [0.5, 2.0]);
    assert_eq!(gradient(&a, |a| a.minimum(&b)), [0.5, 2.0]);
}

#[test]
fn kinks_of_activations_have_the_documented_gradient() {
    let of = |values: &[f64], f: fn(&Tensor<f64>) -> Tensor<f64>| gradient(&leaf(values, &[values.len()]), f);
    assert_eq!(of(&[0.0, 6.0, 3.0, -1.0, 7.0], Tensor::relu6), [0.0, 0.0, 3.0, 0.0, 0.0]);
    assert_eq!(of(&[-1.0, 1.0, 0.5], |x| x.hardtanh(-1.0, 1.0)), [0.0, 0.0, 3.0]);
    assert_eq!(of(&[-1.0, 1.0, 0.5], |x| x.clamp(-1.0, 1.0)), [1.0, 2.0, 3.0]);
    assert_eq!(of(&[-3.0, 3.0, 0.0], Tensor::hardsigmoid), [0.0, 0.0, 0.5]);
    assert_eq!(of(&[-3.0, 3.0], Tensor::hardswish), [0.0, 2.0]);
    let slope = leaf(&[0.25], &[1]);
    assert_eq!(gradient(&leaf(&[0.0, -2.0, 2.0], &[3]), |x| x.prelu(&slope)), [0.25, 0.5, 3.0]);
    let x = leaf(&[0.0, -2.0, f64::INFINITY], &[3]);
    assert_eq!(gradient(&slope, |slope| x.prelu(slope)), [-4.0]);
    assert_eq!(gradient(&x, |x| x.prelu(&slope)), [0.25, 0.5, 3.0]);
}

#[test]
fn equal_elements_keep_their_order() {
    let nan = f64::NAN;
    let x = leaf(&[2.0, 1.0, 2.0, 1.0, 0.0, -0.0, nan, 5.0], &[2, 4]);
    assert_eq!(x.argsort(1, false).to_vec(), [1, 3, 0, 2, 0, 1, 3, 2]);
    assert_eq!(x.argsort(1, true).to_vec(), [0, 2, 1, 3, 2, 3, 0, 1]);
    let (values, places) = x.topk(3, 1);
    assert_eq!(places.to_vec(), [0, 2, 1, 2, 3, 0]);
    assert_eq!(values.to_vec()[..3], [2.0, 2.0, 1.0]);
    let y = leaf(&[3.0, 3.0, 1.0], &[3]);
    assert_eq!(gradient(&y, |y| y.topk(1, 0).0), [1.0, 0.0, 0.0]);
    assert_eq!(gradient(&y, |y| y.sort(0, false).0), [2.0, 3.0, 1.0]);
    let pixels = leaf(&[4.0; 6], &[1, 1, 2, 3]);
    assert_eq!(gradient(&pixels, |x| x.adaptive_max_pool2d([1, 2])), [1.0, 2.0, 0.0, 0.0, 0.0, 0.0]);
    let line = leaf(&[4.0; 5], &[1, 1, 5]);
    assert_eq!(gradient(&line, |x| x.adaptive_max_pool1d(2)), [1.0, 0.0, 2.0, 0.0, 0.0]);
    let volume = leaf(&[4.0; 8], &[1, 1, 2, 2, 2]);
    assert_eq!(gradient(&volume, |x| x.adaptive_max_pool3d([2, 1, 1])), [1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0]);
}

/// What keeps central differences from stepping over a tie.
#[test]
fn cases_that_ask_for_it_have_values_apart() {
    let mut rng = Rng::new(7);
    let mut found = 0;
    for entry in entries() {
        for _ in 0..50 {
            let choices: Vec<u32> = (0..24).map(|_| rng.next_u32()).collect();
            let case = (entry.sample)(&mut Draw::new(&choices, Size::Small));
            if case.apart {
                let mut values: Vec<f64> = case.values().into_iter().flat_map(|array| array.data).collect();
                values.sort_unstable_by(f64::total_cmp);
                assert!(values.windows(2).all(|w| w[1] - w[0] > 1e-4), "{}: {case:?}", entry.name);
                found += 1;
            }
        }
    }
    assert!(found > 0);
}

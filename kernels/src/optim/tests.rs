//! Every update against a plain transcription of PyTorch's documented pseudocode in f64, over several steps.

use proptest::prelude::*;

use super::*;
use crate::isa::Isa;
use crate::rng::Rng;

const STEPS: u64 = 4;

/// A parameter, its gradients and zero states, after some steps of `step(t, param, grad, states)`.
fn run<T: Real>(n: usize, seed: u64, mut step: impl FnMut(u64, &mut [T], &[T], &mut [Vec<T>; 3])) -> Vec<T> {
    let mut rng = Rng::new(seed);
    let mut draw = || (0..n).map(|_| T::from_f64(f64::from(rng.normal() as f32))).collect::<Vec<T>>();
    let mut param = draw();
    let mut states = [(); 3].map(|()| vec![T::ZERO; n]);
    for t in 1..=STEPS {
        let grad = draw();
        step(t, &mut param, &grad, &mut states);
    }
    param
}

/// The kernel in f32 and f64 on every instruction set against the transcription.
fn compare(
    n: usize,
    kernel32: impl Fn(u64, &mut [f32], &[f32], &mut [Vec<f32>; 3]),
    kernel64: impl Fn(u64, &mut [f64], &[f64], &mut [Vec<f64>; 3]),
    plain: impl Fn(u64, &mut f64, f64, [&mut f64; 3]),
) {
    let want = run(n, 1, |t, param: &mut [f64], grad, [a, b, c]| {
        for i in 0..n {
            plain(t, &mut param[i], grad[i], [&mut a[i], &mut b[i], &mut c[i]]);
        }
    });
    for isa in Isa::available() {
        let (narrow, wide) = isa::with(isa, || (run(n, 1, &kernel32), run(n, 1, &kernel64)));
        for i in 0..n {
            assert!((f64::from(narrow[i]) - want[i]).abs() <= 2e-5 * (1.0 + want[i].abs()), "f32 {i} of {n} on {isa}");
            assert!((wide[i] - want[i]).abs() <= 1e-12 * (1.0 + want[i].abs()), "f64 {i} of {n} on {isa}");
        }
    }
}

/// Lengths around the registers', and a prime beyond several chunks.
fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![0usize..35, Just(1000), Just(40_009)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn sgd_is_pytorchs(n in lengths(), momentum in prop_oneof![Just(0.0), Just(0.9)], dampening in 0.0..0.5f64,
                       weight_decay in prop_oneof![Just(0.0), Just(0.1)], nesterov: bool) {
        let nesterov = nesterov && momentum > 0.0;
        let dampening = if nesterov { 0.0 } else { dampening };
        let hyper = Sgd { lr: 0.1, momentum, dampening, weight_decay, nesterov };
        // The first step as documented at `Sgd`.
        let at = |t: u64| Sgd { dampening: if t == 1 { 0.0 } else { dampening }, ..hyper };
        compare(
            n,
            |t, p, g, [b, ..]| sgd(p, g, b, &at(t)),
            |t, p, g, [b, ..]| sgd(p, g, b, &at(t)),
            |t, p, g, [b, ..]| {
                let mut g = g + weight_decay * *p;
                if momentum != 0.0 {
                    *b = if t > 1 { momentum * *b + (1.0 - dampening) * g } else { g };
                    g = if nesterov { g + momentum * *b } else { *b };
                }
                *p -= 0.1 * g;
            },
        );
    }

    #[test]
    fn adam_is_pytorchs(n in lengths(), weight_decay in prop_oneof![Just(0.0), Just(0.1)], decoupled: bool,
                        beta1 in 0.0..0.95f64, beta2 in 0.5..0.9999f64) {
        // A large ε keeps the step differentiable in the gradient, so that f32 can follow f64.
        let hyper = Adam { lr: 0.01, beta1, beta2, eps: 1e-3, weight_decay, decoupled, step: 0 };
        compare(
            n,
            |step, p, g, [m, v, _]| adam(p, g, m, v, &Adam { step, ..hyper }),
            |step, p, g, [m, v, _]| adam(p, g, m, v, &Adam { step, ..hyper }),
            |t, p, mut g, [m, v, _]| {
                if decoupled {
                    *p -= 0.01 * weight_decay * *p;
                } else {
                    g += weight_decay * *p;
                }
                *m = beta1 * *m + (1.0 - beta1) * g;
                *v = beta2 * *v + (1.0 - beta2) * g * g;
                let m_hat = *m / (1.0 - beta1.powi(t as i32));
                let v_hat = *v / (1.0 - beta2.powi(t as i32));
                *p -= 0.01 * m_hat / (v_hat.sqrt() + 1e-3);
            },
        );
    }

    #[test]
    fn amsgrad_is_pytorchs(n in lengths(), beta2 in 0.5..0.9f64) {
        let hyper = Adam { lr: 0.01, beta1: 0.9, beta2, eps: 1e-3, weight_decay: 0.0, decoupled: false, step: 0 };
        compare(
            n,
            |step, p, g, [m, v, most]| amsgrad(p, g, m, v, most, &Adam { step, ..hyper }),
            |step, p, g, [m, v, most]| amsgrad(p, g, m, v, most, &Adam { step, ..hyper }),
            |t, p, g, [m, v, most]| {
                *m = 0.9 * *m + 0.1 * g;
                *v = beta2 * *v + (1.0 - beta2) * g * g;
                *most = most.max(*v);
                let m_hat = *m / (1.0 - 0.9f64.powi(t as i32));
                *p -= 0.01 * m_hat / ((*most / (1.0 - beta2.powi(t as i32))).sqrt() + 1e-3);
            },
        );
    }

    #[test]
    fn rmsprop_is_pytorchs(n in lengths(), momentum in prop_oneof![Just(0.0), Just(0.9)], centered: bool,
                           weight_decay in prop_oneof![Just(0.0), Just(0.1)]) {
        let hyper = RmsProp { lr: 0.01, alpha: 0.9, eps: 0.1, weight_decay, momentum, centered };
        compare(
            n,
            |_, p, g, [v, b, a]| rmsprop(p, g, v, b, a, &hyper),
            |_, p, g, [v, b, a]| rmsprop(p, g, v, b, a, &hyper),
            |_, p, g, [v, b, a]| {
                let g = g + weight_decay * *p;
                *v = 0.9 * *v + 0.1 * g * g;
                let mut spread = *v;
                if centered {
                    *a = 0.9 * *a + 0.1 * g;
                    spread -= *a * *a;
                }
                if momentum > 0.0 {
                    *b = momentum * *b + g / (spread.sqrt() + 0.1);
                    *p -= 0.01 * *b;
                } else {
                    *p -= 0.01 * g / (spread.sqrt() + 0.1);
                }
            },
        );
    }
}

#[test]
fn moments_decay_to_zero_not_to_subnormals() {
    for isa in Isa::available() {
        isa::with(isa, || {
            let mut param = vec![1f32; 37];
            let (mut m, mut v) = (vec![1e-30f32; 37], vec![1e-30f32; 37]);
            for step in 1..200 {
                let hyper =
                    Adam { lr: 1e-3, beta1: 0.9, beta2: 0.9, eps: 1e-8, weight_decay: 0.0, decoupled: false, step };
                adam(&mut param, &[0.0; 37], &mut m, &mut v, &hyper);
                assert!(m.iter().chain(&v).all(|x| *x == 0.0 || x.is_normal()), "step {step} on {isa}");
            }
            assert!(m.iter().chain(&v).all(|x| *x == 0.0), "on {isa}");
        });
    }
}

#[test]
fn no_state_of_any_update_is_ever_subnormal() {
    for isa in Isa::available() {
        isa::with(isa, || {
            let mut rng = Rng::new(4);
            // Gradients around the square root of the smallest normal number, whose squares lie on both sides of it.
            let draw = |rng: &mut Rng, scale: f64| (0..37).map(|_| (rng.normal() * scale) as f32).collect::<Vec<f32>>();
            let mut states = [(); 4].map(|()| draw(&mut rng, 1e-37));
            states.iter_mut().flatten().for_each(|x| *x = x.abs());
            let mut param = draw(&mut rng, 1.0);
            for step in 1..60 {
                let grad = draw(&mut rng, 1e-19);
                let tiny = draw(&mut rng, 1e-38);
                let [a, b, c, d] = &mut states;
                let sgd_ = Sgd { lr: 0.1, momentum: 0.7, dampening: 0.0, weight_decay: 0.0, nesterov: false };
                sgd(&mut param, &tiny, a, &sgd_);
                let (beta1, beta2) = (0.7, 0.8);
                let adam_ = Adam { lr: 0.1, beta1, beta2, eps: 1e-8, weight_decay: 0.0, decoupled: true, step };
                adam(&mut param, &grad, b, c, &adam_);
                let rms = RmsProp { lr: 0.1, alpha: 0.8, eps: 1e-8, weight_decay: 0.0, momentum: 0.0, centered: false };
                rmsprop(&mut param, &grad, d, &mut [], &mut [], &rms);
                assert!(states.iter().flatten().all(|x| *x == 0.0 || x.is_normal()), "step {step} on {isa}");
            }
        });
    }
}

#[test]
fn a_missing_gradient_is_seen_and_an_absent_state_untouched() {
    let hyper = Sgd { lr: 0.1, momentum: 0.0, dampening: 0.0, weight_decay: 0.0, nesterov: false };
    let mut param = [1.0f32; 20];
    let mut grad = [0.0; 20];
    grad[19] = f32::NAN;
    sgd(&mut param, &grad, &mut [], &hyper);
    assert!(param[19].is_nan() && param[..19].iter().all(|p| *p == 1.0));
    let short = std::panic::catch_unwind(|| sgd(&mut [0.0f32; 3], &[0.0; 2], &mut [], &hyper));
    assert!(short.is_err());
}

#[test]
fn threads_do_not_change_a_bit() {
    let hyper = Adam { lr: 0.01, beta1: 0.9, beta2: 0.99, eps: 1e-8, weight_decay: 0.1, decoupled: true, step: 0 };
    let all = |threads| {
        par::with_threads(threads, || {
            run::<f32>(100_003, 2, |step, p, g, [m, v, _]| adam(p, g, m, v, &Adam { step, ..hyper }))
        })
    };
    let one = all(1);
    for threads in [2, 3, 8] {
        assert!(all(threads) == one, "{threads} threads");
    }
}

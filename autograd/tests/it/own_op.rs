//! An operation of a user's own, from the outside: right rules pass the checks, wrong ones do not.

use etude_autograd::{
    CreateGraph, Float, GradcheckError, Op, Saves, Tensor, Vjp, checkpoint, grad, gradcheck, gradgradcheck,
};
use etude_kernels::rng::Rng;

/// softplus(β·x)/β with a fused rule, its composite twin, and an error for the checks to find.
struct Soft {
    beta: f64,
    fault: Fault,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// Off by two parts in a hundred.
    Factor,
    /// Right in the first order, wrong in the second.
    Twin,
    /// A gradient that the rule forgets.
    Missing,
    /// A gradient that the rule forgets and the twin has.
    Lost,
    /// A gradient that the rule has and the twin forgets.
    Forgotten,
}

impl<T: Float> Op<T> for Soft {
    fn name(&self) -> &'static str {
        "soft"
    }
    fn saves(&self) -> Saves {
        Saves::INPUTS
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let factor = if self.fault == Fault::Factor { 1.02 } else { 1.0 };
        // A fused rule: plain numbers, which nobody could differentiate again.
        let rule = |(x, g): (T, T)| T::from_f64(factor * g.to_f64() / (1.0 + (-self.beta * x.to_f64()).exp()));
        let dx = cx.input(0).to_vec().into_iter().zip(g.to_vec()).map(rule).collect();
        vec![(!matches!(self.fault, Fault::Missing | Fault::Lost)).then(|| Tensor::from_vec(dx, g.shape()))]
    }
    fn composite(&self, x: &[Tensor<T>]) -> Option<Tensor<T>> {
        let beta = if self.fault == Fault::Twin { 1.1 * self.beta } else { self.beta };
        let x = if self.fault == Fault::Forgotten { x[0].detach() } else { x[0].clone() };
        (self.fault != Fault::Missing).then(|| x.affine(beta, 0.0).softplus().affine(1.0 / beta, 0.0))
    }
}

fn soft<T: Float>(x: &Tensor<T>, beta: f64, fault: Fault) -> Tensor<T> {
    let value = x.to_vec().into_iter().map(|x| T::from_f64((beta * x.to_f64()).exp().ln_1p() / beta)).collect();
    Tensor::record(Soft { beta, fault }, &[x], Tensor::from_vec(value, x.shape()))
}

fn checks<T: Float>(fault: Fault) -> [Result<(), GradcheckError>; 2] {
    let f = |x: &[Tensor<T>]| soft(&(&x[0] * &x[1]), 2.0, fault);
    let mut rng = Rng::new(4);
    let inputs = [Tensor::<T>::randn([2, 3], &mut rng), Tensor::randn([3], &mut rng)];
    [gradcheck(&f, &inputs, 1), gradgradcheck(&f, &inputs, 2)]
}

#[test]
fn right_rules_pass_and_wrong_ones_do_not_in_either_precision() {
    fn in_precision<T: Float>() {
        assert_eq!(checks::<T>(Fault::None), [Ok(()), Ok(())]);
        assert!(matches!(checks::<T>(Fault::Factor)[0], Err(GradcheckError::Differs { .. })));
        assert!(matches!(checks::<T>(Fault::Twin), [Ok(()), Err(GradcheckError::RulesDiffer { .. })]));
        assert!(matches!(checks::<T>(Fault::Lost)[1], Err(GradcheckError::RulesDiffer { input: 0, .. })));
        assert!(matches!(checks::<T>(Fault::Forgotten), [Ok(()), Err(GradcheckError::RulesDiffer { input: 0, .. })]));
        assert!(matches!(checks::<T>(Fault::Missing)[0], Err(GradcheckError::NoGradient { input: 0 })));
        // An input that nothing depends on is not to blame for another's wrong rule.
        let one = |x: &[Tensor<T>]| soft(&x[0], 2.0, Fault::Factor);
        let inputs = [Tensor::from_vec(vec![T::ONE], [1]), Tensor::from_vec(vec![T::ONE], [1])];
        assert!(matches!(gradcheck(&one, &inputs, 1), Err(GradcheckError::Differs { .. })));
    }
    in_precision::<f64>();
    in_precision::<f32>();
}

/// The product of its inputs, however many.
struct Product;

impl Op<f64> for Product {
    fn name(&self) -> &'static str {
        "product"
    }
    fn saves(&self) -> Saves {
        Saves::ALL
    }
    fn vjp(&self, cx: &Vjp<'_, f64>, g: &Tensor<f64>) -> Vec<Option<Tensor<f64>>> {
        (0..INPUTS).map(|i| Some(g * cx.output() / cx.input(i))).collect()
    }
}

const INPUTS: usize = 40;

#[test]
fn a_rule_may_look_at_any_number_of_inputs() {
    let x: Vec<Tensor<f64>> = (0..INPUTS).map(|i| Tensor::scalar(if i % 2 == 0 { 2.0 } else { 0.5 })).collect();
    let product = |x: &[Tensor<f64>]| {
        let value = x.iter().map(Tensor::item).product();
        Tensor::record(Product, &x.iter().collect::<Vec<_>>(), Tensor::scalar(value))
    };
    gradcheck(&product, &x, 0).expect("right");
    let beyond = std::panic::catch_unwind(|| Saves::input(32)).expect_err("there is no bit for it");
    assert!(beyond.downcast_ref::<&str>().is_some_and(|text| text.starts_with("Saves::input: ")));
}

#[test]
fn an_operation_of_ones_own_is_like_any_other() {
    let x = Tensor::from_slice(&[0.5f64, -1.0], [2]).requires_grad();
    let y = checkpoint(|x| soft(&x[0], 1.0, Fault::None), &[&x]);
    let [first] = grad(&y.sum(), [&x], CreateGraph::Yes);
    let [second] = grad(&first.sum(), [&x], CreateGraph::No);
    for (i, x) in x.to_vec().into_iter().enumerate() {
        let s = 1.0 / (1.0 + (-x).exp());
        assert!((first.to_vec()[i] - s).abs() < 1e-15 && (second.to_vec()[i] - s * (1.0 - s)).abs() < 1e-15);
    }
}

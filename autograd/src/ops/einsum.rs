//! Sums of products over labelled axes.
//!
//! Two operands at a time become one batched matrix product: labels that both have and the result keeps are its batch,
//! labels that both have and nobody needs any more are summed, the others are its rows and columns.

use crate::dtype::Float;
use crate::layout::Shape;
use crate::tensor::Tensor;

/// A tensor whose axes have names.
struct Labelled<T: Float> {
    labels: Vec<char>,
    x: Tensor<T>,
}

impl<T: Float> Labelled<T> {
    /// Every label once: where one stands several times, the diagonal of its axes.
    #[track_caller]
    fn new(spec: &str, labels: &str, x: &Tensor<T>) -> Self {
        let mut labels: Vec<char> = labels.chars().collect();
        let fits = labels.len() == x.rank();
        assert!(fits, "einsum: {spec:?} names {} axes of an operand of shape {:?}", labels.len(), x.shape());
        let mut x = x.clone();
        while let Some((a, b)) = repeated(&labels) {
            let label = labels[a];
            assert!(x.dim(a) == x.dim(b), "einsum: {spec:?}: axes {label} of {:?} differ in length", x.shape());
            x = x.diagonal(a, b);
            labels.remove(b);
            labels.remove(a);
            labels.push(label);
        }
        Labelled { labels, x }
    }

    /// Sums the axes whose labels `keep` does not hold.
    fn keep(self, keep: impl Fn(char) -> bool) -> Self {
        let axes: Shape = (0..self.labels.len()).filter(|&i| !keep(self.labels[i])).collect();
        let labels = self.labels.into_iter().filter(|&label| keep(label)).collect();
        Labelled { labels, x: self.x.sum_dims(axes) }
    }

    fn dims(&self, labels: &[char]) -> Shape {
        labels.iter().map(|&label| self.x.dim(self.axis(label))).collect()
    }

    fn axis(&self, label: char) -> usize {
        self.labels.iter().position(|&l| l == label).expect("the label is one of the operand's")
    }

    /// The axes in this order, those of each group joined.
    fn grouped(&self, groups: [&[char]; 3]) -> Tensor<T> {
        let order: Shape = groups.iter().flat_map(|group| group.iter().map(|&label| self.axis(label))).collect();
        self.x.permute(order).reshape(groups.map(|group| self.dims(group).iter().product()))
    }
}

/// The first two places of a label that stands more than once.
fn repeated(labels: &[char]) -> Option<(usize, usize)> {
    (0..labels.len()).find_map(|b| labels[..b].iter().position(|&l| l == labels[b]).map(|a| (a, b)))
}

#[track_caller]
fn contract<T: Float>(spec: &str, a: Labelled<T>, b: Labelled<T>, needed: impl Fn(char) -> bool) -> Labelled<T> {
    let (in_a, in_b) = (a.labels.clone(), b.labels.clone());
    let a = a.keep(|label| needed(label) || in_b.contains(&label));
    let b = b.keep(|label| needed(label) || in_a.contains(&label));
    let shared = |label: &char| b.labels.contains(label);
    for &label in a.labels.iter().filter(|label| shared(label)) {
        let (n, m) = (a.x.dim(a.axis(label)), b.x.dim(b.axis(label)));
        assert!(n == m, "einsum: {spec:?}: label {label} has length {n} in one operand and {m} in another");
    }
    let of = |labels: &[char], f: &dyn Fn(&char) -> bool| labels.iter().copied().filter(|l| f(l)).collect::<Vec<_>>();
    let batch = of(&a.labels, &|l| shared(l) && needed(*l));
    let inner = of(&a.labels, &|l| shared(l) && !needed(*l));
    let left = of(&a.labels, &|l| !shared(l));
    let right = of(&b.labels, &|l| !a.labels.contains(l));
    let product = a.grouped([&batch, &left, &inner]).matmul(&b.grouped([&batch, &inner, &right]));
    let mut dims = a.dims(&batch);
    dims.extend(a.dims(&left));
    dims.extend(b.dims(&right));
    Labelled { labels: [batch, left, right].concat(), x: product.reshape(dims) }
}

impl<T: Float> Tensor<T> {
    /// The sum over all labels that the result does not have of the product of the operands: for
    /// `einsum("bij,bjk->bik", &[&a, &b])` Σⱼ a[b, i, j]·b[b, j, k].
    ///
    /// One letter an axis; the result's labels stand behind the arrow, each once. A label that an operand has twice takes
    /// its diagonal (`"ii->"` is the trace). Spaces count for nothing. Operands are contracted from left to right.
    ///
    /// ```
    /// use etude_autograd::Tensor;
    ///
    /// let a = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2]);
    /// let v = Tensor::from_slice(&[5.0f32, 6.0], [2]);
    /// assert_eq!(Tensor::einsum("ij,j->i", &[&a, &v]).to_vec(), [17.0, 39.0]);
    /// assert_eq!(Tensor::einsum("ii->", &[&a]).item(), 5.0);
    /// ```
    ///
    /// # Panics
    /// If the text is not of this form, names another number of operands or axes, gives a label two lengths, or asks for a
    /// label that no operand has.
    #[track_caller]
    pub fn einsum(spec: &str, operands: &[&Tensor<T>]) -> Self {
        let spec = &spec.split_whitespace().collect::<String>();
        let Some((inputs, output)) = spec.split_once("->") else { panic!("einsum: {spec:?} has no arrow ->") };
        let names: Vec<&str> = inputs.split(',').collect();
        assert!(names.len() == operands.len(), "einsum: {spec:?} names {} operands of {}", names.len(), operands.len());
        let output: Vec<char> = output.chars().collect();
        let letters = names.iter().flat_map(|name| name.chars()).chain(output.iter().copied());
        letters.for_each(|l| assert!(l.is_ascii_alphabetic(), "einsum: {spec:?}: {l:?} is not a letter"));
        assert!(repeated(&output).is_none(), "einsum: {spec:?} asks for a label twice");
        if let Some(label) = output.iter().find(|&&label| !inputs.contains(label)) {
            panic!("einsum: {spec:?}: no operand has label {label}");
        }
        let mut acc = Labelled::new(spec, names[0], operands[0]);
        for i in 1..operands.len() {
            let next = Labelled::new(spec, names[i], operands[i]);
            let later = &names[i + 1..];
            acc = contract(spec, acc, next, |l| output.contains(&l) || later.iter().any(|name| name.contains(l)));
        }
        let result = acc.keep(|label| output.contains(&label));
        let order: Shape = output.iter().map(|&label| result.axis(label)).collect();
        result.x.permute(order)
    }
}

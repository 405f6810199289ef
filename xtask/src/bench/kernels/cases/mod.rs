//! Kernels that have no peer here: ours on every instruction set, checked against the same kernel in f64.
//!
//! A case is a function that is generic over the element, so that the f64 instance, whose functions are the standard
//! library's, is the reference of the f32 one.

pub mod attention;
pub mod conv;
pub mod elementwise;
pub mod memory;
pub mod norm;
pub mod optim;
pub mod recurrent;
pub mod softmax;

use etude_kernels::buf::Buf;
use etude_kernels::elem::Real;
use etude_kernels::isa::{self, Isa};
use etude_kernels::{par, rng::Rng};

use super::engines::best;
use super::roofline::Cost;
use super::subject::{Competitor, Contest, Subject, worst};

/// Elements from which the scalar set is skipped, and the error is not computed.
const LARGE: usize = 1 << 20;
/// The same for operations: the scalar set does a few in a nanosecond.
const LARGE_FLOP: f64 = 4e8;

/// A kernel with its operands.
pub struct Work<T: Real> {
    /// What it writes; the part of it that counts, where there is more.
    pub out: Buf<T>,
    /// One call.
    pub call: Box<Call<T>>,
}

/// A kernel that writes its argument.
pub type Call<T> = dyn FnMut(&mut [T]);

impl<T: Real> Work<T> {
    /// A kernel that writes `len` elements.
    pub fn new(len: usize, call: impl FnMut(&mut [T]) + 'static) -> Self {
        Self { out: zeros(len), call: Box::new(call) }
    }

    fn run(&mut self) {
        (self.call)(&mut self.out);
    }
}

/// A kernel on one shape, for f32 and for f64.
pub trait Case: Send + Sync + 'static {
    /// Makes its operands.
    fn work<T: Real>(&self) -> Work<T>;
}

/// Normal variates, the same in every run. A block of them is repeated: drawing them all would take longer than to
/// measure most kernels.
pub fn normals<T: Real>(len: usize, seed: u64) -> Buf<T> {
    // A prime, so that rows of no usual length repeat each other.
    let mut block = vec![0f32; len.min(65_521)];
    Rng::new(seed).fill_normal(&mut block);
    // In a buffer of the library's, because its alignment and its pages are part of what is measured.
    let mut buf = Buf::scratch(len);
    buf.iter_mut().zip(block.iter().cycle()).for_each(|(out, &x)| *out = T::from_f64(f64::from(x)));
    buf
}

/// As many zeros.
pub fn zeros<T: Real>(len: usize) -> Buf<T> {
    Buf::filled(len, T::ZERO)
}

/// Elements that are read and written, as f32.
pub fn elements(reads: usize, writes: usize) -> Cost {
    // Where nobody counts operations, an element of the larger side counts as one.
    Cost::new(reads.max(writes) as f64, 4.0 * reads as f64, 4.0 * writes as f64)
}

/// What a case is called.
#[derive(Clone)]
pub struct Title {
    /// The group of kernels.
    pub group: &'static str,
    /// The kernel.
    pub kernel: &'static str,
    /// What the shape is.
    pub note: &'static str,
    /// The sizes.
    pub shape: Vec<usize>,
}

/// The subject of a case.
pub fn subject(title: Title, cost: Cost, case: impl Case) -> Subject {
    let Title { group, kernel, note, shape } = title;
    let small = cost.bytes() <= 4.0 * LARGE as f64 && cost.flop <= LARGE_FLOP;
    let case = std::sync::Arc::new(case);
    let open = move |isas: &[Isa], threads: usize| -> Box<dyn Contest> {
        let (again, reference) = (case.clone(), case.clone());
        Box::new(Solo {
            work: case.work::<f32>(),
            fresh: Box::new(move || again.work()),
            reference: small.then(|| once(best(), 1, reference.work::<f64>())),
            isas: isas.to_vec(),
            threads,
        })
    };
    // The first shape of each kernel is the quick one: see `first_is_quick`.
    Subject { group, kernel, note, shape, cost, quick: false, small, open: Box::new(open) }
}

/// Marks the first shape of every kernel as the one that `--quick` keeps.
pub fn first_is_quick(subjects: &mut [Subject]) {
    for i in 0..subjects.len() {
        let is_first = subjects[..i].iter().all(|before| before.kernel != subjects[i].kernel);
        subjects[i].quick = is_first;
    }
}

/// All cases.
pub fn subjects() -> Vec<Subject> {
    let groups = [
        conv::subjects(),
        elementwise::subjects(),
        softmax::subjects(),
        norm::subjects(),
        recurrent::subjects(),
        attention::subjects(),
        optim::subjects(),
        memory::subjects(),
    ];
    let mut all: Vec<Subject> = groups.into_iter().flatten().collect();
    first_is_quick(&mut all);
    all
}

/// Ours alone, on several instruction sets.
struct Solo {
    work: Work<f32>,
    /// Operands as new: a kernel that works in place has used up its own.
    fresh: Box<dyn Fn() -> Work<f32>>,
    /// What f64 gives, where it is worth the time.
    reference: Option<Buf<f64>>,
    isas: Vec<Isa>,
    threads: usize,
}

/// The result of one call.
fn once<T: Real>(isa: Isa, threads: usize, mut work: Work<T>) -> Buf<T> {
    isa::with(isa, || par::with_threads(threads, || work.run()));
    work.out
}

impl Contest for Solo {
    fn competitors(&self) -> Vec<Competitor> {
        let ours = |isa: &Isa| Competitor { engine: "etude", isa: isa.name(), dtype: "f32" };
        self.isas.iter().map(ours).collect()
    }

    fn run(&mut self, i: usize) {
        isa::with(self.isas[i], || par::with_threads(self.threads, || self.work.run()));
    }

    fn max_error(&mut self, i: usize) -> Option<f64> {
        let reference = self.reference.as_ref()?;
        let out = once(self.isas[i], self.threads, (self.fresh)());
        let largest = reference.iter().fold(f64::MIN_POSITIVE, |largest, x| largest.max(x.abs()));
        let differences = out.iter().zip(reference.iter()).map(|(&x, y)| (f64::from(x) - y).abs());
        Some(worst(differences) / largest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Twice;

    impl Case for Twice {
        fn work<T: Real>(&self) -> Work<T> {
            let x = normals::<T>(100, 1);
            Work::new(100, move |out| out.iter_mut().zip(x.iter()).for_each(|(out, &x)| *out = x + x))
        }
    }

    #[test]
    fn a_case_is_measured_on_every_set_and_its_error_is_that_of_f32() {
        let title = Title { group: "g", kernel: "twice", note: "", shape: vec![100] };
        let subject = subject(title, elements(100, 100), Twice);
        let isas = Isa::available();
        let mut contest = (subject.open)(&isas, 2);
        assert_eq!(contest.competitors().len(), isas.len());
        contest.run(0);
        assert_eq!(contest.max_error(0), Some(0.0), "doubling is exact");
    }

    #[test]
    fn every_kernel_has_one_quick_shape_and_a_shape_once() {
        let all = subjects();
        for subject in &all {
            let same: Vec<&Subject> = all.iter().filter(|other| other.kernel == subject.kernel).collect();
            assert_eq!(same.iter().filter(|subject| subject.quick).count(), 1, "{}", subject.kernel);
            let twins = same.iter().filter(|other| other.shape == subject.shape).count();
            assert_eq!(twins, 1, "{} {:?}", subject.kernel, subject.shape);
        }
    }
}

//! Scans of LSTM and GRU layers over a sequence, forward and backward, without the input's projection.

use etude_kernels::elem::Real;
use etude_kernels::recurrent::{self, Scan};

use super::{Case, Title, Work, normals, subject};
use crate::bench::kernels::roofline::Cost;
use crate::bench::kernels::subject::Subject;

/// A character model's layer, and a small one.
const SHAPES: [(&str, Scan); 2] =
    [("character model", Scan { seq: 64, batch: 32, hidden: 512 }), ("small", Scan { seq: 64, batch: 32, hidden: 64 })];

#[derive(Clone, Copy)]
enum Kernel {
    LstmForward,
    LstmBackward,
    GruForward,
    GruBackward,
}

const KERNELS: [(&str, Kernel); 4] = [
    ("lstm", Kernel::LstmForward),
    ("lstm_grad", Kernel::LstmBackward),
    ("gru", Kernel::GruForward),
    ("gru_grad", Kernel::GruBackward),
];

impl Kernel {
    /// Gates, and how many products of state and weights a step has.
    fn size(self) -> (usize, usize) {
        match self {
            Kernel::LstmForward => (4, 1),
            Kernel::LstmBackward => (4, 2),
            Kernel::GruForward => (3, 1),
            Kernel::GruBackward => (3, 2),
        }
    }
}

/// All scans: the shape is steps, sequences, hidden.
pub fn subjects() -> Vec<Subject> {
    let mut all = Vec::new();
    for (name, kernel) in KERNELS {
        for (note, scan) in SHAPES {
            let Scan { seq, batch, hidden } = scan;
            let (gates, products) = kernel.size();
            let (weights, states) = (gates * hidden * hidden, seq * batch * hidden);
            let bytes = |elements: usize| 4.0 * elements as f64;
            let cost = Cost {
                flop: 2.0 * (products * seq * batch * weights) as f64,
                reads: bytes(gates * states + weights + (products - 1) * 2 * states),
                writes: bytes(gates * states + if products == 1 { 2 * states } else { weights }),
            };
            let title = Title { group: "recurrent", kernel: name, note, shape: vec![seq, batch, hidden] };
            all.push(subject(title, cost, Recurrent { kernel, scan }));
        }
    }
    all
}

struct Recurrent {
    kernel: Kernel,
    scan: Scan,
}

impl Case for Recurrent {
    fn work<T: Real>(&self) -> Work<T> {
        let lstm = matches!(self.kernel, Kernel::LstmForward | Kernel::LstmBackward);
        let operands = Operands::new(self.scan, self.kernel.size().0);
        let backward = self.kernel.size().1 == 2;
        match (lstm, backward) {
            (true, false) => operands.lstm(),
            (true, true) => operands.lstm_grad(),
            (false, false) => operands.gru(),
            (false, true) => operands.gru_grad(),
        }
    }
}

struct Operands<T> {
    scan: Scan,
    /// The projections of the input before the scan, the activated gates after it.
    gates: Vec<T>,
    w: Vec<T>,
    /// The state before the first step, for h and c.
    start: Vec<T>,
    h: Vec<T>,
    /// c of the LSTM, qₙ of the GRU.
    extra: Vec<T>,
}

impl<T: Real> Operands<T> {
    fn new(scan: Scan, gates: usize) -> Self {
        let Scan { seq, batch, hidden } = scan;
        let states = seq * batch * hidden;
        // Weights as they are initialised: with larger ones the gates would be saturated.
        let scale = T::from_f64(1.0 / (hidden as f64).sqrt());
        Self {
            scan,
            gates: normals(gates * states, 1),
            w: normals::<T>(gates * hidden * hidden, 2).into_iter().map(|w| w * scale).collect(),
            start: vec![T::ZERO; batch * hidden],
            h: vec![T::ZERO; states],
            extra: vec![T::ZERO; states],
        }
    }

    fn lstm(mut self) -> Work<T> {
        Work::new(self.h.len(), move |h| {
            let Self { scan, gates, w, start, extra, .. } = &mut self;
            recurrent::lstm_forward(scan, gates, w, start, start, h, extra);
        })
    }

    fn lstm_grad(mut self) -> Work<T> {
        let Self { scan, gates, w, start, h, extra } = &mut self;
        recurrent::lstm_forward(scan, gates, w, start, start, h, extra);
        let (dh, mut dw) = (normals::<T>(h.len(), 3), vec![T::ZERO; w.len()]);
        let (mut dh0, mut dc0) = (start.clone(), start.clone());
        Work::new(self.gates.len(), move |dgates| {
            let Self { scan, gates, w, start, h, extra } = &self;
            let (dh0, dc0) = (&mut dh0, &mut dc0);
            recurrent::lstm_backward(scan, gates, w, start, start, h, extra, &dh, None, dgates, &mut dw, dh0, dc0);
        })
    }

    fn gru(mut self) -> Work<T> {
        Work::new(self.h.len(), move |h| {
            let Self { scan, gates, w, start, extra, .. } = &mut self;
            recurrent::gru_forward(scan, gates, w, None, start, h, extra);
        })
    }

    fn gru_grad(mut self) -> Work<T> {
        let Self { scan, gates, w, start, h, extra } = &mut self;
        recurrent::gru_forward(scan, gates, w, None, start, h, extra);
        let (dh, mut dw) = (normals::<T>(h.len(), 3), vec![T::ZERO; w.len()]);
        let (mut db, mut dh0) = (vec![T::ZERO; 3 * scan.hidden], start.clone());
        Work::new(self.gates.len(), move |dgates| {
            let Self { scan, gates, w, start, h, extra } = &self;
            recurrent::gru_backward(scan, gates, w, start, h, extra, &dh, dgates, &mut dw, &mut db, &mut dh0);
        })
    }
}

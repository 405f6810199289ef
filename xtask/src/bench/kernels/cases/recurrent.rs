//! Scans of LSTM and GRU layers over a sequence, forward and backward, without the input's projection.

use etude_kernels::buf::Buf;
use etude_kernels::elem::Real;
use etude_kernels::recurrent::{self, Scan};

use super::{Case, Title, Work, normals, subject, zeros};
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
            let reads = bytes(gates * states + weights + (products - 1) * 2 * states);
            let writes = bytes(gates * states + if products == 1 { 2 * states } else { weights });
            let cost = Cost::new(2.0 * (products * seq * batch * weights) as f64, reads, writes);
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

struct Operands<T: Real> {
    scan: Scan,
    /// The projections of the input before the scan, the activated gates after it.
    gates: Buf<T>,
    w: Buf<T>,
    /// The state before the first step, for h and c.
    start: Buf<T>,
    h: Buf<T>,
    /// c of the LSTM, qₙ of the GRU.
    extra: Buf<T>,
}

impl<T: Real> Operands<T> {
    fn new(scan: Scan, gates: usize) -> Self {
        let Scan { seq, batch, hidden } = scan;
        let states = seq * batch * hidden;
        // Weights as they are initialised: with larger ones the gates would be saturated.
        let scale = T::from_f64(1.0 / (hidden as f64).sqrt());
        let mut w = normals::<T>(gates * hidden * hidden, 2);
        w.iter_mut().for_each(|w| *w *= scale);
        Self {
            scan,
            gates: normals(gates * states, 1),
            w,
            start: zeros(batch * hidden),
            h: zeros(states),
            extra: zeros(states),
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
        let (dh, mut dw) = (normals::<T>(h.len(), 3), zeros(w.len()));
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
        let (dh, mut dw) = (normals::<T>(h.len(), 3), zeros(w.len()));
        let (mut db, mut dh0) = (zeros(3 * scan.hidden), start.clone());
        Work::new(self.gates.len(), move |dgates| {
            let Self { scan, gates, w, start, h, extra } = &self;
            recurrent::gru_backward(scan, gates, w, start, h, extra, &dh, dgates, &mut dw, &mut db, &mut dh0);
        })
    }
}

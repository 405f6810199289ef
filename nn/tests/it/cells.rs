//! Recurrent layers a step at a time.

use etude_autograd::Tensor;
use etude_nn::{Ctx, Gru, GruCell, Lstm, LstmCell, Module, Nonlinearity, Rnn, RnnCell};

use super::layers::{close, names};

/// As many steps of a cell as a sequence has, with the weights of the layer.
#[test]
fn a_sequence_is_the_steps_of_its_cell() {
    let (cx, x) = (&mut Ctx::train(0), Tensor::randn([4, 2, 3], &mut Ctx::train(1)));
    let weights = |layer: &dyn Module, cell: &dyn Module| {
        let of_layer = layer.named_params();
        assert_eq!(names(cell).len(), of_layer.len());
        for ((name, p), (of_cell, q)) in of_layer.iter().zip(cell.named_params()) {
            assert_eq!(*name, format!("{of_cell}_l0"));
            q.set(&p.get());
        }
    };
    let (lstm, cell) = (Lstm::new(3, 5, 1, cx), LstmCell::new(3, 5, cx));
    weights(&lstm, &cell);
    let (y, end) = lstm.forward(&x, &lstm.zero_state(2), cx);
    let mut state = None;
    for t in 0..4 {
        let next = cell.forward(&x.select(0, t), state.as_ref(), cx);
        close(&next.h, &y.select(0, t));
        state = Some(next);
    }
    close(&state.expect("four steps").c, &end.c.select(0, 0));
    let (gru, cell) = (Gru::new(3, 5, 1, cx), GruCell::new(3, 5, cx));
    weights(&gru, &cell);
    let (y, _) = gru.forward(&x, &gru.zero_state(2), cx);
    let step = |h: Option<Tensor>, t| Some(cell.forward(&x.select(0, t), h.as_ref(), &mut Ctx::train(0)));
    close(&(0..4).fold(None, step).expect("four steps"), &y.select(0, 3));
    for nonlinearity in [Nonlinearity::Tanh, Nonlinearity::Relu] {
        let rnn = Rnn::new(3, 5, 1, cx).nonlinearity(nonlinearity).no_bias();
        let cell = RnnCell::new(3, 5, cx).nonlinearity(nonlinearity).no_bias();
        weights(&rnn, &cell);
        let (y, _) = rnn.forward(&x, &rnn.zero_state(2), cx);
        let step = |h: Option<Tensor>, t| Some(cell.forward(&x.select(0, t), h.as_ref(), &mut Ctx::train(0)));
        close(&(0..4).fold(None, step).expect("four steps"), &y.select(0, 3));
    }
}

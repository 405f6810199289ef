//! CliffWalking-v1: Sutton & Barto 2018, example 6.6. The short way home runs along a cliff.
//!
//! A 4 × 12 grid, start bottom left, goal bottom right, the cliff between them. A step costs 1, the cliff 100 and a
//! walk back to the start. Actions: 0 up, 1 right, 2 down, 3 left. The best return is −13.

use crate::{Mdp, Outcome, TabularEnv};

const ROWS: usize = 4;
const COLUMNS: usize = 12;
const START: usize = 3 * COLUMNS;
const GOAL: usize = ROWS * COLUMNS - 1;

/// The environment. gymnasium sets no step limit; a learner needs one, or its first episodes do not end.
pub fn cliff_walking(slippery: bool, limit: Option<usize>) -> TabularEnv {
    let mut outcomes = Vec::with_capacity(ROWS * COLUMNS * 4);
    for state in 0..ROWS * COLUMNS {
        for action in 0..4 {
            outcomes.push(row_of(state, action, slippery));
        }
    }
    let mut start = vec![0.0; ROWS * COLUMNS];
    start[START] = 1.0;
    let mdp = Mdp::new(4, start, outcomes).expect("the rows are built to be distributions");
    TabularEnv::new("CliffWalking-v1", mdp, limit)
}

fn row_of(state: usize, action: usize, slippery: bool) -> Vec<Outcome> {
    let slips = [(action + 3) % 4, action, (action + 1) % 4];
    let moves = if slippery { &slips[..] } else { &slips[1..2] };
    let one = |&direction: &usize| {
        let (row, column) = (state / COLUMNS, state % COLUMNS);
        let (row, column) = match direction {
            0 => (row.saturating_sub(1), column),
            1 => (row, (column + 1).min(COLUMNS - 1)),
            2 => ((row + 1).min(ROWS - 1), column),
            _ => (row, column.saturating_sub(1)),
        };
        let next = row * COLUMNS + column;
        let cliff = next > START && next < GOAL;
        let (next, reward) = if cliff { (START, -100.0) } else { (next, -1.0) };
        Outcome { probability: 1.0 / moves.len() as f64, next, reward, terminated: next == GOAL }
    };
    moves.iter().map(one).collect()
}

//! FrozenLake-v1: walk over ice to the goal; on slippery ice two moves in three go sideways.
//!
//! Tiles: `S` start, `F` ice, `H` hole (ends the episode), `G` goal (reward 1, ends the episode).
//! Actions: 0 left, 1 down, 2 right, 3 up. The transition table has gymnasium's rows in gymnasium's order.

use crate::{Mdp, Outcome, RlError, TabularEnv};

/// The small map; optimum 0.74 within the limit of 100 steps.
pub const FROZEN_LAKE_4X4: [&str; 4] = ["SFFF", "FHFH", "FFFH", "HFFG"];

/// The large map; optimum 0.91 within the limit of 200 steps.
pub const FROZEN_LAKE_8X8: [&str; 8] =
    ["SFFFFFFF", "FFFFFFFF", "FFFHFFFF", "FFFFFHFF", "FFFHFFFF", "FHHFFFHF", "FHFFHFHF", "FFFHFFFG"];

/// FrozenLake-v1 (`large = false`, 4 × 4, 100 steps) or FrozenLake8x8-v1 (8 × 8, 200 steps).
pub fn frozen_lake(large: bool, slippery: bool) -> TabularEnv {
    let (name, map, limit): (_, &[&str], _) =
        if large { ("FrozenLake8x8-v1", &FROZEN_LAKE_8X8, 200) } else { ("FrozenLake-v1", &FROZEN_LAKE_4X4, 100) };
    let mdp = frozen_lake_map(map, slippery).expect("the built-in maps are rectangular and have a start");
    TabularEnv::new(name, mdp, Some(limit))
}

/// The decision process of any map.
///
/// # Errors
/// A map that is not a rectangle, a tile that is none of `SFHG`, no start.
pub fn frozen_lake_map(map: &[&str], slippery: bool) -> Result<Mdp, RlError> {
    let tiles: Vec<&[u8]> = map.iter().map(|row| row.as_bytes()).collect();
    let (rows, columns) = (tiles.len(), tiles.first().map_or(0, |row| row.len()));
    for (r, row) in tiles.iter().enumerate() {
        let bad = |reason| RlError::Model { state: r * columns, action: 0, reason };
        if row.len() != columns {
            return Err(bad(format!("row {r} of the map has {} tiles, row 0 has {columns}", row.len())));
        }
        if let Some(tile) = row.iter().find(|tile| !b"SFHG".contains(tile)) {
            return Err(bad(format!("row {r} of the map has the tile {:?}; expected S, F, H or G", *tile as char)));
        }
    }
    let flat = tiles.concat();
    let mut outcomes = Vec::with_capacity(flat.len() * 4);
    for state in 0..flat.len() {
        for action in 0..4 {
            outcomes.push(row_of(&flat, rows, columns, state, action, slippery));
        }
    }
    let starts = flat.iter().filter(|tile| **tile == b'S').count();
    let start = flat.iter().map(|tile| if *tile == b'S' { 1.0 / starts as f64 } else { 0.0 }).collect();
    Mdp::new(4, start, outcomes)
}

fn row_of(flat: &[u8], rows: usize, columns: usize, state: usize, action: usize, slippery: bool) -> Vec<Outcome> {
    if b"GH".contains(&flat[state]) {
        return vec![Outcome { probability: 1.0, next: state, reward: 0.0, terminated: true }];
    }
    // The neighbours of an action in 0 left, 1 down, 2 right, 3 up are the perpendicular ones.
    let slips = [(action + 3) % 4, action, (action + 1) % 4];
    let moves = if slippery { &slips[..] } else { &slips[1..2] };
    let one = |&direction: &usize| {
        let (row, column) = (state / columns, state % columns);
        let (row, column) = match direction {
            0 => (row, column.saturating_sub(1)),
            1 => ((row + 1).min(rows - 1), column),
            2 => (row, (column + 1).min(columns - 1)),
            _ => (row.saturating_sub(1), column),
        };
        let next = row * columns + column;
        let reward = if flat[next] == b'G' { 1.0 } else { 0.0 };
        Outcome { probability: 1.0 / moves.len() as f64, next, reward, terminated: b"GH".contains(&flat[next]) }
    };
    moves.iter().map(one).collect()
}

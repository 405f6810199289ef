//! From a string to atoms and bonds; what chemistry says of them is elsewhere.

use super::{Atom, Bond, Element, Order, SmilesError};

/// The end of a ring that waits for the other one.
struct Open {
    digit: char,
    at: usize,
    atom: usize,
    order: Option<Order>,
}

/// What may come next.
#[derive(PartialEq)]
enum Before {
    /// At the beginning of the string or of a branch: an atom, in a branch also a bond.
    Begin,
    /// Behind a bond: an atom, or a digit if the bond is behind an atom.
    Bond { digit: bool },
    /// Behind an atom or its digits: anything.
    Atom,
    /// Behind a branch: anything but a digit.
    Branch,
}

/// Reads from left to right with a stack of the branches that are open.
pub(super) fn graph(smiles: &str) -> Result<(Vec<Atom>, Vec<Bond>), SmilesError> {
    let (mut atoms, mut bonds): (Vec<Atom>, Vec<Bond>) = (Vec::new(), Vec::new());
    let (mut branches, mut rings): (Vec<(usize, usize)>, Vec<Open>) = (Vec::new(), Vec::new());
    let (mut last, mut order, mut before) = (None, None, Before::Begin);
    let mut rest = smiles.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        let wrong = |expected| Err(SmilesError::Unexpected { at, expected, found: Some(c) });
        match c {
            '-' | '=' | '#' => {
                if last.is_none() || matches!(before, Before::Bond { .. }) {
                    return wrong("an atom");
                }
                order = Some(match c {
                    '-' => Order::Single,
                    '=' => Order::Double,
                    _ => Order::Triple,
                });
                before = Before::Bond { digit: before == Before::Atom };
            }
            '1'..='9' => {
                let (Before::Atom | Before::Bond { digit: true }, Some(atom)) = (&before, last) else {
                    return wrong("an atom before the digit");
                };
                match rings.iter().position(|open| open.digit == c) {
                    None => rings.push(Open { digit: c, at, atom, order }),
                    Some(i) => {
                        let open = rings.swap_remove(i);
                        bonds.push(closed(&open, atom, order, at, &atoms, &bonds)?);
                    }
                }
                (order, before) = (None, Before::Atom);
            }
            '(' => match (&before, last) {
                (Before::Atom | Before::Branch, Some(atom)) => {
                    branches.push((atom, at));
                    before = Before::Begin;
                }
                _ => return wrong("an atom before the branch"),
            },
            ')' => match before {
                Before::Begin | Before::Bond { .. } => return wrong("an atom"),
                _ => {
                    let Some((atom, _)) = branches.pop() else { return wrong("a branch that is open") };
                    (last, before) = (Some(atom), Before::Branch);
                }
            },
            _ => {
                let element = match c {
                    'C' if rest.next_if(|&(_, next)| next == 'l').is_some() => Element::Cl,
                    'C' | 'c' => Element::C,
                    'N' | 'n' => Element::N,
                    'O' | 'o' => Element::O,
                    'S' | 's' => Element::S,
                    'F' => Element::F,
                    _ => return wrong("an atom, a bond, a digit or a branch"),
                };
                atoms.push(Atom { element, aromatic: c.is_lowercase(), hydrogens: 0, at });
                let new = atoms.len() - 1;
                if let Some(last) = last {
                    bonds.push(Bond { atoms: [last, new], order: implied(order, &atoms, [last, new]) });
                }
                (last, order, before) = (Some(new), None, Before::Atom);
            }
        }
    }
    if matches!(before, Before::Begin | Before::Bond { .. }) {
        return Err(SmilesError::Unexpected { at: smiles.len(), expected: "an atom", found: None });
    }
    if let Some(&(_, at)) = branches.last() {
        return Err(SmilesError::OpenBranch { at });
    }
    match rings.first() {
        Some(open) => Err(SmilesError::OpenRing { at: open.at, digit: open.digit }),
        None => Ok((atoms, bonds)),
    }
}

/// A bond that is not written is aromatic between two aromatic atoms, else single.
fn implied(order: Option<Order>, atoms: &[Atom], ends: [usize; 2]) -> Order {
    let aromatic = ends.iter().all(|&end| atoms[end].aromatic);
    order.unwrap_or(if aromatic { Order::Aromatic } else { Order::Single })
}

/// The bond between both ends of a ring.
fn closed(
    open: &Open,
    atom: usize,
    order: Option<Order>,
    at: usize,
    atoms: &[Atom],
    bonds: &[Bond],
) -> Result<Bond, SmilesError> {
    let wrong = |reason| Err(SmilesError::Ring { at, digit: open.digit, reason });
    let ends = [open.atom, atom];
    if open.atom == atom {
        return wrong("joins an atom with itself");
    }
    if bonds.iter().any(|bond| ends.iter().all(|end| bond.atoms.contains(end))) {
        return wrong("joins two atoms a second time");
    }
    match (open.order, order) {
        (Some(a), Some(b)) if a != b => wrong("has two different bonds at its ends"),
        (a, b) => Ok(Bond { atoms: ends, order: implied(a.or(b), atoms, ends) }),
    }
}

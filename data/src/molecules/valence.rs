//! Whether the bonds of a molecule are possible, and the hydrogens that fill up the rest.

use etude_kernels::rng::Rng;

use super::{Bond, Element, Molecule, Order, SmilesError};

/// Checks every atom and sets its hydrogens.
pub(super) fn check(molecule: &mut Molecule) -> Result<(), SmilesError> {
    single_outside_of_rings(molecule);
    let n = molecule.atoms.len();
    // Aromatic bonds count once here; which of them are double is settled below.
    let bonds: Vec<u8> = (0..n).map(|i| molecule.bonds_of(i).map(electrons).sum()).collect();
    for (atom, &bonds) in molecule.atoms.iter().zip(&bonds) {
        let most = atom.element.valences().last().copied().unwrap_or(0);
        if bonds > most {
            return Err(SmilesError::Valence { at: atom.at, element: atom.element, bonds });
        }
    }
    let double = alternate(molecule, &bonds)?;
    for (i, atom) in molecule.atoms.iter_mut().enumerate() {
        let bonds = bonds[i] + u8::from(double[i]);
        // The check above and that a double bond goes to atoms with room for it leave a valence for each.
        let valence = atom.element.valences().iter().find(|&&valence| valence >= bonds);
        atom.hydrogens = valence.map_or(0, |valence| valence - bonds);
    }
    Ok(())
}

fn electrons(bond: &Bond) -> u8 {
    match bond.order {
        Order::Single | Order::Aromatic => 1,
        Order::Double => 2,
        Order::Triple => 3,
    }
}

/// The bond that is not written between two aromatic rings is single, as in c1ccccc1c1ccccc1.
fn single_outside_of_rings(molecule: &mut Molecule) {
    for i in 0..molecule.bonds.len() {
        if molecule.bonds[i].order == Order::Aromatic && !in_ring(molecule, i) {
            molecule.bonds[i].order = Order::Single;
        }
    }
}

/// Whether there is another way between the ends of a bond.
fn in_ring(molecule: &Molecule, bond: usize) -> bool {
    let [from, to] = molecule.bonds[bond].atoms;
    let mut seen = vec![false; molecule.atoms.len()];
    let mut next = vec![from];
    while let Some(atom) = next.pop() {
        if std::mem::replace(&mut seen[atom], true) {
            continue;
        }
        let others = molecule.bonds.iter().enumerate().filter(|(i, b)| *i != bond && b.atoms.contains(&atom));
        next.extend(others.map(|(_, b)| b.atoms[usize::from(b.atoms[0] == atom)]));
    }
    seen[to]
}

/// Which aromatic atoms have a double bond where single and double ones alternate. Carbon with three bonds needs one, nitrogen
/// with two; oxygen and sulphur with two, and nitrogen with three, give their lone pair instead.
fn alternate(molecule: &Molecule, bonds: &[u8]) -> Result<Vec<bool>, SmilesError> {
    let mut needs = vec![false; molecule.atoms.len()];
    for (i, atom) in molecule.atoms.iter().enumerate().filter(|(_, atom)| atom.aromatic) {
        if molecule.bonds_of(i).filter(|bond| bond.order == Order::Aromatic).count() < 2 {
            return Err(SmilesError::Aromatic { at: atom.at, reason: "an aromatic atom outside of an aromatic ring" });
        }
        needs[i] = match atom.element {
            Element::C => bonds[i] < 4,
            Element::N => bonds[i] < 3,
            _ => false,
        };
    }
    match needs.iter().position(|&needs| needs) {
        Some(first) if !can_be_paired(molecule, &needs) => {
            let reason = "double bonds cannot alternate around the aromatic rings from here";
            Err(SmilesError::Aromatic { at: molecule.atoms[first].at, reason })
        }
        _ => Ok(needs),
    }
}

/// 2⁶¹ − 1, a prime.
const P: u64 = (1 << 61) - 1;

fn times(a: u64, b: u64) -> u64 {
    (u128::from(a) * u128::from(b) % u128::from(P)) as u64
}

/// Whether the atoms that need a double bond can be paired along aromatic bonds (a perfect matching). Lovász 1979, *On
/// determinants, matchings, and random algorithms*: they can if and only if the skew-symmetric matrix with an unknown for each
/// bond is regular, which random numbers for the unknowns tell. Its determinant is computed modulo a prime, so that a matching
/// is overlooked with a chance of at most n/2⁶¹, and none is invented. The numbers are the same each time.
fn can_be_paired(molecule: &Molecule, needs: &[bool]) -> bool {
    let row: Vec<usize> =
        needs.iter().scan(0, |n, &needs| Some(std::mem::replace(n, *n + usize::from(needs)))).collect();
    let n = needs.iter().filter(|&&needs| needs).count();
    let mut matrix = vec![vec![0; n]; n];
    let mut rng = Rng::new(0);
    for bond in molecule.bonds.iter().filter(|bond| bond.order == Order::Aromatic) {
        let [a, b] = bond.atoms;
        if needs[a] && needs[b] {
            let unknown = 1 + rng.next_u64() % (P - 1);
            (matrix[row[a]][row[b]], matrix[row[b]][row[a]]) = (unknown, P - unknown);
        }
    }
    regular(matrix)
}

/// Gaussian elimination modulo [`P`], without divisions: rows are only ever multiplied by numbers that are not 0.
fn regular(mut matrix: Vec<Vec<u64>>) -> bool {
    let n = matrix.len();
    for column in 0..n {
        let Some(pivot) = (column..n).find(|&row| matrix[row][column] != 0) else { return false };
        matrix.swap(column, pivot);
        let pivot = matrix[column].clone();
        for row in matrix[column + 1..].iter_mut().filter(|row| row[column] != 0) {
            let factor = P - row[column];
            for (value, &above) in row.iter_mut().zip(&pivot) {
                *value = (times(*value, pivot[column]) + times(above, factor)) % P;
            }
        }
    }
    true
}

//! Writes molecules. Every choice respects the valences that are left, so that nothing has to be thrown away; the reader of
//! [`super::Molecule`] shares no code with it.

use std::collections::BTreeSet;

use etude_kernels::rng::Rng;

/// The most atoms of a molecule, the hydrogens left out.
const ATOMS: usize = 16;

/// One molecule, as a string of at most 16 atoms. The same state of `rng` gives the same.
pub fn draw(rng: &mut impl AsMut<Rng>) -> String {
    let rng = rng.as_mut();
    let left = 4 + rng.below(ATOMS - 3);
    let mut writer = Writer { out: String::new(), rng, left, open: 0 };
    writer.chain(0, Kind::Carbon);
    writer.out
}

/// `n` molecules whose strings are all different, in the order in which they were drawn. One molecule has several strings, as
/// `CCO` and `OCC`, and two of them can be of the same.
pub fn set(n: usize, rng: &mut impl AsMut<Rng>) -> Vec<String> {
    let (mut seen, mut all) = (BTreeSet::new(), Vec::with_capacity(n));
    while all.len() < n {
        let smiles = draw(rng);
        if seen.insert(smiles.clone()) {
            all.push(smiles);
        }
    }
    all
}

/// What the last atom was: two atoms that are not carbon are never neighbours.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Carbon,
    Hetero,
    Aromatic,
}

struct Writer<'a> {
    out: String,
    rng: &'a mut Rng,
    /// Atoms that may still be written.
    left: usize,
    /// Rings that are open.
    open: usize,
}

impl Writer<'_> {
    fn chance(&mut self, share: f64) -> bool {
        self.rng.f64() < share
    }

    fn one_of(&mut self, atoms: &[&'static str]) -> &'static str {
        atoms[self.rng.below(atoms.len())]
    }

    fn write(&mut self, atom: &str) {
        self.out.push_str(atom);
        self.left = self.left.saturating_sub(1);
    }

    /// Atoms and rings until the budget or the valence ends, behind a bond of `order` to an atom of kind `before`; order 0 is
    /// the beginning. There must be an atom left.
    fn chain(&mut self, mut order: u8, mut before: Kind) {
        loop {
            let single = order < 2;
            // The bond between two aromatic rings is written, which the language asks for.
            let ring = single && before != Kind::Hetero && self.open < 2;
            let (kind, free) = if ring && self.left >= 5 && self.chance(0.25) {
                if before == Kind::Aromatic {
                    self.out.push('-');
                }
                (Kind::Aromatic, self.arene())
            } else if ring && self.left >= 3 && self.chance(0.15) {
                (Kind::Carbon, self.ring())
            } else {
                self.atom(order, before)
            };
            if free == 0 || self.left == 0 || self.chance(0.08) {
                return;
            }
            order = if kind == Kind::Carbon { self.order(free) } else { 1 };
            before = kind;
            self.bond(order);
        }
    }

    /// One bond of the chain: mostly single.
    fn order(&mut self, free: u8) -> u8 {
        match self.rng.f64() {
            p if p < 0.12 && free >= 2 => 2,
            p if p < 0.16 && free >= 3 => 3,
            _ => 1,
        }
    }

    fn bond(&mut self, order: u8) {
        self.out.push_str(match order {
            2 => "=",
            3 => "#",
            _ => "",
        });
    }

    /// An atom and its branches; what it was, and the valence that is left.
    fn atom(&mut self, order: u8, before: Kind) -> (Kind, u8) {
        let hetero = before != Kind::Hetero && self.chance(if order < 2 { 0.3 } else { 0.7 });
        if hetero {
            let (atom, free) = match (order, self.rng.f64()) {
                (2, p) if p < 0.8 => ("O", 0),
                (2, _) => ("N", 1),
                (3, _) => ("N", 0),
                // Halogens end a chain; at the beginning one bond is left.
                (order, p) if p < 0.2 => (self.one_of(&["F", "Cl"]), 1 - order),
                (order, p) if p < 0.3 => ("S", 2 - order),
                (order, p) if p < 0.65 => ("O", 2 - order),
                (order, _) => ("N", 3 - order),
            };
            self.write(atom);
            return (Kind::Hetero, free);
        }
        self.write("C");
        let mut free = 4 - order;
        while free >= 2 && self.left >= 2 && self.chance(0.22) {
            free -= self.branch(free - 1);
        }
        (Kind::Carbon, free)
    }

    /// A branch of a carbon with at most `free` valences for it, and how many it took.
    fn branch(&mut self, free: u8) -> u8 {
        let order = if free >= 2 && self.chance(0.4) { 2 } else { 1 };
        self.out.push('(');
        self.bond(order);
        self.short(order, Kind::Carbon);
        self.out.push(')');
        order
    }

    /// A chain of at most three atoms, which leaves one for what comes behind it.
    fn short(&mut self, order: u8, before: Kind) {
        let most = (1 + self.rng.below(3)).min(self.left - 1).max(1);
        let kept = self.left - most;
        self.left = most;
        self.chain(order, before);
        self.left += kept;
    }

    fn digit(&self) -> char {
        if self.open == 1 { '1' } else { '2' }
    }

    /// A ring of single bonds behind none or a single one, in it at most one atom that is not carbon; it begins and ends with
    /// carbon. What is left of the last one's valence.
    fn ring(&mut self) -> u8 {
        let most = self.left.min(6);
        let size = if most == 6 && self.chance(0.5) { 6 } else { 3 + self.rng.below(most - 2) };
        self.open += 1;
        let digit = self.digit();
        let hetero = if self.chance(0.5) { 1 + self.rng.below(size - 2) } else { 0 };
        self.write("C");
        self.out.push(digit);
        // What is reserved for the rest of the ring is not there for its branches.
        self.left -= size - 1;
        for i in 1..size {
            self.left += 1;
            if i == hetero {
                let atom = self.one_of(&["O", "N", "N", "S"]);
                self.write(atom);
            } else {
                self.write("C");
                if i + 1 == size {
                    self.out.push(digit);
                } else if self.left >= 2 && self.chance(0.12) {
                    self.branch(2);
                }
            }
        }
        self.open -= 1;
        2
    }

    /// An aromatic ring of five or six atoms: benzene with at most two of its inner atoms nitrogen, or a furan, thiophene, or
    /// one of those with a nitrogen. One bond of its last carbon is left.
    fn arene(&mut self) -> u8 {
        let size = if self.left >= 6 && self.chance(0.75) { 6 } else { 5 };
        let special = 1 + self.rng.below(size - 2);
        let mut atoms = vec!["c"; size];
        if size == 5 {
            atoms[special] = self.one_of(&["o", "s"]);
        } else if self.chance(0.3) {
            atoms[special] = "n";
        }
        if self.chance(0.15) {
            // A neighbour of oxygen or sulphur may be nitrogen as well, as in isoxazole.
            let another = 1 + self.rng.below(size - 2);
            if atoms[another] == "c" {
                atoms[another] = "n";
            }
        }
        self.open += 1;
        let digit = self.digit();
        self.left -= size;
        for (i, atom) in atoms.iter().enumerate() {
            self.out.push_str(atom);
            if i == 0 || i + 1 == size {
                self.out.push(digit);
            } else if *atom == "c" && self.left >= 2 && self.chance(0.2) {
                self.out.push('(');
                self.short(1, Kind::Aromatic);
                self.out.push(')');
            }
        }
        self.open -= 1;
        1
    }
}

//! Small organic molecules as strings: a part of the language SMILES, a reader that says what is valid, and a seeded grammar.
//!
//! Weininger 1988, *SMILES, a chemical language and information system*; the rules are those of OpenSMILES
//! (<http://opensmiles.org>), of which this is the part without brackets, charges, isotopes, stereochemistry and dots. Refused as well
//! are the other elements of its organic subset (B, P, Br, I), nitrogen with five bonds, ring numbers 0 and from 10 (`%10`), the
//! bonds `:` and `$`, and strings of more than 256 bytes:
//!
//! ```text
//! molecule = chain
//! chain    = atom links branch* ( bond? chain )?
//! links    = ( bond? digit )*          two equal digits join their atoms in a ring
//! branch   = "(" bond? chain ")"
//! atom     = "C" | "N" | "O" | "F" | "S" | "Cl" | "c" | "n" | "o" | "s"       small letters are aromatic
//! bond     = "-" | "=" | "#"
//! digit    = "1" … "9"
//! ```
//!
//! [`Molecule::parse`] reads it. Beyond the grammar a valid string closes every branch and every ring, joins no atom with itself
//! or twice with another, and respects valences: bonds and hydrogens of C are 4, of N 3, of O 2, of F and Cl 1, of S 2, 4 or 6;
//! hydrogens fill up what is missing. Aromatic atoms must stand in rings of aromatic bonds, and double bonds must be able to
//! alternate around them (a Kekulé structure); Hückel's rule is not asked.
//!
//! [`draw`] writes one by rules of its own, with a budget of valences and atoms: chains, branches, rings of three to six atoms,
//! and aromatic rings of five and six. [`set`] draws many that are distinct as strings; `CCO` and `OCC`, one
//! molecule, are two of them.
//!
//! ```
//! use etude_data::molecules::Molecule;
//!
//! let aspirin = Molecule::parse("CC(=O)Oc1ccccc1C(=O)O")?;
//! assert_eq!((aspirin.formula().as_str(), aspirin.rings()), ("C9H8O4", 1));
//! assert!(Molecule::parse("CC(C)(C)(C)C").is_err()); // five bonds
//! # Ok::<(), etude_data::molecules::SmilesError>(())
//! ```

mod grammar;
mod parse;
mod valence;

use std::fmt::Write;

pub use grammar::{draw, set};

/// An element of the part of SMILES that is read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    /// Carbon.
    C,
    /// Chlorine.
    Cl,
    /// Fluorine.
    F,
    /// Nitrogen.
    N,
    /// Oxygen.
    O,
    /// Sulphur.
    S,
}

impl Element {
    /// The sums of bonds that it may have, the smallest first.
    fn valences(self) -> &'static [u8] {
        match self {
            Element::C => &[4],
            Element::N => &[3],
            Element::O => &[2],
            Element::F | Element::Cl => &[1],
            Element::S => &[2, 4, 6],
        }
    }
}

/// An atom of a [`Molecule`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Atom {
    /// Its element.
    pub element: Element,
    /// Written as a small letter.
    pub aromatic: bool,
    /// Hydrogens that fill up its valence.
    pub hydrogens: u8,
    /// Where it stands in the string, in bytes.
    at: usize,
}

/// How two atoms are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One pair of electrons.
    Single,
    /// Two.
    Double,
    /// Three.
    Triple,
    /// Single or double, shared around a ring.
    Aromatic,
}

/// A bond of a [`Molecule`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bond {
    /// The numbers of its atoms.
    pub atoms: [usize; 2],
    /// How they are joined.
    pub order: Order,
}

/// The most bytes of a string: molecules are small.
const LONGEST: usize = 256;

/// Why a string is no molecule: see the [page](self). Positions count bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SmilesError {
    /// More bytes than a small molecule has.
    #[error("{bytes} bytes, expected at most {LONGEST}")]
    TooLong {
        /// How many there are.
        bytes: usize,
    },
    /// A character, or the end, where something else must stand.
    #[error("position {at}: expected {expected}, found {}", found.map_or("the end".to_owned(), |c| format!("{c:?}")))]
    Unexpected {
        /// Where.
        at: usize,
        /// What could stand there.
        expected: &'static str,
        /// What does; `None` for the end.
        found: Option<char>,
    },
    /// A branch that is never closed.
    #[error("position {at}: a branch that is not closed")]
    OpenBranch {
        /// Where it begins.
        at: usize,
    },
    /// A ring that is never closed.
    #[error("position {at}: ring {digit} is not closed")]
    OpenRing {
        /// Where it begins.
        at: usize,
        /// Its digit.
        digit: char,
    },
    /// A ring that joins an atom with itself or with one that it is joined with, or whose ends name different bonds.
    #[error("position {at}: ring {digit} {reason}")]
    Ring {
        /// Where it is closed.
        at: usize,
        /// Its digit.
        digit: char,
        /// What is wrong.
        reason: &'static str,
    },
    /// More bonds than the element may have.
    #[error("position {at}: {element:?} with {bonds} bonds")]
    Valence {
        /// Where the atom stands.
        at: usize,
        /// Its element.
        element: Element,
        /// The sum of its bonds.
        bonds: u8,
    },
    /// An aromatic atom outside of a ring of aromatic bonds, or one that double bonds cannot alternate around.
    #[error("position {at}: {reason}")]
    Aromatic {
        /// Where the atom stands.
        at: usize,
        /// What is wrong.
        reason: &'static str,
    },
}

/// A valid molecule of at least one atom; all are joined, there is one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Molecule {
    atoms: Vec<Atom>,
    bonds: Vec<Bond>,
}

impl Molecule {
    /// Reads a string of the part of SMILES that the [page](self) describes.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(smiles: &str) -> Result<Self, SmilesError> {
        if smiles.len() > LONGEST {
            return Err(SmilesError::TooLong { bytes: smiles.len() });
        }
        let (atoms, bonds) = parse::graph(smiles)?;
        let mut molecule = Molecule { atoms, bonds };
        valence::check(&mut molecule)?;
        Ok(molecule)
    }

    /// The atoms but for hydrogens, in the order of the string.
    pub fn atoms(&self) -> &[Atom] {
        &self.atoms
    }

    /// The bonds between them.
    pub fn bonds(&self) -> &[Bond] {
        &self.bonds
    }

    /// Rings that do not consist of others: bonds − atoms + 1.
    pub fn rings(&self) -> usize {
        self.bonds.len() + 1 - self.atoms.len()
    }

    /// The share of atoms, hydrogens left out, that are not carbon.
    pub fn hetero_share(&self) -> f64 {
        self.atoms.iter().filter(|atom| atom.element != Element::C).count() as f64 / self.atoms.len() as f64
    }

    /// The formula in Hill's order: carbon, hydrogen, then the alphabet; without carbon all in the alphabet's.
    pub fn formula(&self) -> String {
        let mut counts: Vec<(String, usize)> = Vec::new();
        let mut add = |name: &str, n: usize| match counts.iter_mut().find(|(found, _)| found == name) {
            Some((_, count)) => *count += n,
            None => counts.push((name.to_owned(), n)),
        };
        for atom in &self.atoms {
            add(&format!("{:?}", atom.element), 1);
            add("H", usize::from(atom.hydrogens));
        }
        let carbon = self.atoms.iter().any(|atom| atom.element == Element::C);
        let place = |name: &str| if carbon { (name != "C", name != "H") } else { (true, true) };
        counts.retain(|&(_, n)| n > 0);
        counts.sort_by(|a, b| (place(&a.0), &a.0).cmp(&(place(&b.0), &b.0)));
        counts.iter().fold(String::new(), |mut text, (name, n)| {
            text.push_str(name);
            if *n > 1 {
                // Writing into a string cannot fail.
                let _ = write!(text, "{n}");
            }
            text
        })
    }

    /// Numbers of the bonds of an atom.
    fn bonds_of(&self, atom: usize) -> impl Iterator<Item = &Bond> {
        self.bonds.iter().filter(move |bond| bond.atoms.contains(&atom))
    }
}

#[cfg(test)]
mod tests;

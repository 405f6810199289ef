//! The reader against known molecules and against the crate purr, and the grammar against the reader.

use etude_kernels::rng::Rng;
use proptest::prelude::*;

use super::*;

/// Hydrogens of each atom as purr counts them; none if it cannot read the string.
fn purr(smiles: &str) -> Option<Vec<u8>> {
    let mut builder = purr::graph::Builder::new();
    purr::read::read(smiles, &mut builder, None).ok()?;
    Some(builder.build().ok()?.iter().map(purr::graph::Atom::suppressed_hydrogens).collect())
}

fn hydrogens(molecule: &Molecule) -> Vec<u8> {
    molecule.atoms().iter().map(|atom| atom.hydrogens).collect()
}

#[test]
fn real_molecules_are_read() {
    // Formulas of PubChem.
    for (name, smiles, formula, rings) in [
        ("water", "O", "H2O", 0),
        ("ethanol", "CCO", "C2H6O", 0),
        ("hydrogen cyanide", "C#N", "CHN", 0),
        ("aspirin", "CC(=O)Oc1ccccc1C(=O)O", "C9H8O4", 1),
        ("paracetamol", "CC(=O)Nc1ccc(O)cc1", "C8H9NO2", 1),
        ("ibuprofen", "CC(C)Cc1ccc(C(C)C(=O)O)cc1", "C13H18O2", 1),
        ("nicotine", "CN1CCCC1c1cccnc1", "C10H14N2", 2),
        ("caffeine", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", "C8H10N4O2", 2),
        ("naphthalene", "c1ccc2ccccc2c1", "C10H8", 2),
        ("biphenyl", "c1ccccc1c1ccccc1", "C12H10", 2),
        ("sulphuric acid", "OS(=O)(=O)O", "H2O4S", 0),
        ("chloroform", "ClC(Cl)Cl", "CHCl3", 0),
        ("cubane", "C12C3C4C1C5C4C3C25", "C8H8", 5),
        ("cyclohexene", "C=1CCCCC=1", "C6H10", 1),
        ("thiophene", "c1ccsc1", "C4H4S", 1),
    ] {
        let molecule = Molecule::parse(smiles).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((molecule.formula().as_str(), molecule.rings()), (formula, rings), "{name}");
        if name != "biphenyl" && name != "caffeine" {
            // purr takes the bond between two rings, and those to an atom with =O, for aromatic ones that want an electron.
            assert_eq!(Some(hydrogens(&molecule)), purr(smiles), "{name}");
        }
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    use SmilesError as E;
    let error = |smiles: &str| Molecule::parse(smiles).expect_err(smiles);
    assert!(matches!(error(""), E::Unexpected { at: 0, found: None, .. }));
    assert!(matches!(error("CX"), E::Unexpected { at: 1, found: Some('X'), .. }));
    for (smiles, at) in [("C=", 2), ("C(", 2)] {
        assert!(matches!(error(smiles), E::Unexpected { at: found, found: None, .. } if found == at), "{smiles}");
    }
    let wrong = ["=C", "C()C", "C)C", "C(=)C", "C==C", "1CC1", "C(1)C1", "C(C)1CC1", "(C)C", "C((C))C", "C0CC0", "Cé"];
    for smiles in wrong {
        assert!(matches!(error(smiles), E::Unexpected { found: Some(_), .. }), "{smiles}: {}", error(smiles));
    }
    assert_eq!(error("CC(C"), E::OpenBranch { at: 2 });
    assert_eq!(error("CC1CC"), E::OpenRing { at: 2, digit: '1' });
    for smiles in ["C11", "C1C1", "C12CC12", "C=1CCC#1"] {
        assert!(matches!(error(smiles), E::Ring { .. }), "{smiles}");
    }
    assert_eq!(error("CC(C)(C)(C)C"), E::Valence { at: 1, element: Element::C, bonds: 5 });
    for smiles in ["CFC", "C#O", "CN(C)(C)C", "C=Cl", "O=O=O", "C=1CCC=C=1C"] {
        assert!(matches!(error(smiles), E::Valence { .. }), "{smiles}: {}", error(smiles));
    }
    // An aromatic atom alone, five carbons, a pyrrole without its hydrogen, and seven.
    for smiles in ["c", "cc", "Cc", "c1cccc1", "c1ccnc1", "c1cccccc1", "c1(C)(C)ccccc1"] {
        assert!(matches!(error(smiles), E::Aromatic { .. }), "{smiles}: {}", error(smiles));
    }
    assert_eq!(error(&"C".repeat(257)), E::TooLong { bytes: 257 });
    assert!(Molecule::parse(&"C".repeat(256)).is_ok());
}

#[test]
fn everything_that_is_drawn_is_valid_and_a_seed_gives_the_same() {
    let drawn = set(3000, &mut Rng::new(7));
    let mut rings = [0; 3];
    for smiles in &drawn {
        let molecule = Molecule::parse(smiles).unwrap_or_else(|error| panic!("{smiles}: {error}"));
        assert!(molecule.atoms().len() <= 16, "{smiles}");
        assert_eq!(Some(hydrogens(&molecule)), purr(smiles), "{smiles}");
        rings[molecule.rings().min(2)] += 1;
    }
    assert!(rings.iter().all(|&n| n > 150), "molecules without a ring, with one, with more: {rings:?}");
    assert_eq!(drawn[..50], set(50, &mut Rng::new(7)));
}

#[test]
fn what_breaks_a_molecule_is_found() {
    for smiles in set(500, &mut Rng::new(3)) {
        let broken = |text: String| assert!(Molecule::parse(&text).is_err(), "{text} of {smiles}");
        for (at, c) in smiles.char_indices() {
            let without = || format!("{}{}", &smiles[..at], &smiles[at + 1..]);
            match c {
                '(' | ')' | '1' | '2' => broken(without()),
                '=' => broken(format!("{}=={}", &smiles[..at], &smiles[at + 1..])),
                'F' if at > 0 => broken(format!("{}#F{}", &smiles[..at], &smiles[at + 1..])),
                _ => {}
            }
        }
        broken(format!("{smiles}("));
        broken(format!("{smiles}="));
        broken(format!("({smiles}"));
    }
}

proptest! {
    /// Any string is read or refused; what is read, purr reads too, and counts the same hydrogens where no aromatic atom is.
    #[test]
    fn what_is_read_is_what_purr_reads(smiles in "[CNOSF()=#12-]{0,14}") {
        if let Ok(molecule) = Molecule::parse(&smiles) {
            prop_assert_eq!(Some(hydrogens(&molecule)), purr(&smiles));
        }
    }

    #[test]
    fn aromatic_strings_are_read_or_refused(smiles in "[cnosCO()12-]{0,20}") {
        let _ = Molecule::parse(&smiles);
    }
}

//! Our weights in PyTorch: what `tests/pytorch_load.py` loads with `strict=True` and compares.

use std::path::Path;

#[test]
#[ignore = "writes weights for tests/pytorch_load.py"]
fn weights_for_pytorch() {
    let folder = std::env::var("WEIGHTS_DIR").expect("WEIGHTS_DIR names a folder");
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder).expect("writable");
    crate::golden::export(folder);
}

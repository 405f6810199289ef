//! The engine's promises, one test each; the operations are tested through the table.

mod engine;

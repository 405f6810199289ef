//! What bounds a kernel on this machine: arithmetic, and memory at the size of its working set.
//!
//! Everything is measured in the run whose rows are judged by it, because the same machine is slower in a warm room or
//! beside a busy neighbour. Source of the model: Williams, Waterman & Patterson 2009, *Roofline*, with a bandwidth for
//! each level of the caches instead of one.

#[cfg(feature = "bench")]
mod fma;
#[cfg(feature = "bench")]
mod memory;
#[cfg(feature = "bench")]
mod team;
#[cfg(feature = "bench")]
mod tiles;

/// The machine's limits with one number of threads.
#[derive(Clone, Debug)]
pub struct Roofline {
    /// How many threads ran at once.
    pub threads: usize,
    /// For each instruction set, slowest first.
    pub peaks: Vec<Peak>,
    /// bf16 products of the tile unit, GFLOP/s; `None` where there is none.
    pub tiles: Option<f64>,
    /// From the smallest working set to the largest.
    pub memory: Vec<Level>,
}

/// f32 multiply-adds of one instruction set, GFLOP/s.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    /// Its name.
    pub isa: &'static str,
    /// From registers alone.
    pub registers: f64,
    /// With the loads of B and the broadcasts of A that a micro-kernel needs, all from the first-level cache.
    pub fed: f64,
}

/// Bandwidth at one size of the working set.
#[derive(Clone, Copy, Debug)]
pub struct Level {
    /// All bytes touched, of all threads together.
    pub bytes: usize,
    /// GB/s of a sum.
    pub read: f64,
    /// GB/s of a copy, read and written bytes counted.
    pub copy: f64,
    /// GB/s of an update in place, counted in the same way: no line has to be fetched only to be overwritten.
    pub update: f64,
}

/// What a kernel has to do at least.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Operations.
    pub flop: f64,
    /// Bytes of what it reads, each once.
    pub reads: f64,
    /// Bytes of what it writes, each once.
    pub writes: f64,
    /// Bytes of its working set: less than what it reads and writes, where it works in place.
    pub touched: f64,
}

impl Cost {
    /// What a kernel does that writes elsewhere than where it reads.
    pub fn new(flop: f64, reads: f64, writes: f64) -> Self {
        Cost { flop, reads, writes, touched: reads + writes }
    }

    /// The same in place: everything that is written was read.
    pub fn in_place(self) -> Self {
        Cost { touched: self.reads.max(self.writes), ..self }
    }

    /// All bytes.
    pub fn bytes(&self) -> f64 {
        self.reads + self.writes
    }
}

impl Roofline {
    /// Measures the machine: a few seconds.
    #[cfg(feature = "bench")]
    pub fn measure(threads: usize) -> Self {
        use etude_kernels::isa::Isa;
        let peak =
            |isa: Isa| Peak { isa: isa.name(), registers: fma::registers(isa, threads), fed: fma::fed(isa, threads) };
        Roofline {
            threads,
            peaks: Isa::available().into_iter().map(peak).collect(),
            tiles: tiles::gflops(threads),
            memory: memory::levels(threads),
        }
    }

    /// The limits as lines of text.
    pub fn lines(&self) -> Vec<String> {
        let peak = |p: &Peak| {
            let Peak { isa, registers, fed } = p;
            format!("f32 multiply-adds, {isa}: {registers:.0} GFLOP/s; with a micro-kernel's loads {fed:.0}")
        };
        let tiles =
            self.tiles.map(|tiles| format!("bf16 products of the tile unit, loads included: {tiles:.0} GFLOP/s"));
        let level = |level: &Level| {
            let Level { bytes, read, copy, update } = *level;
            format!("{} touched: read {read:.0}, copy {copy:.0}, update {update:.0} GB/s", size(bytes))
        };
        self.peaks.iter().map(peak).chain(tiles).chain(self.memory.iter().map(level)).collect()
    }

    /// GFLOP/s that arithmetic allows: f32 has the multiply-add units of its instruction set, `bf16` a product on the
    /// tile unit and `high` three of them, where there is one and the instruction set is the best.
    pub fn arithmetic(&self, isa: &str, dtype: &str) -> f64 {
        // Of scalars the compiler may vectorise the loop with loads better than the one without.
        let best = |peak: &Peak| peak.registers.max(peak.fed);
        let peak = self.peaks.iter().find(|peak| peak.isa == isa).map_or(f64::INFINITY, best);
        let is_best = self.peaks.last().is_some_and(|best| best.isa == isa);
        match (dtype, self.tiles) {
            ("bf16", Some(tiles)) if is_best => tiles,
            ("high", Some(tiles)) if is_best => tiles / 3.0,
            ("f64", _) => peak / 2.0,
            _ => peak,
        }
    }

    /// The bandwidths for a working set: those of the level nearest in ratio.
    pub fn level(&self, bytes: f64) -> Level {
        let distance = |level: &Level| (bytes.max(1.0) / level.bytes as f64).ln().abs();
        let nearest = self.memory.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        *nearest.expect("a roofline has levels of memory")
    }

    /// The seconds below which the kernel cannot end: the longer of its arithmetic and its traffic. What is written is
    /// copied from as many read bytes, or updated in place; the rest is only read (or only written, at the same rate).
    pub fn bound(&self, cost: &Cost, isa: &str, dtype: &str) -> f64 {
        let level = self.level(cost.touched);
        let is_in_place = cost.touched < cost.bytes();
        let pairs = 2.0 * cost.reads.min(cost.writes);
        let only_read = (cost.reads - cost.writes).max(0.0);
        let only_written = (cost.writes - cost.reads).max(0.0);
        let written = (pairs + only_written) / if is_in_place { level.update } else { level.copy };
        let memory = written + only_read / level.read;
        memory.max(cost.flop / self.arithmetic(isa, dtype)) / 1e9
    }
}

/// Bytes in KiB or MiB.
pub fn size(bytes: usize) -> String {
    if bytes.is_multiple_of(1 << 20) { format!("{} MiB", bytes >> 20) } else { format!("{} KiB", bytes >> 10) }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A machine with round numbers.
    pub fn machine(threads: usize) -> Roofline {
        let peak = |isa, registers| Peak { isa, registers, fed: 0.9 * registers };
        let level = |bytes, read, copy| Level { bytes, read, copy, update: 1.5 * copy };
        Roofline {
            threads,
            peaks: vec![peak("scalar", 10.0), peak("avx512", 200.0)],
            tiles: Some(2400.0),
            memory: vec![level(1 << 10, 400.0, 200.0), level(1 << 20, 100.0, 50.0)],
        }
    }

    #[test]
    fn a_product_is_bound_by_arithmetic_and_a_sum_by_reading() {
        let product = Cost::new(2e9, 8e3, 4e3);
        assert_eq!(machine(1).bound(&product, "avx512", "f32"), 0.01);
        assert_eq!(machine(1).bound(&product, "scalar", "f32"), 0.2);
        assert_eq!(machine(1).bound(&product, "avx512", "high"), 2.0 / 800.0);
        assert_eq!(machine(1).bound(&product, "scalar", "high"), 0.2, "only the best set has the tile unit beside it");
        let sum = Cost::new(1e6, 1e6, 4.0);
        let exact = (8.0 / 50.0 + (1e6 - 4.0) / 100.0) / 1e9;
        assert!((machine(1).bound(&sum, "avx512", "f32") - exact).abs() < 1e-12 * exact);
    }

    #[test]
    fn a_kernel_in_place_touches_less() {
        let update = Cost::new(0.0, 4e4, 3e4);
        assert_eq!(update.touched, 7e4);
        assert_eq!((update.in_place().touched, update.in_place().bytes()), (4e4, 7e4));
        // 60 kB at 1.5 · 50 GB/s and 10 kB at 100.
        assert!((machine(1).bound(&update.in_place(), "avx512", "f32") - 0.9e-6).abs() < 1e-15);
    }

    #[test]
    fn a_working_set_belongs_to_the_level_nearest_in_ratio() {
        let machine = machine(1);
        assert_eq!(machine.level(1.0).bytes, 1 << 10);
        assert_eq!(machine.level(31e3).bytes, 1 << 10);
        assert_eq!(machine.level(34e3).bytes, 1 << 20);
        assert_eq!(machine.level(1e12).bytes, 1 << 20);
    }
}

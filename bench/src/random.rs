//! Numbers that look random and are the same each time.

/// A source of them (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound
    }

    /// Whether something happens that does so many times in ten thousand.
    pub(crate) fn happens(&mut self, in_ten_thousand: u64) -> bool {
        self.below(10_000) < in_ten_thousand
    }

    /// A waiting time in microseconds, exponentially distributed around a mean.
    pub(crate) fn wait(&mut self, mean_us: u64) -> u64 {
        let bits = u32::try_from(self.bits() >> 32).unwrap_or(u32::MAX);
        let share = (f64::from(bits) + 0.5) / 4_294_967_296.0;
        // No longer than twelve times the mean, which one in 160,000 is.
        let thousandths = (-share.ln() * 1000.0).min(12_000.0);
        let factor = std::time::Duration::try_from_secs_f64(thousandths).unwrap_or_default();
        mean_us.saturating_mul(factor.as_secs()) / 1000
    }

    /// One of several, the first ones far more often than the last.
    pub(crate) fn favourite(&mut self, several: u64) -> u64 {
        let bound = self.below(several.max(1)) + 1;
        self.below(bound)
    }
}

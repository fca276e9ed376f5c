//! Seeded chance: the same seed gives the same throws, on every machine.

/// A small, fast generator. Not for secrets.
#[derive(Debug, Clone)]
pub struct Dice(fastrand::Rng);

impl Dice {
    /// Dice that always fall the same way for `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// Dice of their own for one purpose, so that a change in one part of a history leaves the others as they were.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::new(self.0.u64(..))
    }

    /// A number in `0..below`; 0 when `below` is 0.
    pub fn below(&mut self, below: u64) -> u64 {
        if below == 0 { 0 } else { self.0.u64(0..below) }
    }

    /// True in `percent` of a hundred throws.
    pub fn percent(&mut self, percent: f64) -> bool {
        self.0.f64() * 100.0 < percent
    }

    /// A fraction in `0.0..1.0`.
    pub fn fraction(&mut self) -> f64 {
        self.0.f64()
    }

    /// One of `items`; none when there are none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let len = u64::try_from(items.len()).unwrap_or(u64::MAX);
        items.get(usize::try_from(self.below(len)).unwrap_or(usize::MAX))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.u64(..)
    }

    /// A random (version 4) GUID.
    pub fn guid(&mut self) -> crate::Guid {
        let bits = u128::from(self.0.u64(..)) << 64 | u128::from(self.0.u64(..));
        crate::Guid::from_u128(bits & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats() {
        let throw = |seed| {
            let mut dice = Dice::new(seed);
            (dice.below(1000), dice.guid(), dice.percent(50.0), dice.fork().bits())
        };
        assert_eq!(throw(7), throw(7));
        assert_ne!(throw(7).1, throw(8).1);
        let guid = throw(7).1.to_string();
        assert_eq!(&guid[14..15], "4", "version 4: {guid}");
    }
}

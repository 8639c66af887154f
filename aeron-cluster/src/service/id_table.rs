//! Values by the id of their session, found with a multiplication and, nearly always, one look.

/// Spreads ids that are given out in order evenly: 2^64 over the golden ratio.
const GOLDEN_RATIO: u64 = 0x9E37_79B9_7F4A_7C15;
const LEAST_SLOTS: usize = 16;

/// A table with open addresses: a value is in the slot that its id says, or in one of those right behind. Every message of a client is looked
/// up here, which took 6 instructions more in a `HashMap` (`./ci/check-instructions`). Id and value lie beside each other: among many
/// sessions the time goes into fetching memory, once here. Values behind pointers would be 7 instructions less, and fetched twice.
///
/// The ids are given out by the consensus module, not by an adversary.
pub(super) struct IdTable<T> {
    /// A power of two of them, of which an eighth at least is empty.
    slots: Vec<(i64, Option<T>)>,
    count: usize,
    /// What of a product is left for the number of a slot.
    shift: u32,
}

impl<T> Default for IdTable<T> {
    fn default() -> Self {
        Self::with_slots(LEAST_SLOTS)
    }
}

impl<T> IdTable<T> {
    fn with_slots(slots: usize) -> Self {
        IdTable { slots: (0..slots).map(|_| (0, None)).collect(), count: 0, shift: u64::BITS - slots.trailing_zeros() }
    }

    #[inline]
    pub(super) fn get(&self, id: i64) -> Option<&T> {
        self.slots[self.find(id)].1.as_ref()
    }

    /// Adds a value; one that is there with the same id is replaced.
    pub(super) fn insert(&mut self, id: i64, value: T) {
        if (self.count + 1) * 8 > self.slots.len() * 7 {
            self.grow();
        }
        let at = self.find(id);
        self.count += usize::from(self.slots[at].1.is_none());
        self.slots[at] = (id, Some(value));
    }

    pub(super) fn remove(&mut self, id: i64) -> Option<T> {
        let mut hole = self.find(id);
        let removed = self.slots[hole].1.take()?;
        self.count -= 1;
        // Those behind move up, unless they would come before the slot that their id says.
        let mut at = self.after(hole);
        while self.slots[at].1.is_some() {
            let distance = |from: usize| at.wrapping_sub(from) & (self.slots.len() - 1);
            if distance(self.home(self.slots[at].0)) >= distance(hole) {
                self.slots.swap(at, hole);
                hole = at;
            }
            at = self.after(at);
        }
        Some(removed)
    }

    /// All values, in no order.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().filter_map(|(_, value)| value.as_mut())
    }

    /// The slot that has the id, or the one that it would get.
    #[inline]
    fn find(&self, id: i64) -> usize {
        let mut at = self.home(id);
        while self.slots[at].1.is_some() && self.slots[at].0 != id {
            at = self.after(at);
        }
        at
    }

    #[inline]
    fn home(&self, id: i64) -> usize {
        ((id as u64).wrapping_mul(GOLDEN_RATIO) >> self.shift) as usize
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }

    #[cold]
    fn grow(&mut self) {
        let larger = Self::with_slots(self.slots.len() * 2);
        for (id, value) in std::mem::replace(self, larger).slots {
            if let Some(value) = value {
                self.insert(id, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Numbers that look like chance and are the same in every run (xorshift).
    fn random(state: &mut u64) -> u64 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    }

    /// Does the same with a map of the standard library, and compares.
    fn compare(seed: u64, mut next_id: impl FnMut(u64) -> i64) {
        let (mut table, mut map) = (IdTable::default(), BTreeMap::new());
        let mut state = seed;
        for step in 0..20_000u64 {
            let id = next_id(random(&mut state));
            if random(&mut state).is_multiple_of(2) {
                table.insert(id, step);
                map.insert(id, step);
            } else {
                assert_eq!(table.remove(id), map.remove(&id));
            }
            let asked = next_id(random(&mut state));
            assert_eq!(table.get(asked), map.get(&asked), "{seed} {step} {asked}");
            assert_eq!(table.count, map.len());
        }
        assert!(map.iter().all(|(id, value)| table.get(*id) == Some(value)));
        let mut values: Vec<_> = table.values_mut().map(|value| *value).collect();
        values.sort_unstable();
        let mut expected: Vec<_> = map.into_values().collect();
        expected.sort_unstable();
        assert_eq!(values, expected);
    }

    #[test]
    fn it_has_what_a_map_has() {
        for seed in 1..=5 {
            compare(seed, |random| (random % 300) as i64);
            compare(seed, |random| (random % 3_000) as i64 - 1_500);
            // What falls into the same slots.
            compare(seed, |random| ((random % 200) as i64).wrapping_mul(0x0123_4567_89AB_CDEF));
            compare(seed, |random| i64::MIN.wrapping_add((random % 50) as i64) >> (random % 3));
        }
    }

    #[test]
    fn ids_in_order_are_found_at_once() {
        let mut table = IdTable::default();
        for id in 0..100_000 {
            table.insert(id, ());
        }
        let looks: usize =
            (0..100_000).map(|id| 1 + (table.find(id).wrapping_sub(table.home(id)) & (table.slots.len() - 1))).sum();
        assert!(looks < 150_000, "{looks}");
    }
}

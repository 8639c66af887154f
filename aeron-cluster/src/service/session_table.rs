//! A hash table from session ids to values, in which a lookup nearly always touches one cache line.

use super::ClientSession;
use crate::aeron::prefetch;

/// Multiplying by it spreads consecutive ids evenly (Fibonacci hashing): 2^64 over the golden ratio.
const GOLDEN_RATIO: u64 = 0x9E37_79B9_7F4A_7C15;
const LEAST_PLACES: usize = 16;

/// Open addressing with linear probing: a value is in the place that its id hashes to, or in one of the next. A `HashMap` touches two or
/// three cache lines per value and offers no way to prefetch them; with it, 10,000 sessions that send in no order cost half as much again.
///
/// The hash need not resist an adversary: the consensus module assigns the ids.
pub(super) struct SessionTable<T> {
    /// A power of two, at least a quarter of them empty; more than 15 in 16 are empty only at the smallest size.
    places: Vec<Place<T>>,
    count: usize,
    /// How far to shift a product to the right to get the index of a place.
    shift: u32,
}

/// One cache line.
#[repr(align(64))]
struct Place<T> {
    id: i64,
    value: Option<T>,
}

const _: () = assert!(size_of::<Place<ClientSession>>() == 64);

impl<T> Default for SessionTable<T> {
    fn default() -> Self {
        Self::with_places(LEAST_PLACES)
    }
}

impl<T> SessionTable<T> {
    fn with_places(count: usize) -> Self {
        let places = (0..count).map(|_| Place { id: 0, value: None }).collect();
        SessionTable { places, count: 0, shift: u64::BITS - count.trailing_zeros() }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.count
    }

    #[inline]
    pub(super) fn get(&self, id: i64) -> Option<&T> {
        match &self.places[self.home(id)] {
            Place { id: found, value: Some(value) } if *found == id => Some(value),
            _ => self.search(id),
        }
    }

    /// Not inlined, so that the processor predicts the common path instead of waiting for the comparison.
    #[cold]
    #[inline(never)]
    fn search(&self, id: i64) -> Option<&T> {
        self.places[self.find(id)].value.as_ref()
    }

    /// Prefetches what [`get`](Self::get) will look at: for one id after the other, with what that takes in registers.
    #[inline]
    pub(super) fn prefetcher(&self) -> impl Fn(i64) + use<T> {
        let (places, shift) = (self.places.as_ptr(), self.shift);
        move |id| prefetch(places.wrapping_add(home(id, shift)))
    }

    /// Adds a value, or replaces the one with the same id.
    pub(super) fn insert(&mut self, id: i64, value: T) {
        if (self.count + 1) * 4 > self.places.len() * 3 {
            self.move_to(self.places.len() * 2);
        }
        let at = self.find(id);
        self.count += usize::from(self.places[at].value.is_none());
        self.places[at] = Place { id, value: Some(value) };
    }

    pub(super) fn remove(&mut self, id: i64) -> Option<T> {
        let mut hole = self.find(id);
        let removed = self.places[hole].value.take()?;
        self.count -= 1;
        // Later values move up into the hole, unless that would put them before the place that their id hashes to.
        let mut at = self.after(hole);
        while self.places[at].value.is_some() {
            let distance = |from: usize| at.wrapping_sub(from) & (self.places.len() - 1);
            if distance(self.home(self.places[at].id)) >= distance(hole) {
                self.places.swap(at, hole);
                hole = at;
            }
            at = self.after(at);
        }
        if self.count * 16 < self.places.len() && self.places.len() > LEAST_PLACES {
            self.move_to((self.places.len() / 4).max(LEAST_PLACES));
        }
        Some(removed)
    }

    /// All values, in no order.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places.iter_mut().filter_map(|place| place.value.as_mut())
    }

    /// The place that holds the id, or the empty one where it would go.
    fn find(&self, id: i64) -> usize {
        let mut at = self.home(id);
        while self.places[at].value.is_some() && self.places[at].id != id {
            at = self.after(at);
        }
        at
    }

    #[inline]
    fn home(&self, id: i64) -> usize {
        home(id, self.shift)
    }

    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.places.len() - 1)
    }

    #[cold]
    fn move_to(&mut self, count: usize) {
        let other = Self::with_places(count);
        for place in std::mem::replace(self, other).places {
            if let Some(value) = place.value {
                self.insert(place.id, value);
            }
        }
    }
}

#[inline]
fn home(id: i64, shift: u32) -> usize {
    ((id as u64).wrapping_mul(GOLDEN_RATIO) >> shift) as usize
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
        let (mut table, mut map) = (SessionTable::default(), BTreeMap::new());
        let mut state = seed;
        for step in 0..20_000u64 {
            let id = next_id(random(&mut state));
            table.prefetcher()(id);
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
    fn the_table_has_what_a_map_has_after_the_same_changes() {
        for seed in 1..=5 {
            compare(seed, |random| (random % 300) as i64);
            compare(seed, |random| (random % 3_000) as i64 - 1_500);
            // What falls into the same places.
            compare(seed, |random| ((random % 200) as i64).wrapping_mul(0x0123_4567_89AB_CDEF));
            compare(seed, |random| i64::MIN.wrapping_add((random % 50) as i64) >> (random % 3));
        }
    }

    #[test]
    fn what_was_there_takes_no_room() {
        let mut table = SessionTable::default();
        (0..100_000).for_each(|id| table.insert(id, id));
        let largest = table.places.len();
        for id in 0..99_990 {
            assert_eq!(table.remove(id), Some(id));
        }
        assert!((99_990..100_000).all(|id| table.get(id) == Some(&id)));
        assert!(table.places.len() < largest / 256, "{} of {largest} places", table.places.len());
        (99_990..100_000).for_each(|id| assert_eq!(table.remove(id), Some(id)));
        assert_eq!(table.places.len(), LEAST_PLACES);
    }

    #[test]
    fn ids_in_order_are_found_nearly_at_once() {
        for (stride, most) in [(1, 1.5), (2, 1.5), (3, 1.5), (1024, 4.), (1 << 20, 4.)] {
            let mut table = SessionTable::default();
            let ids = || (0..100_000).map(|index| index * stride);
            for id in ids() {
                table.insert(id, ());
            }
            let mask = table.places.len() - 1;
            let looks: usize = ids().map(|id| 1 + (table.find(id).wrapping_sub(table.home(id)) & mask)).sum();
            assert!(looks as f64 <= most * 100_000., "{stride}: {looks} looks");
        }
    }
}

//! Handles of many kinds that go in many orders. All orders of more than a few kinds are too many to try; these are few, and have whatever
//! two or three of the kinds can do to each other.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::any::Any;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is made waits for answers most of the time.
const THREADS: usize = 4;

/// A handle, until it has gone.
pub type Handle = Option<Box<dyn Any + Send>>;

pub fn boxed(handle: impl Any + Send) -> Handle {
    Some(Box::new(handle))
}

/// Lets the handles go in an order.
pub fn let_go<T: ?Sized>(mut handles: Vec<Option<Box<T>>>, order: &[usize]) {
    assert_eq!(handles.len(), order.len());
    order.iter().for_each(|index| handles[*index] = None);
}

/// Orders of so many kinds in which each kind is the first and the last, each goes directly after each other, and any three go in each of
/// their six orders.
///
/// They are the rows of a square by E. J. Williams (1949): one zigzag through an odd number of kinds, turned to begin at each, and all that
/// backwards. For an even number one kind is left out of a greater square, which changes nothing of the above.
pub fn orders(kinds: usize) -> Vec<Vec<usize>> {
    let odd = kinds | 1;
    let zigzag = |place: usize| if place.is_multiple_of(2) { place / 2 } else { odd - 1 - place / 2 };
    let turned = |turn: usize| (0..odd).map(move |place| (zigzag(place) + turn) % odd);
    let mut orders: Vec<Vec<usize>> =
        (0..odd).map(|turn| turned(turn).filter(|kind| *kind < kinds).collect()).collect();
    let backwards: Vec<_> = orders.iter().map(|order| order.iter().rev().copied().collect()).collect();
    orders.extend::<Vec<Vec<usize>>>(backwards);
    orders
}

/// Does something for each of the [orders], which it numbers, on several threads. Returns what comes of it.
pub fn with_each_order<T: Send>(kinds: usize, work: impl Fn(usize, &[usize]) -> T + Sync) -> Vec<T> {
    let (orders, next, done) = (orders(kinds), AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(order) = orders.get(number) else { return };
                    let result = work(number, order);
                    done.lock().unwrap().push(result);
                }
            });
        }
    });
    done.into_inner().unwrap()
}

#[test]
fn orders_have_all_pairs_and_all_threes_in_all_orders() {
    use std::collections::HashSet;
    for kinds in [3, 4, 9, 10, 15, 24] {
        let orders = orders(kinds);
        let (mut ends, mut pairs, mut threes) = (HashSet::new(), HashSet::new(), HashSet::new());
        for order in &orders {
            assert_eq!(order.iter().collect::<HashSet<_>>().len(), kinds);
            ends.extend([(order[0], "first"), (order[kinds - 1], "last")]);
            pairs.extend(order.windows(2).map(|pair| (pair[0], pair[1])));
            for (place, first) in order.iter().enumerate() {
                for (between, second) in order[place + 1..].iter().enumerate() {
                    threes.extend(order[place + between + 2..].iter().map(|third| (*first, *second, *third)));
                }
            }
        }
        assert_eq!((orders.len(), ends.len()), (2 * (kinds | 1), 2 * kinds));
        assert_eq!((pairs.len(), threes.len()), (kinds * (kinds - 1), kinds * (kinds - 1) * (kinds - 2)));
    }
}

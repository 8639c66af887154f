//! Keeps track of unanswered requests.

use std::collections::VecDeque;

/// Numbers requests, and tells which of them are unanswered and which of those are in doubt: sent before the last interruption, so
/// that their answers may never come. See the [module's documentation](super#what-becomes-of-messages).
///
/// The application puts the number into the request, and the service puts it into the answer. Numbers count up from 0 and are never
/// reused. `T` is what the application wants to keep with a number: the request itself if it may be sent again, the time it was sent,
/// or `()`. Answers may come in any order. Memory is kept for everything since the oldest unanswered request, so
/// [give up](Self::give_up) requests that will never be answered.
///
/// ```
/// use aeron_cluster::client::RequestTracker;
///
/// let mut requests = RequestTracker::new();
/// let first = requests.track("buy");
/// let second = requests.track("sell");
/// assert_eq!(requests.answered(second), Some("sell"));
/// // The leader changed, or the session was lost.
/// requests.interrupted();
/// requests.track("hold");
/// assert_eq!(requests.in_doubt().collect::<Vec<_>>(), [(first, &"buy")]);
/// ```
#[derive(Debug, Clone)]
pub struct RequestTracker<T> {
    /// The requests from number `first` on; `None` if answered.
    requests: VecDeque<Option<T>>,
    first: u64,
    /// Requests with lower numbers were sent before the last interruption.
    doubtful_below: u64,
    unanswered: usize,
    doubtful: usize,
}

impl<T> Default for RequestTracker<T> {
    fn default() -> Self {
        Self { requests: VecDeque::new(), first: 0, doubtful_below: 0, unanswered: 0, doubtful: 0 }
    }
}

impl<T> RequestTracker<T> {
    /// A tracker without requests.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of the next request, to be written into its message.
    pub fn next_number(&self) -> u64 {
        self.first + self.requests.len() as u64
    }

    /// Records a request that was sent, and returns its number. Call it after the send has returned `Ok`, not before.
    pub fn track(&mut self, request: T) -> u64 {
        let number = self.next_number();
        self.requests.push_back(Some(request));
        self.unanswered += 1;
        number
    }

    /// Records an answer. Returns what was kept with the number; `None` if it was already answered or given up, or never sent.
    pub fn answered(&mut self, number: u64) -> Option<T> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let request = self.requests.get_mut(index)?.take()?;
        self.unanswered -= 1;
        self.doubtful -= usize::from(number < self.doubtful_below);
        while let Some(None) = self.requests.front() {
            self.requests.pop_front();
            self.first += 1;
        }
        Some(request)
    }

    /// To be called when the leader changed or the session was lost: all requests that are unanswered now are in doubt.
    pub fn interrupted(&mut self) {
        self.doubtful_below = self.next_number();
        self.doubtful = self.unanswered;
    }

    /// The number of unanswered requests.
    pub fn unanswered_count(&self) -> usize {
        self.unanswered
    }

    /// The number of unanswered requests that are in doubt.
    pub fn in_doubt_count(&self) -> usize {
        self.doubtful
    }

    /// The unanswered requests, oldest first.
    pub fn unanswered(&self) -> impl Iterator<Item = (u64, &T)> {
        let numbered = (self.first..).zip(&self.requests);
        numbered.filter_map(|(number, request)| request.as_ref().map(|request| (number, request)))
    }

    /// The requests in doubt, oldest first: lost, or processed without an answer.
    pub fn in_doubt(&self) -> impl Iterator<Item = (u64, &T)> {
        self.unanswered().take_while(|(number, _)| *number < self.doubtful_below)
    }

    /// Stops waiting for an answer. Does the same as [`answered`](Self::answered).
    pub fn give_up(&mut self, number: u64) -> Option<T> {
        self.answered(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracker(count: u64) -> RequestTracker<char> {
        let mut tracker = RequestTracker::new();
        for number in 0..count {
            assert_eq!(tracker.next_number(), number);
            assert_eq!(tracker.track(char::from(b'a' + number as u8)), number);
        }
        tracker
    }

    fn numbers<'t>(requests: impl Iterator<Item = (u64, &'t char)>) -> Vec<u64> {
        requests.map(|(number, _)| number).collect()
    }

    #[test]
    fn answers_come_in_any_order_and_once() {
        let mut tracker = tracker(4);
        assert_eq!(tracker.answered(2), Some('c'));
        assert_eq!(tracker.answered(2), None, "a doubled answer");
        assert_eq!(tracker.answered(9), None, "an answer to nothing");
        assert_eq!(numbers(tracker.unanswered()), [0, 1, 3]);
        assert_eq!(tracker.answered(0), Some('a'));
        assert_eq!(tracker.answered(1), Some('b'));
        assert_eq!(tracker.answered(0), None, "an answer to what is forgotten");
        assert_eq!((numbers(tracker.unanswered()), tracker.unanswered_count()), (vec![3], 1));
        assert_eq!(tracker.requests.len(), 1, "answered requests are not kept");
    }

    #[test]
    fn what_was_sent_before_an_interruption_is_in_doubt_until_it_is_answered() {
        let mut tracker = tracker(3);
        assert_eq!(numbers(tracker.in_doubt()), []);
        tracker.answered(1);
        tracker.interrupted();
        tracker.track('x');
        assert_eq!((numbers(tracker.in_doubt()), tracker.in_doubt_count()), (vec![0, 2], 2));
        assert_eq!(numbers(tracker.unanswered()), [0, 2, 3]);
        assert_eq!(tracker.answered(0), Some('a'), "a late answer of the old leader");
        assert_eq!(tracker.give_up(2), Some('c'));
        assert_eq!((numbers(tracker.in_doubt()), tracker.in_doubt_count()), (vec![], 0));
        tracker.interrupted();
        assert_eq!((numbers(tracker.in_doubt()), tracker.in_doubt_count()), (vec![3], 1));
    }

    #[test]
    fn numbers_go_on_when_all_is_answered() {
        let mut tracker = tracker(2);
        tracker.answered(0);
        tracker.answered(1);
        assert_eq!(tracker.track('y'), 2);
    }
}

//! The same with an archive of the client's version. `ARCHIVE_TESTS_AT=1.54.0` has all tests run so; what is cheap is run with both.

use crate::node::at_1_54;
use crate::{
    connecting, persistent, persistent_failures, recordings, replays, replication, requests, response_channels,
    segments, signals,
};

#[test]
fn what_is_asked_of_an_archive_of_the_clients_version() {
    at_1_54(&[
        crate::what_is_recorded_is_replayed_byte_for_byte,
        crate::recordings_are_listed_and_stopped,
        crate::requests_that_the_archive_refuses_are_errors_with_its_words,
        connecting::the_archive_shows_who_its_clients_are,
        recordings::a_recording_is_continued_cut_and_purged,
        requests::requests_are_polled_for_their_answers,
        segments::segments_are_detached_attached_purged_and_migrated,
        signals::signals_come_within_requests_polled_requests_and_polls,
    ]);
}

#[test]
fn what_an_archive_of_the_clients_version_sends() {
    at_1_54(&[
        persistent::it_catches_up_from_the_recording_and_goes_on_live,
        persistent_failures::what_does_not_fit_the_recording_fails_with_its_code_and_words,
        replays::a_replay_comes_to_a_subscription_of_its_own,
        replication::a_recording_is_replicated_from_another_archive,
        response_channels::a_session_whose_answers_come_back_the_way_of_its_requests,
    ]);
}

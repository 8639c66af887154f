//! A driver whose directory has no room for a log.

use aeron_cluster::ErrorKind;
use aeron_cluster::driver::MediaDriver;

use crate::little_room;
use crate::rig::{client, driver_context, until};

const STREAM: i32 = 28;

/// Not a test: what the next one runs where there is little room.
#[test]
fn where_there_is_little_room() {
    little_room::body(|dir| {
        let dir = dir.join("aeron");
        let _driver = MediaDriver::launch(driver_context(&dir)).unwrap();
        let aeron = client(&dir);
        let channel = "aeron:ipc?term-length=64m";
        let error = aeron.add_publication(channel, STREAM).expect_err("three terms of it are more than there is");
        assert_eq!(error.kind(), ErrorKind::StorageSpace, "{error}");
        assert!(error.message().contains(channel), "{error}");
        assert_eq!(aeron.add_exclusive_publication(channel, STREAM).unwrap_err().kind(), ErrorKind::StorageSpace);
        let subscription = aeron.add_subscription("aeron:ipc", STREAM).unwrap();
        let publication = aeron.add_publication("aeron:ipc", STREAM).unwrap();
        until("room for a small one", || publication.offer(b"fits").is_ok());
        drop(subscription);
    });
}

#[test]
fn a_log_for_which_there_is_no_room_is_refused() {
    little_room::run("space::where_there_is_little_room", "96m");
}

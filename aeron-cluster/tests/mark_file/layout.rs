//! What a mark file holds through the life of a container.

use aeron_cluster::ErrorKind;
use aeron_cluster::service::mark_file::{
    ClusterMarkFile, ERROR_BUFFER_MIN_LENGTH, Properties, ensure_link, is_service_mark_file, link_file_name,
    mark_file_name,
};

use crate::dir::{Dir, NOW};

pub const PROPERTIES: Properties<'static> = Properties {
    archive_stream_id: 10,
    service_stream_id: 104,
    consensus_module_stream_id: 105,
    service_id: 3,
    cluster_id: 7,
    aeron_directory: "/dev/shm/aeron-x",
    control_channel: "aeron:ipc?term-length=128k",
    service_name: "écho",
};

#[test]
fn a_new_file_has_the_fields_where_the_schema_puts_them() {
    let dir = Dir::new();
    let mut mark = dir.open_at(NOW).expect("new file");
    assert_eq!(dir.i32(8), 0, "not ready: readers wait while the version is 0");
    mark.set_properties(&PROPERTIES).expect("fits");
    mark.signal_ready(NOW + 5).expect("forced");
    mark.set_member_id(2);
    let header: [u8; 8] = dir.bytes(0);
    assert_eq!(header, [128, 0, 200, 0, 110, 0, 2, 0]);
    assert_eq!((dir.i32(8), dir.i32(12)), (0x0000_0300, 2));
    assert_eq!((dir.i64(16), dir.i64(24)), (NOW + 5, NOW));
    assert_eq!((dir.i64(32), dir.i64(40)), (i64::from(std::process::id()), -1));
    let ints: Vec<i32> = (48..84).step_by(4).map(|offset| dir.i32(offset)).collect();
    assert_eq!(ints, [10, 104, 105, -1, 2, 3, 8192, 1024 * 1024, 7]);
    let expected =
        b"\x10\0\0\0/dev/shm/aeron-x\x1a\0\0\0aeron:ipc?term-length=128k\0\0\0\0\x04\0\0\0?cho\0\0\0\0\0\0\0\0";
    assert_eq!(&dir.bytes::<74>(136)[..expected.len()], expected);
    let length = dir.mark_file().metadata().expect("metadata").len();
    assert_eq!(length, 8192 + 1024 * 1024);
    assert_eq!((mark.member_id(), mark.cluster_id(), mark.candidate_term_id()), (2, 7, -1));
}

#[test]
fn the_whole_file_has_its_place_on_the_disk() {
    use std::os::unix::fs::MetadataExt;
    let dir = Dir::new();
    std::fs::File::create(dir.mark_file()).and_then(|file| file.set_len(8192 + 1024 * 1024)).expect("sparse file");
    let _mark = dir.open_at(NOW).expect("an empty, sparse file is free");
    let metadata = dir.mark_file().metadata().expect("metadata");
    assert!(metadata.blocks() * 512 >= metadata.len(), "{} blocks for {} bytes", metadata.blocks(), metadata.len());
}

#[test]
fn the_file_is_a_multiple_of_the_page_size_long() {
    let dir = Dir::new();
    let options = dir.options().error_buffer_length(ERROR_BUFFER_MIN_LENGTH + 1).file_page_size(65536);
    let _mark = ClusterMarkFile::open(&options, || NOW).expect("new file");
    assert_eq!(dir.mark_file().metadata().expect("metadata").len(), 17 * 65536);
}

#[test]
fn signs_of_life_and_the_ends_of_a_container() {
    let dir = Dir::new();
    let mark = dir.open_at(NOW).expect("new file");
    mark.signal_ready(NOW).expect("forced");
    mark.update_activity_timestamp(NOW + 1000);
    assert_eq!((dir.i64(16), mark.activity_timestamp()), (NOW + 1000, NOW + 1000));
    mark.signal_terminated().expect("forced");
    assert_eq!((dir.i64(16), dir.i32(8), mark.has_ended()), (-1, 0x300, true));
    mark.update_activity_timestamp(NOW + 2000);
    mark.signal_failed_start().expect("nothing to do");
    assert_eq!((dir.i64(16), dir.i32(8)), (-1, 0x300), "nothing changes after the end");

    let failed = dir.open_at(NOW + 1).expect("the last one ended");
    failed.signal_failed_start().expect("forced");
    assert_eq!((dir.i64(16), dir.i32(8)), (-1, -1));
    let next = dir.open_at(NOW + 2).expect("a failed start locks nobody out");
    assert_eq!(dir.i32(8), -1, "until it is ready");
    next.signal_ready(NOW + 2).expect("forced");
    drop(next);
    assert_eq!((dir.i64(16), dir.i32(8)), (NOW + 2, 0x300), "as it was");
    drop(dir.open_at(NOW + 3).expect("its lock is free"));
    assert_eq!((dir.i64(16), dir.i32(8)), (-1, -1), "given up before it was ready");
}

#[test]
fn errors_are_counted_kept_for_the_next_run_and_begin_anew() {
    let dir = Dir::new();
    let mark = dir.open_at(NOW).expect("new file");
    let log = mark.error_log().clone();
    for (at, text) in [(NOW, "first"), (NOW + 1, "second: ünïcode"), (NOW + 2, "first"), (NOW + 3, "first")] {
        assert!(log.record(at, text));
    }
    let seen: Vec<_> = log.observations().into_iter().map(|o| (o.count, o.first_timestamp, o.last_timestamp)).collect();
    assert_eq!(seen, [(3, NOW, NOW + 3), (1, NOW + 1, NOW + 1)]);
    assert_eq!((dir.i32(8192), dir.i32(8196)), (24 + 5, 3));
    assert_eq!((dir.i64(8200), dir.i64(8208), dir.i32(8192 + 32)), (NOW + 3, NOW, 24 + 17));
    mark.signal_terminated().expect("forced");
    drop(mark);

    let next = dir.open_at(NOW + 60_000).expect("the last one ended");
    assert_eq!(next.error_log().observations(), []);
    let reports = dir.saved_errors();
    assert_eq!(reports.len(), 1);
    for part in [
        "\n3 observations from 2023-11-14 22:13:20.000000+0000 to ",
        "second: ünïcode",
        "\n2 distinct errors observed.\n",
    ] {
        assert!(reports[0].contains(part), "{part:?} in {}", reports[0]);
    }
    assert_eq!(log.observations(), [], "a log outlives its file's owner, and harms nothing");
}

#[test]
fn a_full_error_log_says_so() {
    let dir = Dir::new();
    let mark = dir.open_at(NOW).expect("new file");
    let text = "x".repeat(1000);
    let taken = (0..2000).take_while(|i| mark.error_log().record(NOW, &format!("{i:04}{text}"))).count();
    assert_eq!(taken, 1024 * 1024 / (24 + 1004 + 4));
    assert!(!mark.error_log().record(NOW, &format!("{taken:04}{text}")));
    assert!(mark.error_log().record(NOW, &format!("0000{text}")), "a known error is still counted");
    assert_eq!(mark.error_log().observations().len(), taken);
}

#[test]
fn strings_that_do_not_fit_are_refused() {
    let dir = Dir::new();
    let mut mark = dir.open_at(NOW).expect("new file");
    let name = "n".repeat(8192);
    let error = mark.set_properties(&Properties { service_name: &name, ..PROPERTIES }).expect_err("too long");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.message().starts_with("ClusterMarkFile headerLength=8390 > headerLengthCapacity=8192"), "{error}");
    let name = "n".repeat(8192 - 136 - 20 - 16 - 26);
    mark.set_properties(&Properties { service_name: &name, ..PROPERTIES }).expect("exactly fits");
    assert!(mark.error_log().record(NOW, "unharmed"));
    assert_eq!(dir.i32(8192), 24 + 8);
}

#[test]
fn options_are_checked() {
    let dir = Dir::new();
    let cases = [
        (
            dir.options().error_buffer_length(1024 * 1024 - 1),
            "Invalid errorBufferLength: 1048575, must be 1048576 to 2147475455",
        ),
        (
            dir.options().error_buffer_length(i32::MAX as usize - 8191),
            "Invalid errorBufferLength: 2147475456, must be 1048576 to 2147475455",
        ),
        (dir.options().file_page_size(2048), "Page size less than min size of 4096: page size=2048"),
        (dir.options().file_page_size(2 << 30), "Page size more than max size of 1073741824: page size=2147483648"),
        (dir.options().file_page_size(12288), "Page size not a power of 2: page size=12288"),
    ];
    for (options, message) in cases {
        let error = ClusterMarkFile::open(&options, || NOW).expect_err(message);
        assert_eq!((error.kind(), error.message()), (ErrorKind::InvalidArgument, message));
    }
    assert!(!dir.mark_file().exists());
}

#[test]
fn mark_files_and_their_links_have_the_names_of_javas() {
    assert_eq!(mark_file_name(2), "cluster-mark-service-2.dat");
    assert_eq!(link_file_name(2), "cluster-mark-service-2.lnk");
    assert!(is_service_mark_file("/x/cluster-mark-service-2.dat".as_ref()));
    assert!(!is_service_mark_file("/x/cluster-mark.dat".as_ref()));
    let (cluster, elsewhere) = (Dir::new(), Dir::new());
    let link = cluster.path().join(link_file_name(0));
    ensure_link(cluster.path(), elsewhere.path(), &link_file_name(0)).expect("written");
    let canonical = elsewhere.path().canonicalize().expect("exists");
    assert_eq!(std::fs::read_to_string(&link).expect("link"), canonical.to_string_lossy());
    for _ in 0..2 {
        ensure_link(cluster.path(), cluster.path(), &link_file_name(0)).expect("removed, or not there");
        assert!(!link.exists());
    }
    let missing = cluster.path().join("missing");
    let error = ensure_link(cluster.path(), &missing, &link_file_name(0)).expect_err("no directory");
    assert!(error.message().contains("missing"), "{error}");
}

//! What an archive sends.

use aeron_cluster::aeron::ChannelUri;
use aeron_cluster::archive::{RecordingDescriptor, segment_file_base_position};
use aeron_cluster::testing::fuzzing;

/// A message of an archive, decoded in Rust and in C; and what is made of a recording that it describes.
pub fn archive(message: &[u8]) {
    let signal = fuzzing::archive_answer(message);
    // To the byte as long as it says: what reads on is no memory of ours.
    let exact = message.to_vec().into_boxed_slice();
    let decoded = fuzzing::archive_answer_in_c(&exact);
    if let (Some(signal), Some(of_c)) = (signal, decoded.signals.first()) {
        assert_eq!(&signal, of_c);
    }
    // What is not text becomes three bytes for each of its own.
    let longest = 3 * message.len();
    assert!(decoded.subscriptions.iter().all(|found| found.stripped_channel.len() <= longest));
    for descriptor in &decoded.recordings {
        let strings = [&descriptor.stripped_channel, &descriptor.original_channel, &descriptor.source_identity];
        assert!(strings.iter().map(|text| text.len()).sum::<usize>() <= longest);
        recording(descriptor);
    }
}

fn recording(descriptor: &RecordingDescriptor) {
    for channel in ["aeron:udp?endpoint=localhost:0", &descriptor.original_channel] {
        if let Ok(continuing) = descriptor.continuing_channel(channel) {
            ChannelUri::parse(&continuing).expect("a channel that was made of one");
        }
    }
    let (terms, segments) = (descriptor.term_buffer_length, descriptor.segment_file_length);
    let position = descriptor.stop_position.unwrap_or(descriptor.recording_id);
    let _ = segment_file_base_position(descriptor.start_position, position, terms, segments);
}

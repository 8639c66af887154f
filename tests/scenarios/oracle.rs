//! The replica itself: it must see what is wrong, or the other tests see nothing.

use crate::replica::{Command, Numbers, Reply, State, Targets};

#[test]
fn numbers_show_what_is_lost_and_what_came_again() {
    let mut numbers = Numbers::default();
    let outcomes = [1, 2, 3, 5, 6, 6, 4, 9].map(|number| numbers.add(number));
    assert_eq!(outcomes, [true, true, true, true, true, false, false, true]);
    assert_eq!(numbers.ranges, [(1, 3), (5, 6), (9, 9)]);
    assert_eq!((numbers.contain(3), numbers.contain(4), numbers.contain(9), numbers.highest()), (true, false, true, 9));
}

#[test]
fn commands_survive_the_wire_and_others_are_content() {
    let targets = Targets { services: 0b101, members: 0b10 };
    for command in [
        Command::Echo(b""),
        Command::Note(b"content"),
        Command::ScheduleTimer { id: -1, delay_ms: 1 << 40 },
        Command::CancelTimer { id: 7 },
        Command::Offer(b"content"),
        Command::Reply { length: 1 << 20 },
        Command::FailSnapshot(targets),
        Command::Panic(Targets::member(15)),
        Command::Sleep { targets, ms: 3 },
        Command::Terminate { targets, expected: true },
        Command::CloseSession { id: 9 },
        Command::Keep { length: 0 },
    ] {
        let message = command.encode(u64::MAX);
        assert_eq!(Command::decode(&message), Some((u64::MAX, command)));
        let is_open_ended = matches!(command, Command::Echo(_) | Command::Note(_) | Command::Offer(_));
        let shorter = Command::decode(&message[..message.len() - 1]);
        assert!(shorter.is_none() || is_open_ended, "{shorter:?}");
    }
    for content in [&b""[..], b"12345678", &[12; 30]] {
        assert_eq!(Command::decode(content), None);
    }
    let done = Reply::Done { service_id: 1, number: 2, hash: 3 };
    assert_eq!(Reply::decode(&done.encode()), Some(done));
}

#[test]
fn a_snapshot_gives_the_state_back_and_another_is_refused() {
    let mut state = State { hash: 1, messages: 2, offered: 3, kept: vec![4; 200_000], ..State::default() };
    state.service_messages[9] = 5;
    state.sessions.entry(-6).or_default().add(7);
    state.sessions.entry(8).or_default().is_open = true;
    let messages = state.to_snapshot();
    let mut left = messages.iter().cloned();
    let loaded = State::from_snapshot(|| left.next().ok_or_else(|| "the end".to_owned())).unwrap();
    assert_eq!(loaded, state);

    let mut cut = messages[..messages.len() - 1].iter().cloned();
    State::from_snapshot(|| cut.next().ok_or_else(|| "the end".to_owned())).unwrap_err();
    for foreign in [vec![], b"REPLICA1".to_vec(), vec![0; messages[0].len()]] {
        State::from_snapshot(|| Ok::<_, String>(foreign.clone())).unwrap_err();
    }
}

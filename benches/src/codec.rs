//! The messages of the message path, decoded and encoded.

use std::hint::black_box;
use std::rc::Rc;

use aeron_cluster::codec::{
    ControlEvent, EgressEvent, LogEvent, RequestServiceAck, ScheduleTimer, ServiceAck, SessionMessageHeader, TimerEvent,
};

use crate::{Case, LENGTH, MESSAGES, Stage};

/// A case that needs no driver and no streams.
struct Pure<F>(F);

impl<F: FnMut()> Case for Pure<F> {
    fn prepare(&mut self) {}

    fn run(&mut self) {
        for _ in 0..MESSAGES {
            (self.0)();
        }
    }
}

fn pure(work: impl FnMut() + 'static) -> Box<dyn Case> {
    Box::new(Pure(work))
}

fn session_message() -> Vec<u8> {
    let header = SessionMessageHeader { leadership_term_id: 3, cluster_session_id: 7, timestamp: 9 };
    [header.encode().as_slice(), &[5; LENGTH]].concat()
}

pub fn decode_session_message(_: &Rc<Stage>) -> Box<dyn Case> {
    let message = session_message();
    pure(move || match LogEvent::decode(black_box(&message)) {
        Ok(LogEvent::SessionMessage { header, payload }) => {
            black_box((header.cluster_session_id, header.timestamp, payload));
        }
        other => panic!("{other:?}"),
    })
}

pub fn decode_egress_message(_: &Rc<Stage>) -> Box<dyn Case> {
    let message = session_message();
    pure(move || match EgressEvent::decode(black_box(&message)) {
        Ok(EgressEvent::SessionMessage { header, payload }) => {
            black_box((header.cluster_session_id, header.timestamp, payload));
        }
        other => panic!("{other:?}"),
    })
}

pub fn decode_timer_event(_: &Rc<Stage>) -> Box<dyn Case> {
    let message = TimerEvent { leadership_term_id: 3, correlation_id: 42, timestamp: 9 }.encode();
    pure(move || match LogEvent::decode(black_box(&message)) {
        Ok(LogEvent::Timer(event)) => {
            black_box(event);
        }
        other => panic!("{other:?}"),
    })
}

pub fn decode_control_event(_: &Rc<Stage>) -> Box<dyn Case> {
    let message = RequestServiceAck { log_position: 4096 }.encode();
    pure(move || match ControlEvent::decode(black_box(&message)) {
        Ok(ControlEvent::RequestServiceAck(event)) => {
            black_box(event);
        }
        other => panic!("{other:?}"),
    })
}

pub fn encode_session_header(_: &Rc<Stage>) -> Box<dyn Case> {
    let header = SessionMessageHeader { leadership_term_id: 3, cluster_session_id: 7, timestamp: 9 };
    pure(move || {
        black_box(black_box(header).encode());
    })
}

pub fn encode_service_ack(_: &Rc<Stage>) -> Box<dyn Case> {
    let ack = ServiceAck { log_position: 4096, timestamp: 9, ack_id: 1, relevant_id: -1, service_id: 0 };
    pure(move || {
        black_box(black_box(ack).encode());
    })
}

pub fn encode_schedule_timer(_: &Rc<Stage>) -> Box<dyn Case> {
    let timer = ScheduleTimer { correlation_id: 42, deadline: 9 };
    pure(move || {
        black_box(black_box(timer).encode());
    })
}

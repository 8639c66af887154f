//! Constants whose type the headers' macros do not tell.

/// No value, where an id, a position or a correlation id stands. Mirrors `AERON_NULL_VALUE`.
pub const AERON_NULL_VALUE: i64 = -1;

/// What an offer returns when nobody subscribes. Mirrors `AERON_PUBLICATION_NOT_CONNECTED`.
pub const AERON_PUBLICATION_NOT_CONNECTED: i64 = -1;

/// What an offer returns when subscribers are behind by a window. Mirrors `AERON_PUBLICATION_BACK_PRESSURED`.
pub const AERON_PUBLICATION_BACK_PRESSURED: i64 = -2;

/// What an offer returns when the log rotates or the like: try again. Mirrors `AERON_PUBLICATION_ADMIN_ACTION`.
pub const AERON_PUBLICATION_ADMIN_ACTION: i64 = -3;

/// What an offer returns on a closed publication. Mirrors `AERON_PUBLICATION_CLOSED`.
pub const AERON_PUBLICATION_CLOSED: i64 = -4;

/// What an offer returns when the log is at its end for ever. Mirrors `AERON_PUBLICATION_MAX_POSITION_EXCEEDED`.
pub const AERON_PUBLICATION_MAX_POSITION_EXCEEDED: i64 = -5;

/// What an offer returns when `aeron_errcode` tells what is wrong. Mirrors `AERON_PUBLICATION_ERROR`.
pub const AERON_PUBLICATION_ERROR: i64 = -6;

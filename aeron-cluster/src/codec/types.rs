//! The enumerations of the schema, and the integers with a meaning.

use std::fmt;

use zerocopy::little_endian::I32;

use super::field::Field;

/// Declares an enumeration of the schema: its values, and a variant for the codes of later versions.
macro_rules! wire_enum {
    (
        $(#[$meta:meta])*
        $name:ident {
            $( $(#[$variant_meta:meta])* $variant:ident = $code:literal as $schema_name:literal, )+
        }
        absent: $absent:expr
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$variant_meta])* $variant, )+
            /// A code that this version does not know.
            Unknown(i32),
        }

        impl $name {
            /// The value of a code on the wire.
            pub const fn from_code(code: i32) -> Self {
                match code {
                    $( $code => Self::$variant, )+
                    other => Self::Unknown(other),
                }
            }

            /// The code on the wire.
            pub const fn code(self) -> i32 {
                match self {
                    $( Self::$variant => $code, )+
                    Self::Unknown(code) => code,
                }
            }

            #[cfg(test)]
            pub(super) const SCHEMA_VALUES: &'static [(&'static str, i32)] = &[ $( ($schema_name, $code), )+ ];
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $( Self::$variant => f.write_str($schema_name), )+
                    Self::Unknown(code) => write!(f, "UNKNOWN({code})"),
                }
            }
        }

        impl Field for $name {
            type Wire = I32;
            const ABSENT: I32 = I32::new(i32::MIN);
            #[cfg(test)]
            const SCHEMA_TYPE: &'static str = stringify!($name);

            fn read(wire: I32) -> Result<Self, i32> {
                const ABSENT: Option<$name> = $absent;
                match (wire == Self::ABSENT, ABSENT) {
                    (true, Some(default)) => Ok(default),
                    _ => Ok(Self::from_code(wire.get())),
                }
            }

            fn write(self) -> I32 {
                I32::new(self.code())
            }

            #[cfg(test)]
            fn sample(sampler: &mut super::round_trip_test::Sampler<'_>) -> Self {
                Self::from_code(sampler.number().rem_euclid(8) as i32)
            }
        }
    };
}

wire_enum! {
    /// What an event about a session means for the client.
    EventCode {
        /// The session is open.
        Ok = 0 as "OK",
        /// The request failed: the detail says why.
        Error = 1 as "ERROR",
        /// Another member is the leader: the detail lists the ingress endpoints.
        Redirect = 2 as "REDIRECT",
        /// The credentials were refused.
        AuthenticationRejected = 3 as "AUTHENTICATION_REJECTED",
        /// The session is closed.
        Closed = 4 as "CLOSED",
    }
    absent: None
}

wire_enum! {
    /// Why a session was closed.
    CloseReason {
        /// The client closed it.
        ClientAction = 0 as "CLIENT_ACTION",
        /// The service closed it.
        ServiceAction = 1 as "SERVICE_ACTION",
        /// Nothing was heard from the client for too long.
        Timeout = 2 as "TIMEOUT",
    }
    absent: None
}

wire_enum! {
    /// What the consensus module asks of every member at a position of the log.
    ClusterAction {
        /// Ingress is suspended.
        Suspend = 0 as "SUSPEND",
        /// Ingress is taken again.
        Resume = 1 as "RESUME",
        /// A snapshot is to be taken.
        Snapshot = 2 as "SNAPSHOT",
    }
    absent: None
}

wire_enum! {
    /// Which part of a snapshot a marker marks.
    SnapshotMark {
        /// Its begin.
        Begin = 0 as "BEGIN",
        /// A section of it.
        Section = 1 as "SECTION",
        /// Its end.
        End = 2 as "END",
    }
    absent: None
}

wire_enum! {
    /// Which way a member changed the cluster's membership (dynamic membership is gone since Aeron 1.42).
    ChangeType {
        /// It joined.
        Join = 0 as "JOIN",
        /// It left.
        Quit = 1 as "QUIT",
    }
    absent: None
}

wire_enum! {
    /// The unit of every timestamp of a cluster. Where a message lacks it, it is milliseconds, as in Java's `ClusterClock.map`.
    ClusterTimeUnit {
        /// Milliseconds.
        Millis = 0 as "MILLIS",
        /// Microseconds.
        Micros = 1 as "MICROS",
        /// Nanoseconds.
        Nanos = 2 as "NANOS",
    }
    absent: Some(ClusterTimeUnit::Millis)
}

wire_enum! {
    /// What a client asks of the cluster's administration.
    AdminRequestType {
        /// A snapshot.
        Snapshot = 0 as "SNAPSHOT",
    }
    absent: None
}

wire_enum! {
    /// What became of an administrative request.
    AdminResponseCode {
        /// It was accepted.
        Ok = 0 as "OK",
        /// It failed: the message says why.
        Error = 1 as "ERROR",
        /// The session may not ask this.
        UnauthorisedAccess = 2 as "UNAUTHORISED_ACCESS",
    }
    absent: None
}

/// The role of a member, as in Java's `Cluster.Role`. A service sees [`Role::Follower`] and [`Role::Leader`] only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// It follows the leader's log.
    Follower,
    /// It stands for election.
    Candidate,
    /// It leads.
    Leader,
}

impl Role {
    /// The role of a code in a message or in the role counter; `None` for a code that no role has.
    pub const fn from_code(code: i64) -> Option<Self> {
        match code {
            0 => Some(Self::Follower),
            1 => Some(Self::Candidate),
            2 => Some(Self::Leader),
            _ => None,
        }
    }

    /// The code in messages and in the role counter.
    pub const fn code(self) -> i32 {
        match self {
            Self::Follower => 0,
            Self::Candidate => 1,
            Self::Leader => 2,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Follower => "FOLLOWER",
            Self::Candidate => "CANDIDATE",
            Self::Leader => "LEADER",
        })
    }
}

impl Field for Role {
    type Wire = I32;
    const ABSENT: I32 = I32::new(i32::MIN);
    #[cfg(test)]
    const SCHEMA_TYPE: &'static str = "int32";

    fn read(wire: I32) -> Result<Self, i32> {
        Self::from_code(i64::from(wire.get())).ok_or(wire.get())
    }

    fn write(self) -> I32 {
        I32::new(self.code())
    }

    #[cfg(test)]
    fn sample(sampler: &mut super::round_trip_test::Sampler<'_>) -> Self {
        [Self::Follower, Self::Candidate, Self::Leader][sampler.number().rem_euclid(3) as usize]
    }
}

/// The flags of a [`ClusterAction`]. A sender before schema version 11 has none: that is [`ActionFlags::DEFAULT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ActionFlags(pub i32);

impl ActionFlags {
    /// Every service takes the action. Java's `ConsensusModule.CLUSTER_ACTION_FLAGS_DEFAULT`.
    pub const DEFAULT: Self = Self(0);
    /// The snapshot is for standby nodes. Java's `ConsensusModule.CLUSTER_ACTION_FLAGS_STANDBY_SNAPSHOT`.
    pub const STANDBY_SNAPSHOT: Self = Self(1);
}

impl Field for ActionFlags {
    type Wire = I32;
    const ABSENT: I32 = I32::new(i32::MIN);
    #[cfg(test)]
    const SCHEMA_TYPE: &'static str = "int32";

    fn read(wire: I32) -> Result<Self, i32> {
        Ok(if wire == Self::ABSENT { Self::DEFAULT } else { Self(wire.get()) })
    }

    fn write(self) -> I32 {
        I32::new(self.0)
    }

    #[cfg(test)]
    fn sample(sampler: &mut super::round_trip_test::Sampler<'_>) -> Self {
        Self((sampler.number() as i32).saturating_abs())
    }
}

/// A semantic version in one integer, as Agrona's `SemanticVersion`: major in bits 16–23, minor in 8–15, patch in 0–7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SemanticVersion(i32);

impl SemanticVersion {
    /// A version of its three parts.
    pub const fn new(major: u8, minor: u8, patch: u8) -> Self {
        Self((major as i32) << 16 | (minor as i32) << 8 | patch as i32)
    }

    /// The version in an integer of the wire or of a mark file; 0 means that there is none.
    pub const fn from_code(code: i32) -> Option<Self> {
        if code == 0 { None } else { Some(Self(code)) }
    }

    /// The integer.
    pub const fn code(self) -> i32 {
        self.0
    }

    /// The first part: peers that differ in it do not understand each other.
    pub const fn major(self) -> u8 {
        (self.0 >> 16) as u8
    }

    /// The second part.
    pub const fn minor(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// The third part.
    pub const fn patch(self) -> u8 {
        self.0 as u8
    }
}

impl fmt::Display for SemanticVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major(), self.minor(), self.patch())
    }
}

impl Field for Option<SemanticVersion> {
    type Wire = I32;
    const ABSENT: I32 = I32::new(0);
    #[cfg(test)]
    const SCHEMA_TYPE: &'static str = "version_t";

    fn read(wire: I32) -> Result<Self, i32> {
        Ok(SemanticVersion::from_code(wire.get()))
    }

    fn write(self) -> I32 {
        self.map_or(Self::ABSENT, |version| I32::new(version.code()))
    }

    #[cfg(test)]
    fn sample(sampler: &mut super::round_trip_test::Sampler<'_>) -> Self {
        SemanticVersion::from_code(sampler.number() as i32 & 0x00FF_FFFF)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semantic_versions_compose_as_in_agrona() {
        let version = SemanticVersion::new(0, 3, 0);
        assert_eq!(version.code(), 768);
        assert_eq!((version.major(), version.minor(), version.patch()), (0, 3, 0));
        assert_eq!(SemanticVersion::new(255, 254, 253).to_string(), "255.254.253");
        assert_eq!(SemanticVersion::from_code(0), None);
    }

    #[test]
    fn unknown_codes_are_kept() {
        assert_eq!(EventCode::from_code(77), EventCode::Unknown(77));
        assert_eq!(EventCode::Unknown(77).code(), 77);
        assert_eq!(EventCode::Unknown(77).to_string(), "UNKNOWN(77)");
        assert_eq!(Role::from_code(3), None);
        assert_eq!(Role::from_code(-1), None);
    }
}

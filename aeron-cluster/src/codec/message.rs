//! What the declaration of a message becomes: a struct of plain values, its layout on the wire, and the way between the two.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::CodecError;
use super::header::Frame;

/// Since which schema version a field exists, and where it stands in the fixed part.
pub(crate) type FieldPosition = (u16, usize);

/// The schema version that added the youngest field.
pub(crate) const fn youngest(fields: &[FieldPosition]) -> u16 {
    let mut version = 0;
    let mut i = 0;
    while i < fields.len() {
        if fields[i].0 > version {
            version = fields[i].0;
        }
        i += 1;
    }
    version
}

/// Bytes of the fixed part at a version: fields that came later stand at the end, so it ends where the first of them begins.
fn length_at(version: u16, fields: &[FieldPosition], full: usize) -> usize {
    fields.iter().find(|(since, _)| *since > version).map_or(full, |(_, offset)| *offset)
}

/// The fixed part of a usual message: one whose sender had all of our fields. It is read where it stands, not copied.
///
/// Frames go by value and what is unusual is not inlined, so that the usual message is read from registers.
#[inline]
pub(crate) fn usual_block<W>(frame: Frame<'_>, youngest: u16) -> Option<&W>
where
    W: FromBytes + KnownLayout + Immutable + Unaligned,
{
    let block_length = usize::from(frame.header().block_length);
    let body = frame.body();
    if frame.header().version < youngest || block_length < size_of::<W>() || body.len() < block_length {
        return None;
    }
    W::ref_from_prefix(body).ok().map(|(wire, _)| wire)
}

/// The fixed part of any other message, or why it is none. `absent` has the null value in every field, for those that the
/// sender did not have.
#[cold]
#[inline(never)]
pub(crate) fn older_block<W>(frame: Frame<'_>, fields: &[FieldPosition], absent: &W) -> Result<W, CodecError>
where
    W: FromBytes + IntoBytes + KnownLayout + Immutable + Unaligned + Copy,
{
    let header = frame.header();
    let block_length = usize::from(header.block_length);
    let needed = length_at(header.version, fields, size_of::<W>());
    if block_length < needed {
        return Err(CodecError::ShortBlock { template_id: header.template_id, needed, actual: block_length });
    }
    let short =
        CodecError::ShortFrame { needed: frame.length() - frame.body().len() + block_length, actual: frame.length() };
    let block = frame.body().get(..block_length).ok_or(short)?;
    let mut wire = *absent;
    wire.as_mut_bytes()[..needed].copy_from_slice(&block[..needed]);
    Ok(wire)
}

/// 0, or the version named.
macro_rules! since {
    () => {
        0u16
    };
    ($version:literal) => {
        $version
    };
}

/// Declares a message: `Name = template id { field: type [since version], … }`, and for one with variable data
/// `Name<'a> = template id { … } var { field: type [since version], … }`.
macro_rules! message {
    (
        $(#[$meta:meta])*
        $name:ident = $id:literal {
            $( $(#[$field_meta:meta])* $field:ident: $type:ty $([since $since:literal])?, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: $type, )+
        }

        const _: () = {
            $crate::codec::message::layout!($name = $id { $( $field: $type $([since $since])?, )+ });

            #[derive(zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::Unaligned)]
            #[repr(C)]
            struct Framed {
                header: $crate::codec::header::WireHeader,
                block: Wire,
            }

            impl $name {
                /// The message's template id in the schema.
                pub const TEMPLATE_ID: u16 = $id;
                /// Bytes of the message on the wire, header included.
                pub const ENCODED_LENGTH: usize = size_of::<Framed>();

                #[inline]
                pub(in $crate::codec) fn read(
                    frame: $crate::codec::Frame<'_>,
                ) -> Result<Self, $crate::codec::CodecError> {
                    match $crate::codec::message::usual_block(frame, YOUNGEST) {
                        Some(wire) => Self::from_wire(wire),
                        None => Self::from_wire(&older_wire(frame)?),
                    }
                }

                #[inline]
                fn from_wire(wire: &Wire) -> Result<Self, $crate::codec::CodecError> {
                    Ok(Self { $( $field: value(wire.$field, stringify!($field))?, )+ })
                }

                /// The message on the wire, header included.
                #[inline]
                pub fn encode(&self) -> [u8; Self::ENCODED_LENGTH] {
                    let block = Wire { $( $field: $crate::codec::field::Field::write(self.$field), )+ };
                    zerocopy::transmute!(Framed { header: HEADER, block })
                }

                /// Writes the message, header included, to the start of `buffer`; an error if it is too short.
                #[inline]
                pub fn write_to(&self, buffer: &mut [u8]) -> Result<(), $crate::codec::CodecError> {
                    let actual = buffer.len();
                    let needed = Self::ENCODED_LENGTH;
                    let target = buffer
                        .first_chunk_mut()
                        .ok_or($crate::codec::CodecError::BufferTooShort { needed, actual })?;
                    *target = self.encode();
                    Ok(())
                }
            }

            #[cfg(test)]
            impl<'a> $crate::codec::round_trip_test::Sample<'a> for $name {
                fn sample(sampler: &mut $crate::codec::round_trip_test::Sampler<'a>) -> Self {
                    Self { $( $field: $crate::codec::field::Field::sample(sampler), )+ }
                }

                fn encoded(&self) -> Vec<u8> {
                    self.encode().to_vec()
                }

                fn decoded(frame: &$crate::codec::Frame<'a>) -> Result<Self, $crate::codec::CodecError> {
                    Self::read(*frame)
                }
            }

            #[cfg(test)]
            impl $crate::codec::schema_test::Described for $name {
                fn description() -> $crate::codec::schema_test::Description {
                    describe(Vec::new())
                }
            }
        };
    };

    (
        $(#[$meta:meta])*
        $name:ident<$lifetime:lifetime> = $id:literal {
            $( $(#[$field_meta:meta])* $field:ident: $type:ty $([since $since:literal])?, )+
        }
        var {
            $( $(#[$var_meta:meta])* $var:ident: $var_type:ty $([since $var_since:literal])?, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name<$lifetime> {
            $( $(#[$field_meta])* pub $field: $type, )+
            $( $(#[$var_meta])* pub $var: $var_type, )+
        }

        const _: () = {
            $crate::codec::message::layout!($name = $id { $( $field: $type $([since $since])?, )+ });

            impl<$lifetime> $name<$lifetime> {
                /// The message's template id in the schema.
                pub const TEMPLATE_ID: u16 = $id;

                pub(in $crate::codec) fn read(
                    frame: $crate::codec::Frame<$lifetime>,
                ) -> Result<Self, $crate::codec::CodecError> {
                    let older;
                    let wire = match $crate::codec::message::usual_block(frame, YOUNGEST) {
                        Some(wire) => wire,
                        None => {
                            older = older_wire(frame)?;
                            &older
                        }
                    };
                    let mut var_data = $crate::codec::var_data::VarReader::new(frame);
                    Ok(Self {
                        $( $field: value(wire.$field, stringify!($field))?, )+
                        $( $var: var_data.next(stringify!($var), $crate::codec::message::since!($($var_since)?))?, )+
                    })
                }

                /// Bytes of the message on the wire, header included.
                pub fn encoded_length(&self) -> usize {
                    $crate::codec::MessageHeader::ENCODED_LENGTH
                        + size_of::<Wire>()
                        $( + $crate::codec::var_data::encoded_length(self.$var) )+
                }

                /// Puts the message on the wire, header included, in place of what `out` held, and returns it. It allocates
                /// only where `out` is too small.
                pub fn encode<'o>(&self, out: &'o mut Vec<u8>) -> &'o [u8] {
                    use zerocopy::IntoBytes as _;
                    let block = Wire { $( $field: $crate::codec::field::Field::write(self.$field), )+ };
                    out.clear();
                    out.reserve(self.encoded_length());
                    out.extend_from_slice(HEADER.as_bytes());
                    out.extend_from_slice(block.as_bytes());
                    $( $crate::codec::var_data::append(self.$var, out); )+
                    out
                }
            }

            #[cfg(test)]
            impl<$lifetime> $crate::codec::round_trip_test::Sample<$lifetime> for $name<$lifetime> {
                fn sample(sampler: &mut $crate::codec::round_trip_test::Sampler<$lifetime>) -> Self {
                    Self {
                        $( $field: $crate::codec::field::Field::sample(sampler), )+
                        $( $var: $crate::codec::var_data::VarData::sample(sampler), )+
                    }
                }

                fn encoded(&self) -> Vec<u8> {
                    let mut out = Vec::new();
                    assert_eq!(self.encode(&mut out).len(), self.encoded_length());
                    out
                }

                fn decoded(frame: &$crate::codec::Frame<$lifetime>) -> Result<Self, $crate::codec::CodecError> {
                    Self::read(*frame)
                }
            }

            #[cfg(test)]
            impl<$lifetime> $crate::codec::schema_test::Described for $name<$lifetime> {
                fn description() -> $crate::codec::schema_test::Description {
                    describe(vec![ $( $crate::codec::schema_test::VarDescription {
                        name: stringify!($var),
                        schema_type: <$var_type as $crate::codec::var_data::VarData<'_>>::SCHEMA_TYPE,
                        since: $crate::codec::message::since!($($var_since)?),
                    }, )+ ])
                }
            }
        };
    };
}

/// The layout of a message's fixed part and what reads it; the common half of the two forms of [`message!`].
macro_rules! layout {
    ( $name:ident = $id:literal { $( $field:ident: $type:ty $([since $since:literal])?, )+ } ) => {
        #[derive(
            zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::KnownLayout, zerocopy::Immutable, zerocopy::Unaligned,
            Clone, Copy,
        )]
        #[repr(C)]
        struct Wire {
            $( $field: <$type as $crate::codec::field::Field>::Wire, )+
        }

        const FIELDS: &[$crate::codec::message::FieldPosition] =
            &[ $( ($crate::codec::message::since!($($since)?), std::mem::offset_of!(Wire, $field)), )+ ];
        const ABSENT: Wire = Wire { $( $field: <$type as $crate::codec::field::Field>::ABSENT, )+ };
        const YOUNGEST: u16 = $crate::codec::message::youngest(FIELDS);
        const HEADER: $crate::codec::header::WireHeader =
            $crate::codec::header::WireHeader::ours($id, size_of::<Wire>());

        fn older_wire(frame: $crate::codec::Frame<'_>) -> Result<Wire, $crate::codec::CodecError> {
            $crate::codec::message::older_block(frame, FIELDS, &ABSENT)
        }

        #[inline]
        fn value<T: $crate::codec::field::Field>(
            wire: T::Wire,
            field: &'static str,
        ) -> Result<T, $crate::codec::CodecError> {
            T::read(wire).map_err(|value| $crate::codec::CodecError::InvalidValue { template_id: $id, field, value })
        }

        #[cfg(test)]
        fn describe(
            var_data: Vec<$crate::codec::schema_test::VarDescription>,
        ) -> $crate::codec::schema_test::Description {
            use zerocopy::IntoBytes as _;
            $crate::codec::schema_test::Description {
                name: stringify!($name),
                template_id: $id,
                block_length: size_of::<Wire>(),
                fields: vec![ $( $crate::codec::schema_test::FieldDescription {
                    name: stringify!($field),
                    schema_type: <$type as $crate::codec::field::Field>::SCHEMA_TYPE,
                    since: $crate::codec::message::since!($($since)?),
                    offset: std::mem::offset_of!(Wire, $field),
                    absent: ABSENT.$field.as_bytes().to_vec(),
                }, )+ ],
                var_data,
            }
        }
    };
}

pub(crate) use {layout, message, since};

//! Writes the C codecs that Aeron's archive client includes, from the schema of the archive's control protocol.
//!
//! Upstream makes them with the Java SBE tool. Only the names that C code can call are made here; what they put on
//! the wire is the same (`tests/archive_codecs.rs` compares). They differ where a buffer is too short: a setter then
//! writes nothing and a getter returns the null value, where the official ones reach past the end.

use std::fs;
use std::path::Path;

use crate::schema::{Enum, Field, Message, Schema};

/// The C namespace that the archive client's sources expect.
const PREFIX: &str = "aeron_archive_client";

const ENUM: &str = "
enum @P@_@NAME@
{
@VALUES@    @P@_@NAME@_NULL_VALUE = INT32_MIN
};

static inline bool @P@_@NAME@_get(int32_t value, enum @P@_@NAME@ *out)
{
    switch (value)
    {
@CASES@        case INT32_MIN:
            *out = (enum @P@_@NAME@)value;
            return true;
        default:
            errno = AERON_SYS_SBE_UNKNOWN_ENUM;
            return false;
    }
}
";

const HEADER: &str = "
struct @P@_messageHeader
{
    struct aeron_sys_sbe sbe;
};

static inline uint64_t @P@_messageHeader_encoded_length(void) { return @LENGTH@; }
static inline uint16_t @P@_messageHeader_sbe_schema_id(void) { return @SCHEMA_ID@; }
static inline uint16_t @P@_messageHeader_sbe_schema_version(void) { return @SCHEMA_VERSION@; }

static inline struct @P@_messageHeader *@P@_messageHeader_wrap(
    struct @P@_messageHeader *codec, char *buffer, uint64_t offset, uint64_t acting_version, uint64_t buffer_length)
{
    return aeron_sys_sbe_wrap(&codec->sbe, buffer, offset, @LENGTH@, acting_version, buffer_length) ? codec : NULL;
}
";

const MESSAGE: &str = "
#define @TEMPLATE_MACRO@ ((uint16_t)@ID@)

struct @P@_@NAME@
{
    struct aeron_sys_sbe sbe;
};

struct @P@_@NAME@_string_view
{
    const char *data;
    size_t length;
};

static inline uint16_t @P@_@NAME@_sbe_block_length(void) { return @BLOCK_LENGTH@; }
static inline uint16_t @P@_@NAME@_sbe_template_id(void) { return @ID@; }
static inline uint16_t @P@_@NAME@_sbe_schema_id(void) { return @SCHEMA_ID@; }
static inline uint16_t @P@_@NAME@_sbe_schema_version(void) { return @SCHEMA_VERSION@; }

static inline struct @P@_@NAME@ *@P@_@NAME@_wrap_for_decode(
    struct @P@_@NAME@ *codec,
    char *buffer,
    uint64_t offset,
    uint64_t acting_block_length,
    uint64_t acting_version,
    uint64_t buffer_length)
{
    return aeron_sys_sbe_wrap(&codec->sbe, buffer, offset, acting_block_length, acting_version, buffer_length) ?
        codec : NULL;
}

static inline struct @P@_@NAME@ *@P@_@NAME@_wrap_for_encode(
    struct @P@_@NAME@ *codec, char *buffer, uint64_t offset, uint64_t buffer_length)
{
    return @P@_@NAME@_wrap_for_decode(
        codec, buffer, offset, @BLOCK_LENGTH@, @SCHEMA_VERSION@, buffer_length);
}

static inline struct @P@_@NAME@ *@P@_@NAME@_wrap_and_apply_header(
    struct @P@_@NAME@ *codec,
    char *buffer,
    uint64_t offset,
    uint64_t buffer_length,
    struct @P@_messageHeader *header)
{
    @P@_messageHeader_wrap(header, buffer, offset, @SCHEMA_VERSION@, buffer_length);
    @P@_messageHeader_set_blockLength(header, @BLOCK_LENGTH@);
    @P@_messageHeader_set_templateId(header, @ID@);
    @P@_messageHeader_set_schemaId(header, @SCHEMA_ID@);
    @P@_messageHeader_set_version(header, @SCHEMA_VERSION@);
    return @P@_@NAME@_wrap_for_encode(
        codec, buffer, offset + @P@_messageHeader_encoded_length(), buffer_length);
}

static inline uint64_t @P@_@NAME@_encoded_length(const struct @P@_@NAME@ *codec)
{
    return codec->sbe.position - codec->sbe.offset;
}
";

const NUMBER: &str = "
static inline @TYPE@ @P@_@NAME@_@FIELD@(const struct @P@_@NAME@ *codec)
{
    uint64_t raw;
    return aeron_sys_sbe_get(&codec->sbe, @OFFSET@, @SIZE@, @SINCE@, &raw) ? (@TYPE@)raw : @NULL@;
}

static inline struct @P@_@NAME@ *@P@_@NAME@_set_@FIELD@(struct @P@_@NAME@ *codec, @TYPE@ value)
{
    return aeron_sys_sbe_set(&codec->sbe, @OFFSET@, @SIZE@, (uint64_t)value) ? codec : NULL;
}
";

const ENUM_FIELD: &str = "
static inline bool @P@_@NAME@_@FIELD@(const struct @P@_@NAME@ *codec, enum @P@_@ENUM@ *out)
{
    uint64_t raw;
    return @P@_@ENUM@_get(
        aeron_sys_sbe_get(&codec->sbe, @OFFSET@, @SIZE@, @SINCE@, &raw) ? (@TYPE@)raw : @NULL@, out);
}

static inline struct @P@_@NAME@ *@P@_@NAME@_set_@FIELD@(struct @P@_@NAME@ *codec, enum @P@_@ENUM@ value)
{
    return aeron_sys_sbe_set(&codec->sbe, @OFFSET@, @SIZE@, (uint64_t)(@TYPE@)value) ? codec : NULL;
}
";

const DATA: &str = "
static inline uint32_t @P@_@NAME@_@FIELD@_length(const struct @P@_@NAME@ *codec)
{
    return aeron_sys_sbe_data_length(&codec->sbe, @SINCE@);
}

static inline struct @P@_@NAME@_string_view @P@_@NAME@_get_@FIELD@_as_string_view(struct @P@_@NAME@ *codec)
{
    struct @P@_@NAME@_string_view view;
    view.data = aeron_sys_sbe_take_data(&codec->sbe, @SINCE@, &view.length);
    return view;
}

static inline uint64_t @P@_@NAME@_get_@FIELD@(struct @P@_@NAME@ *codec, char *dst, uint64_t length)
{
    const struct @P@_@NAME@_string_view view = @P@_@NAME@_get_@FIELD@_as_string_view(codec);
    const uint64_t copied = length < view.length ? length : view.length;
    if (0 < copied)
    {
        memcpy(dst, view.data, copied);
    }
    return copied;
}

static inline struct @P@_@NAME@ *@P@_@NAME@_put_@FIELD@(struct @P@_@NAME@ *codec, const char *src, uint32_t length)
{
    return aeron_sys_sbe_put_data(&codec->sbe, src, length) ? codec : NULL;
}
";

/// Writes one header for each message and enumeration into `dir`, beside `messageHeader.h`, which they share.
pub fn write(schema: &Schema, dir: &Path) -> Result<(), String> {
    let put = |name: &str, body: &str| {
        let path = dir.join(format!("{name}.h"));
        let guard = format!("{PREFIX}_{name}_H").to_uppercase();
        let text = format!("#ifndef {guard}\n#define {guard}\n{body}\n#endif\n");
        fs::write(&path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
    };
    fs::create_dir_all(dir).map_err(|e| format!("cannot create {}: {e}", dir.display()))?;
    let mut includes = include("sbe");
    for declared in &schema.enums {
        put(&c_name(&declared.name), &(include("sbe") + &enumeration(declared)))?;
        includes += &include(&c_name(&declared.name));
    }
    put("messageHeader", &(includes + &header(schema)))?;
    for message in &schema.messages {
        put(&c_name(&message.name), &(include("messageHeader") + &message_codec(schema, message)))?;
    }
    Ok(())
}

fn include(name: &str) -> String {
    format!("#include \"{name}.h\"\n")
}

fn header(schema: &Schema) -> String {
    let length: usize = schema.header.iter().map(|field| field.primitive.size).sum();
    let mut text = fill(HEADER, &[("LENGTH", &length), ("SCHEMA_ID", &schema.id), ("SCHEMA_VERSION", &schema.version)]);
    text.extend(schema.header.iter().map(|field| field_codec("messageHeader", field)));
    text
}

fn enumeration(declared: &Enum) -> String {
    let name = c_name(&declared.name);
    let values: String =
        declared.values.iter().map(|(value, number)| format!("    {PREFIX}_{name}_{value} = {number},\n")).collect();
    let cases: String = declared.values.iter().map(|(_, number)| format!("        case {number}:\n")).collect();
    fill(ENUM, &[("NAME", &name), ("VALUES", &values), ("CASES", &cases)])
}

fn message_codec(schema: &Schema, message: &Message) -> String {
    let name = c_name(&message.name);
    let template_macro = format!("{PREFIX}_{}_SBE_TEMPLATE_ID", snake(&message.name)).to_uppercase();
    let mut text = fill(
        MESSAGE,
        &[
            ("NAME", &name),
            ("TEMPLATE_MACRO", &template_macro),
            ("ID", &message.id),
            ("BLOCK_LENGTH", &message.block_length),
            ("SCHEMA_ID", &schema.id),
            ("SCHEMA_VERSION", &schema.version),
        ],
    );
    text.extend(message.fields.iter().map(|field| field_codec(&name, field)));
    text.extend(
        message.data.iter().map(|data| fill(DATA, &[("NAME", &name), ("FIELD", &data.name), ("SINCE", &data.since)])),
    );
    text
}

fn field_codec(owner: &str, field: &Field) -> String {
    let declared = field.enumeration.as_deref().map(c_name).unwrap_or_default();
    let template = if field.enumeration.is_some() { ENUM_FIELD } else { NUMBER };
    fill(
        template,
        &[
            ("NAME", &owner),
            ("FIELD", &field.name),
            ("ENUM", &declared),
            ("TYPE", &field.primitive.c_type()),
            ("OFFSET", &field.offset),
            ("SIZE", &field.primitive.size),
            ("SINCE", &field.since),
            ("NULL", &field.null),
        ],
    )
}

fn fill(template: &str, values: &[(&str, &dyn std::fmt::Display)]) -> String {
    let start = template.replace("@P@", PREFIX);
    values.iter().fold(start, |text, (name, value)| text.replace(&format!("@{name}@"), &value.to_string()))
}

/// `ControlResponse` → `controlResponse`.
fn c_name(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + chars.as_str())
}

/// `ReplicateRequest2` → `Replicate_Request2`.
fn snake(name: &str) -> String {
    let mut text = String::new();
    for (i, c) in name.chars().enumerate() {
        if i > 0 && c.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(c);
    }
    text
}

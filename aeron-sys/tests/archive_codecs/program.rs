//! Writes C programs that use every codec of a schema.

use std::fmt::Write;

use crate::schema::{Enum, Field, Message, Schema};

const PRELUDE: &str = r#"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define P(name) aeron_archive_client_##name

static const char text[] = "the quick brown fox jumps over the lazy dog, and back: 0123456789";

/* A number that tells the fields of a message apart, with both signs and the extremes. */
static uint64_t value(unsigned round, unsigned index, unsigned size)
{
    const uint64_t distinct = UINT64_C(0x1112131415161718) + index * UINT64_C(0x0101010101010101);
    switch (round)
    {
        case 0: return distinct;
        case 1: return ~distinct;
        case 2: return UINT64_C(1) << (8 * size - 1);
        default: return (UINT64_C(1) << (8 * size - 1)) - 1;
    }
}

static unsigned data_length(unsigned round, unsigned index)
{
    return round == 2 ? 0 : (7 + 13 * index + 5 * round) % sizeof(text);
}

static inline void print_hex(const char *what, const char *bytes, uint64_t length)
{
    printf("%s ", what);
    for (uint64_t i = 0; i < length; i++)
    {
        printf("%02x", (unsigned char)bytes[i]);
    }
    printf("\n");
}
"#;

/// Encodes each message four times, prints the bytes, decodes them and prints the values.
pub fn compare(schema: &Schema) -> String {
    let mut c = includes(schema);
    let mut main = String::new();
    for message in &schema.messages {
        c += &encode(schema, message);
        c += &decode(message, true);
        let _ = writeln!(main, "        show_{}(round);", message.name);
        let _ = write!(
            c,
            "static void show_{name}(unsigned round)\n{{\n    char buffer[2048];\n    memset(buffer, 0x5a, sizeof(buffer));\n    \
             const uint64_t length = 8 + encode_{name}(round, buffer, sizeof(buffer));\n    \
             print_hex(\"{name}\", buffer, length);\n    decode_{name}(buffer, {version}, length);\n    \
             decode_{name}(buffer, 0, length);\n}}\n",
            name = message.name,
            version = schema.version,
        );
    }
    let _ = write!(
        c,
        "int main(void)\n{{\n    for (unsigned round = 0; round < 4; round++)\n    {{\n{main}    }}\n    return 0;\n}}\n"
    );
    c
}

/// Encodes each message into, and decodes it from, a heap block of every length up to the whole.
pub fn truncate(schema: &Schema) -> String {
    let mut c = includes(schema);
    let mut main = String::new();
    for message in &schema.messages {
        c += &encode(schema, message);
        c += &decode(message, false);
        let _ = writeln!(main, "    TRUNCATE({}, {});", message.name, schema.version);
    }
    c + r#"
#define TRUNCATE(name, version) \
    do \
    { \
        char whole[2048]; \
        const uint64_t length = 8 + encode_##name(0, whole, sizeof(whole)); \
        for (uint64_t n = 0; n <= length; n++) \
        { \
            char *part = malloc(n == 0 ? 1 : n); \
            memcpy(part, whole, n); \
            decode_##name(part, version, n); \
            encode_##name(0, part, n); \
            free(part); \
        } \
        printf("%s\n", #name); \
    } \
    while (0)

int main(void)
{
"# + &main
        + "    return 0;\n}\n"
}

fn includes(schema: &Schema) -> String {
    let mut c = String::new();
    for message in &schema.messages {
        let _ = writeln!(c, "#include \"c/aeron_archive_client/{}.h\"", lower_first(&message.name));
    }
    c + PRELUDE
}

/// A function that encodes a message and returns its length behind the header.
fn encode(schema: &Schema, message: &Message) -> String {
    let (name, codec) = (&message.name, lower_first(&message.name));
    let mut c = format!(
        "static uint64_t encode_{name}(unsigned round, char *buffer, uint64_t capacity)\n{{\n    \
         struct P({codec}) codec;\n    struct P(messageHeader) header;\n    \
         P({codec}_wrap_and_apply_header)(&codec, buffer, 0, capacity, &header);\n"
    );
    for (index, field) in message.fields.iter().enumerate() {
        let size = field.primitive.size;
        let value = match declared(schema, field) {
            Some(declared) => enum_value(declared, index),
            None => format!("({})value(round, {index}, {size})", field.primitive.c_type()),
        };
        let _ = writeln!(c, "    P({codec}_set_{})(&codec, {value});", field.name);
    }
    for (index, data) in message.data.iter().enumerate() {
        let _ = writeln!(c, "    P({codec}_put_{})(&codec, text, data_length(round, {index}));", data.name);
    }
    let _ = write!(c, "    return P({codec}_encoded_length)(&codec);\n}}\n\n");
    c
}

/// Another value of the enumeration each round, the null value among them.
fn enum_value(declared: &Enum, index: usize) -> String {
    let name = lower_first(&declared.name);
    let names: Vec<String> = declared
        .values
        .iter()
        .map(|(value, _)| value.as_str())
        .chain(["NULL_VALUE"])
        .map(|value| format!("P({name}_{value})"))
        .collect();
    format!("((enum P({name})[]){{{}}})[(round + {index}) % {}]", names.join(", "), names.len())
}

/// A function that decodes a message, and prints the values if asked. Data is read with the schema's version only.
fn decode(message: &Message, print: bool) -> String {
    let (name, codec) = (&message.name, lower_first(&message.name));
    let mut c = format!(
        "static void decode_{name}(char *buffer, unsigned version, uint64_t length)\n{{\n    \
         struct P(messageHeader) header;\n    struct P({codec}) codec;\n    \
         P(messageHeader_wrap)(&header, buffer, 0, P(messageHeader_sbe_schema_version)(), length);\n    \
         const unsigned block = P(messageHeader_blockLength)(&header);\n    \
         P({codec}_wrap_for_decode)(&codec, buffer, 8, P({codec}_sbe_block_length)(), version, length);\n"
    );
    if print {
        let _ = write!(
            c,
            "    printf(\"  header %u %u %u %u, schema %u\\n\", block, P(messageHeader_templateId)(&header),\n        \
             P(messageHeader_schemaId)(&header), P(messageHeader_version)(&header),\n        \
             P(messageHeader_sbe_schema_id)());\n"
        );
    } else {
        c += "    (void)block;\n";
    }
    for field in &message.fields {
        c += &decode_field(&codec, field, print);
    }
    if !message.data.is_empty() {
        c += "    if (version == 0)\n    {\n        return;\n    }\n";
    }
    for (index, data) in message.data.iter().enumerate() {
        c += &decode_data(&codec, &data.name, index, print);
    }
    c + "}\n\n"
}

fn decode_field(codec: &str, field: &Field, print: bool) -> String {
    let name = &field.name;
    let show = |value: &str| {
        if print {
            format!("printf(\"  {name} %\" PRId64 \"\\n\", (int64_t){value})")
        } else {
            format!("(void){value}")
        }
    };
    match &field.enumeration {
        Some(declared) => format!(
            "    {{\n        enum P({}) out = 0;\n        const bool known = P({codec}_{name})(&codec, &out);\n        \
             {};\n        {};\n    }}\n",
            lower_first(declared),
            show("known"),
            show("out"),
        ),
        None => format!("    {};\n", show(&format!("P({codec}_{name})(&codec)"))),
    }
}

/// Every other piece of data is copied out, the rest are viewed.
fn decode_data(codec: &str, name: &str, index: usize, print: bool) -> String {
    let show = if print { format!("print_hex(\"  {name}\", bytes, length);") } else { String::new() };
    if index.is_multiple_of(2) {
        return format!(
            "    {{\n        char bytes[sizeof(text)];\n        const uint64_t length = P({codec}_{name}_length)(&codec);\n        \
             const uint64_t copied = P({codec}_get_{name})(&codec, bytes, sizeof(bytes));\n        \
             if (copied != length)\n        {{\n            abort();\n        }}\n        {show}\n    }}\n"
        );
    }
    format!(
        "    {{\n        const struct P({codec}_string_view) view = P({codec}_get_{name}_as_string_view)(&codec);\n        \
         const char *bytes = view.data;\n        const uint64_t length = view.length;\n        (void)bytes, (void)length;\n        \
         {show}\n    }}\n"
    )
}

fn declared<'s>(schema: &'s Schema, field: &Field) -> Option<&'s Enum> {
    schema.enums.iter().find(|declared| Some(&declared.name) == field.enumeration.as_ref())
}

fn lower_first(name: &str) -> String {
    name[..1].to_ascii_lowercase() + &name[1..]
}

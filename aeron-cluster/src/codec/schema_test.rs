//! The layouts against the schema of the pinned Aeron sources.

use std::collections::HashMap;
use std::path::Path;

use roxmltree::{Document, Node};

use super::round_trip_test::any_messages;
use super::*;

/// A message as this module lays it out.
#[derive(Debug)]
pub(crate) struct Description {
    pub(crate) name: &'static str,
    pub(crate) template_id: u16,
    pub(crate) block_length: usize,
    pub(crate) fields: Vec<FieldDescription>,
    pub(crate) var_data: Vec<VarDescription>,
}

/// A field of the fixed part.
#[derive(Debug)]
pub(crate) struct FieldDescription {
    pub(crate) name: &'static str,
    pub(crate) schema_type: &'static str,
    pub(crate) since: u16,
    pub(crate) offset: usize,
    pub(crate) absent: Vec<u8>,
}

/// A piece of variable data.
#[derive(Debug)]
pub(crate) struct VarDescription {
    pub(crate) name: &'static str,
    pub(crate) schema_type: &'static str,
    pub(crate) since: u16,
}

/// A message that knows its layout.
pub(crate) trait Described {
    fn description() -> Description;
}

fn schema_text() -> String {
    let source = aeron_sys::SOURCE_DIR.expect("the tests need a build of aeron-sys from sources, not a system library");
    let path = Path::new(source).join("aeron-cluster/src/main/resources/cluster/aeron-cluster-codecs.xml");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// Size on the wire and null value of a type of the schema.
struct SchemaType {
    size: usize,
    null: i64,
}

fn primitive(name: &str) -> SchemaType {
    match name {
        "int64" => SchemaType { size: 8, null: i64::MIN },
        "int32" => SchemaType { size: 4, null: i64::from(i32::MIN) },
        other => panic!("no message of ours has a {other}"),
    }
}

/// Every named type; for an alias of a primitive that adds nothing (`time_t`), the primitive's name too.
fn schema_types<'a>(schema: &'a Document<'_>) -> HashMap<&'a str, (SchemaType, &'a str)> {
    let mut types = HashMap::new();
    for name in ["int64", "int32"] {
        types.insert(name, (primitive(name), name));
    }
    let declared = schema.descendants().find(|node| node.has_tag_name("types")).expect("types");
    for node in declared.children().filter(Node::is_element) {
        let Some(name) = node.attribute("name") else {
            continue;
        };
        if node.has_tag_name("enum") {
            types.insert(name, (primitive(node.attribute("encodingType").expect("encoding")), name));
        } else if node.has_tag_name("type") {
            let alias = node.attribute("primitiveType").expect("primitive");
            let null = node.attribute("nullValue").map(|null| null.parse().expect("number"));
            let canonical = if null.is_some() { name } else { alias };
            let base = primitive(alias);
            types.insert(name, (SchemaType { null: null.unwrap_or(base.null), ..base }, canonical));
        }
    }
    types
}

fn since(node: &Node<'_, '_>) -> u16 {
    node.attribute("sinceVersion").map_or(0, |version| version.parse().expect("number"))
}

fn camel(snake: &str) -> String {
    let mut words = snake.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
}

#[test]
fn schema_id_version_and_byte_order_are_those_of_the_schema() {
    let text = schema_text();
    let schema = Document::parse(&text).expect("XML");
    let attribute = |name| schema.root_element().attribute(name);
    assert_eq!(attribute("id"), Some(SCHEMA_ID.to_string().as_str()));
    assert_eq!(attribute("version"), Some(SCHEMA_VERSION.to_string().as_str()));
    assert_eq!(attribute("byteOrder"), Some("littleEndian"));
}

#[test]
fn every_layout_is_that_of_the_schema() {
    let text = schema_text();
    let schema = Document::parse(&text).expect("XML");
    let types = schema_types(&schema);
    for message in any_messages() {
        let ours = message.description;
        let id = ours.template_id.to_string();
        let theirs = schema
            .descendants()
            .find(|node| node.tag_name().name() == "message" && node.attribute("id") == Some(&id))
            .unwrap_or_else(|| panic!("no message {id} in the schema"));
        assert!(theirs.attribute("name").is_some_and(|name| name.eq_ignore_ascii_case(ours.name)), "{ours:?}");

        let mut offset = 0;
        let fields: Vec<_> = theirs.children().filter(|node| node.has_tag_name("field")).collect();
        assert_eq!(fields.len(), ours.fields.len(), "{}", ours.name);
        for (our, their) in ours.fields.iter().zip(&fields) {
            let (schema_type, canonical) = &types[their.attribute("type").expect("type")];
            let context = format!("{}.{}", ours.name, our.name);
            assert_eq!(their.attribute("name"), Some(camel(our.name).as_str()), "{context}");
            assert_eq!(our.schema_type, *canonical, "{context}");
            assert_eq!(our.since, since(their), "{context}");
            assert_eq!(our.offset, offset, "{context}");
            assert_eq!(our.absent, schema_type.null.to_le_bytes()[..schema_type.size], "{context}");
            offset += schema_type.size;
        }
        assert_eq!(ours.block_length, offset, "{}", ours.name);

        let var_data: Vec<_> = theirs.children().filter(|node| node.has_tag_name("data")).collect();
        assert_eq!(var_data.len(), ours.var_data.len(), "{}", ours.name);
        for (our, their) in ours.var_data.iter().zip(&var_data) {
            let context = format!("{}.{}", ours.name, our.name);
            assert_eq!(their.attribute("name"), Some(camel(our.name).as_str()), "{context}");
            assert_eq!(their.attribute("type"), Some(our.schema_type), "{context}");
            assert_eq!(our.since, since(their), "{context}");
        }
    }
}

#[test]
fn every_enumeration_is_that_of_the_schema() {
    let text = schema_text();
    let schema = Document::parse(&text).expect("XML");
    let ours: [(&str, &[(&str, i32)]); 9] = [
        ("BooleanType", &[("FALSE", 0), ("TRUE", 1)]),
        ("EventCode", EventCode::SCHEMA_VALUES),
        ("CloseReason", CloseReason::SCHEMA_VALUES),
        ("ClusterAction", ClusterAction::SCHEMA_VALUES),
        ("SnapshotMark", SnapshotMark::SCHEMA_VALUES),
        ("ChangeType", ChangeType::SCHEMA_VALUES),
        ("ClusterTimeUnit", ClusterTimeUnit::SCHEMA_VALUES),
        ("AdminRequestType", AdminRequestType::SCHEMA_VALUES),
        ("AdminResponseCode", AdminResponseCode::SCHEMA_VALUES),
    ];
    let enums: Vec<_> = schema.descendants().filter(|node| node.has_tag_name("enum")).collect();
    assert_eq!(enums.len(), ours.len());
    for (node, (name, values)) in enums.iter().zip(ours) {
        assert_eq!(node.attribute("name"), Some(name));
        let theirs: Vec<_> = node
            .children()
            .filter(Node::is_element)
            .map(|value| {
                let code: i32 = value.text().expect("code").trim().parse().expect("number");
                (value.attribute("name").expect("name"), code)
            })
            .collect();
        assert_eq!(theirs, values, "{name}");
    }
}

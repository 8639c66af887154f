//! Reads an SBE schema: as much of SBE as the archive's control protocol uses, and an error for anything else.
//!
//! The tests read the schema with this file too.

use roxmltree::{Document, Node};

/// A message schema.
pub struct Schema {
    pub id: u16,
    pub version: u16,
    /// The fields of the header in front of every message.
    pub header: Vec<Field>,
    pub enums: Vec<Enum>,
    pub messages: Vec<Message>,
}

/// An enumeration over an `int32`.
pub struct Enum {
    pub name: String,
    pub values: Vec<(String, i32)>,
}

/// A message: a block of fixed fields, then data of variable length.
pub struct Message {
    pub name: String,
    pub id: u16,
    pub block_length: usize,
    pub fields: Vec<Field>,
    pub data: Vec<Data>,
}

/// A field at a fixed place.
pub struct Field {
    pub name: String,
    pub since: u16,
    pub offset: usize,
    pub primitive: Primitive,
    /// The enumeration of which this field holds a value.
    pub enumeration: Option<String>,
    /// What an absent field reads as, as a C expression.
    pub null: String,
}

/// Data of variable length behind a `uint32` length.
pub struct Data {
    pub name: String,
    pub since: u16,
}

/// A number's size and sign.
#[derive(Clone, Copy)]
pub struct Primitive {
    pub size: usize,
    pub signed: bool,
}

impl Primitive {
    fn parse(name: &str) -> Result<Self, String> {
        let (signed, bits) = match name.strip_prefix("uint") {
            Some(bits) => (false, bits),
            None => (true, name.strip_prefix("int").unwrap_or_default()),
        };
        match bits {
            "8" | "16" | "32" | "64" => Ok(Primitive { size: bits.parse::<usize>().map_or(0, |n| n / 8), signed }),
            _ => Err(format!("primitive type {name} is not supported")),
        }
    }

    /// The C type.
    pub fn c_type(self) -> String {
        format!("{}int{}_t", if self.signed { "" } else { "u" }, self.size * 8)
    }

    fn null(self) -> String {
        let bits = self.size * 8;
        if self.signed { format!("INT{bits}_MIN") } else { format!("UINT{bits}_MAX") }
    }
}

impl Schema {
    /// Reads a schema from its XML text.
    pub fn parse(xml: &str) -> Result<Self, String> {
        let document = Document::parse(xml).map_err(|e| format!("not well-formed XML: {e}"))?;
        let root = document.root_element();
        let types: Vec<Node> = root.children().filter(|n| n.has_tag_name("types")).flat_map(|n| n.children()).collect();
        let enums = types.iter().filter(|n| n.has_tag_name("enum")).map(read_enum).collect::<Result<_, _>>()?;
        let header = read_header(&types)?;
        let messages = root
            .children()
            .filter(|n| n.tag_name().name() == "message")
            .map(|n| read_message(n, &types))
            .collect::<Result<_, _>>()?;
        Ok(Schema { id: number(root, "id")?, version: number(root, "version")?, header, enums, messages })
    }
}

fn read_enum(node: &Node) -> Result<Enum, String> {
    let name = text(*node, "name")?;
    if text(*node, "encodingType")? != "int32" {
        return Err(format!("enum {name} is not an int32, which is not supported"));
    }
    let values = node
        .children()
        .filter(|n| n.has_tag_name("validValue"))
        .map(|n| {
            let value = n.text().unwrap_or_default().trim();
            Ok((text(n, "name")?, value.parse().map_err(|_| format!("enum {name} has the value {value:?}"))?))
        })
        .collect::<Result<_, String>>()?;
    Ok(Enum { name, values })
}

fn read_header(types: &[Node]) -> Result<Vec<Field>, String> {
    let composite = find(types, "composite", "messageHeader").ok_or("the schema has no messageHeader")?;
    let mut offset = 0;
    let mut fields = Vec::new();
    for node in composite.children().filter(Node::is_element) {
        let primitive = Primitive::parse(&text(node, "primitiveType")?)?;
        let name = text(node, "name")?;
        fields.push(Field { name, since: 0, offset, primitive, enumeration: None, null: primitive.null() });
        offset += primitive.size;
    }
    Ok(fields)
}

fn read_message(node: Node, types: &[Node]) -> Result<Message, String> {
    let name = text(node, "name")?;
    let mut message = Message { id: number(node, "id")?, block_length: 0, fields: Vec::new(), data: Vec::new(), name };
    for child in node.children().filter(Node::is_element) {
        match child.tag_name().name() {
            "field" => {
                let field = read_field(child, types, message.block_length)?;
                message.block_length = field.offset + field.primitive.size;
                message.fields.push(field);
            }
            "data" => message.data.push(read_data(child, types)?),
            other => {
                return Err(format!("message {} has a <{other}>, which is not supported", message.name));
            }
        }
    }
    if let Some(length) = node.attribute("blockLength") {
        return Err(format!("message {} fixes its block length at {length}, which is not supported", message.name));
    }
    Ok(message)
}

fn read_field(node: Node, types: &[Node], next: usize) -> Result<Field, String> {
    let name = text(node, "name")?;
    let type_name = text(node, "type")?;
    let offset = if node.has_attribute("offset") { number(node, "offset")? } else { next };
    let since = if node.has_attribute("sinceVersion") { number(node, "sinceVersion")? } else { 0 };
    if find(types, "enum", &type_name).is_some() {
        let primitive = Primitive { size: 4, signed: true };
        return Ok(Field { name, since, offset, primitive, enumeration: Some(type_name), null: primitive.null() });
    }
    let alias = find(types, "type", &type_name);
    let primitive = match alias {
        Some(alias) => Primitive::parse(&text(alias, "primitiveType")?)?,
        None => Primitive::parse(&type_name)?,
    };
    let null = alias.and_then(|a| a.attribute("nullValue")).map_or_else(|| primitive.null(), str::to_owned);
    Ok(Field { name, since, offset, primitive, enumeration: None, null })
}

fn read_data(node: Node, types: &[Node]) -> Result<Data, String> {
    let type_name = text(node, "type")?;
    let length = find(types, "composite", &type_name)
        .and_then(|c| c.children().find(|n| n.attribute("name") == Some("length")))
        .and_then(|n| n.attribute("primitiveType"));
    if length != Some("uint32") {
        return Err(format!("data of type {type_name} has no uint32 length, which is not supported"));
    }
    let since = if node.has_attribute("sinceVersion") { number(node, "sinceVersion")? } else { 0 };
    Ok(Data { name: text(node, "name")?, since })
}

fn find<'a, 'i>(types: &[Node<'a, 'i>], tag: &str, name: &str) -> Option<Node<'a, 'i>> {
    types.iter().find(|n| n.has_tag_name(tag) && n.attribute("name") == Some(name)).copied()
}

fn text(node: Node, attribute: &str) -> Result<String, String> {
    node.attribute(attribute)
        .map(str::to_owned)
        .ok_or_else(|| format!("<{}> has no attribute {attribute}", node.tag_name().name()))
}

fn number<T: std::str::FromStr>(node: Node, attribute: &str) -> Result<T, String> {
    let value = text(node, attribute)?;
    value.parse().map_err(|_| format!("<{}> has {attribute}={value:?}", node.tag_name().name()))
}

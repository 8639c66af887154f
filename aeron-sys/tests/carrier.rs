//! How the build script reads what `cargo metadata` prints.

use std::path::Path;

#[allow(dead_code, reason = "the build script uses the rest")]
#[path = "../build/carrier.rs"]
mod carrier;
#[allow(dead_code, reason = "the build script uses it")]
#[path = "../build/config.rs"]
mod config;

#[test]
fn the_carrier_is_found_among_other_packages() {
    let json = r#"{"packages":[{"name":"libc","manifest_path":"/r/libc-0.2/Cargo.toml"},
        {"description":"a \"manifest_path\":\"/r/libaeron-sys-0/Cargo.toml\" in a text","dependencies":[{"name":"libaeron-sys"}],
        "manifest_path":"/r/libaeron-sys-tools-1.0.0/Cargo.toml"},{"manifest_path":"/r/libaeron-sys-1.54.0/Cargo.toml"}]}"#;
    assert_eq!(carrier::manifest_of_carrier(json).as_deref(), Some(Path::new("/r/libaeron-sys-1.54.0/Cargo.toml")));
}

#[test]
fn escapes_in_a_path_are_undone() {
    let json = r#""manifest_path":"C:\\a \"b\" \u00e4\/libaeron-sys\\..\/libaeron-sys/Cargo.toml""#;
    let path = carrier::manifest_of_carrier(json).expect("a vendored carrier");
    assert_eq!(path, Path::new("C:\\a \"b\" ä/libaeron-sys\\../libaeron-sys/Cargo.toml"));
}

#[test]
fn no_carrier_is_none() {
    assert_eq!(carrier::manifest_of_carrier(r#"{"manifest_path":"/r/aeron-sys/Cargo.toml"}"#), None);
    assert_eq!(carrier::manifest_of_carrier(r#"{"manifest_path":"/r/libaeron-sys-1/Cargo.toml"#), None);
}

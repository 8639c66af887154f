//! How bindings are made: the same way at build time and for those that are checked in.

use std::path::Path;

/// Written by hand in `src/constants.rs`: positions and ids are 64 bits wide, and the macros alone do not say so.
const BY_HAND: &str = "AERON_NULL_VALUE|AERON_PUBLICATION_(NOT_CONNECTED|BACK_PRESSURED|ADMIN_ACTION|CLOSED|\
                       MAX_POSITION_EXCEEDED|ERROR)";

/// Takes a `va_list`, which differs on every architecture and which Rust cannot make.
const VARIADIC: &str = "aeron_fprintf_handler_t|aeron_[gs]et_fprintf_handler|va_list|__builtin_va_list|__va_list_tag";

/// Declared in `aeronc.h` 1.54.0 and defined nowhere.
const UNDEFINED: &str = "aeron_context_[gs]et_agent_on_start_(function|state)";

/// Bindings for everything in the public headers. Enumerations of C stay integers: any value may come back.
pub fn builder(include: &Path, header: &Path) -> bindgen::Builder {
    bindgen::Builder::default()
        .header(header.display().to_string())
        .clang_arg(format!("-I{}", include.display()))
        .allowlist_file(format!("{}/.*", include.display()))
        .blocklist_item(BY_HAND)
        .blocklist_item(VARIADIC)
        .blocklist_item(UNDEFINED)
        .default_enum_style(bindgen::EnumVariation::Consts)
        .default_macro_constant_type(bindgen::MacroTypeVariation::Signed)
        .generate_cstr(true)
        .generate_comments(false)
        .merge_extern_blocks(true)
        .use_core()
        .formatter(bindgen::Formatter::Prettyplease)
}

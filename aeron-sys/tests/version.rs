//! What is linked is what the crate's version names.

/// The `1.54.0` of `0.1.0+1.54.0`.
fn pinned() -> (i32, i32, i32) {
    let version = env!("CARGO_PKG_VERSION").split_once('+').expect("the crate version has build metadata").1;
    let parts: Vec<i32> = version.split('.').map(|part| part.parse().expect("a number")).collect();
    (parts[0], parts[1], parts[2])
}

#[test]
fn client_is_the_pinned_version() {
    // SAFETY: these functions take nothing and return constants (aeronc.h).
    let linked = unsafe {
        (aeron_sys::aeron_version_major(), aeron_sys::aeron_version_minor(), aeron_sys::aeron_version_patch())
    };
    assert_eq!(linked, pinned());
}

#[test]
fn archive_client_is_linked_and_makes_a_context() {
    let mut context = std::ptr::null_mut();
    // SAFETY: an out pointer to a null context, closed once (aeron_archive.h).
    unsafe {
        assert_eq!(aeron_sys::aeron_archive_context_init(&raw mut context), 0);
        assert!(!context.is_null());
        assert_eq!(aeron_sys::aeron_archive_context_close(context), 0);
    }
}

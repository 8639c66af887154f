#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| aeron_cluster_fuzz::targets::term(bytes));

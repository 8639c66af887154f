//! Little-endian numbers at an offset of bytes that others wrote; `None` if they are not all there.

fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    array_at(bytes, offset).map(u16::from_le_bytes)
}

pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array_at(bytes, offset).map(u32::from_le_bytes)
}

pub(crate) fn i32_at(bytes: &[u8], offset: usize) -> Option<i32> {
    array_at(bytes, offset).map(i32::from_le_bytes)
}

pub(crate) fn i64_at(bytes: &[u8], offset: usize) -> Option<i64> {
    array_at(bytes, offset).map(i64::from_le_bytes)
}

pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    array_at(bytes, offset).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_there_whole_or_not_at_all() {
        let bytes = [1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 2];
        assert_eq!((u16_at(&bytes, 0), u16_at(&bytes, 7), u16_at(&bytes, 8)), (Some(1), Some(0x2FF), None));
        assert_eq!((i32_at(&bytes, 4), i32_at(&bytes, 6), u32_at(&bytes, 4)), (Some(-1), None, Some(u32::MAX)));
        assert_eq!(i64_at(&bytes, 1).zip(u64_at(&bytes, 1)), Some((0x02FF_FFFF_FF00_0000, 0x02FF_FFFF_FF00_0000)));
        assert_eq!((i64_at(&bytes, 2), u64_at(&bytes, usize::MAX)), (None, None));
    }
}

//! DICOM Part 10 files (PS3.10), Explicit VR Little Endian (PS3.5 Annex A.2).

/// A file that is being put together. Elements are added in ascending order of their tags.
///
/// ```text
/// 128 zero bytes | "DICM" | group 0002 (length first) | data set
/// element: group u16 | element u16 | VR | length u16 | value, padded to an even length
///          the same with OB and OW: VR | two zero bytes | length u32 | value
/// ```
#[derive(Debug)]
pub(crate) struct Dataset(Vec<u8>);

/// A tag: group and element.
pub(crate) type Tag = (u16, u16);

/// CT Image Storage (PS3.6).
pub(crate) const CT_IMAGE: &str = "1.2.840.10008.5.1.4.1.1.2";
const EXPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";

impl Dataset {
    /// The preamble and the meta information of an instance with this UID.
    pub(crate) fn ct_image(instance: &str, implementation: &str) -> Self {
        let mut meta = Self(Vec::new());
        meta.bytes((0x0002, 0x0001), *b"OB", &[0, 1]);
        meta.text((0x0002, 0x0002), *b"UI", CT_IMAGE);
        meta.text((0x0002, 0x0003), *b"UI", instance);
        meta.text((0x0002, 0x0010), *b"UI", EXPLICIT_LITTLE_ENDIAN);
        meta.text((0x0002, 0x0012), *b"UI", implementation);
        let mut file = Self(vec![0; 128]);
        file.0.extend_from_slice(b"DICM");
        let length = u32::try_from(meta.0.len()).unwrap_or(u32::MAX);
        file.element((0x0002, 0x0000), *b"UL", &length.to_le_bytes());
        file.0.extend_from_slice(&meta.0);
        file
    }

    /// A text; UIDs are padded with a zero byte, the others with a space.
    pub(crate) fn text(&mut self, tag: Tag, vr: [u8; 2], text: &str) {
        let mut value = text.as_bytes().to_vec();
        if value.len() % 2 == 1 {
            value.push(if vr == *b"UI" { 0 } else { b' ' });
        }
        self.element(tag, vr, &value);
    }

    /// An unsigned 16-bit number (US).
    pub(crate) fn short(&mut self, tag: Tag, number: u16) {
        self.element(tag, *b"US", &number.to_le_bytes());
    }

    /// Bytes with a 32-bit length (OB, OW), an even number of them.
    pub(crate) fn bytes(&mut self, tag: Tag, vr: [u8; 2], value: &[u8]) {
        self.head(tag, vr);
        self.0.extend_from_slice(&[0, 0]);
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(value);
    }

    /// The file.
    pub(crate) fn into_file(self) -> Vec<u8> {
        self.0
    }

    fn element(&mut self, tag: Tag, vr: [u8; 2], value: &[u8]) {
        self.head(tag, vr);
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(value);
    }

    fn head(&mut self, (group, element): Tag, vr: [u8; 2]) {
        self.0.extend_from_slice(&group.to_le_bytes());
        self.0.extend_from_slice(&element.to_le_bytes());
        self.0.extend_from_slice(&vr);
    }
}

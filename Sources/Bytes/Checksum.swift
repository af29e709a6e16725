internal import CSkein

/// CRC-32C (Castagnoli), as in iSCSI and ext4: detects torn and flipped bytes, not forgery.
public enum CRC32C {
    /// The checksum of `bytes`, continued from `crc` (0 to begin).
    public static func checksum(_ bytes: Span<UInt8>, continuing crc: UInt32 = 0) -> UInt32 {
        unsafe bytes.withUnsafeBufferPointer {
            unsafe skein_crc32c(crc, $0.baseAddress, $0.count)
        }
    }
}

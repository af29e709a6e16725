/// Names the machine's present boot, so that a later start of the node knows whether the kernel that
/// held its unsynced writes is still the same.
enum MachineBoot {
    /// FNV-1a over the kernel's boot id; 0 where the kernel tells none, which then counts as another
    /// boot every time.
    static func current() -> UInt64 {
        guard let id = try? TextFile.read("/proc/sys/kernel/random/boot_id") else { return 0 }
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in id.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return hash
    }
}

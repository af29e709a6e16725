/// What blocks of the heap really take, so that `memoryBytes` agrees with the process's size.
///
/// glibc puts a word in front of a block and hands out multiples of 16 bytes, 32 at least; a block
/// of 128 KB or more is mapped on its own, in whole pages. Other allocators round a little
/// differently; the figure is for operators and for `maxmemory`, never part of replicated state.
enum HeapBlock {
    private static let mappedMin = 128 * 1024
    private static let pageBytes = 4096

    /// Bytes that a block takes of which `requested` were asked for; 0 for none.
    static func bytes(_ requested: Int) -> Int {
        guard requested > 0 else { return 0 }
        guard requested < mappedMin else {
            return (requested + 16 + pageBytes - 1) / pageBytes * pageBytes
        }
        return max(32, (requested + 8 + 15) / 16 * 16)
    }

    /// The most that can be asked for without taking more than `requested` bytes take.
    static func usable(_ requested: Int) -> Int {
        max(24, (requested + 7) / 16 * 16 + 8)
    }

    /// What a box for one `T` takes.
    static func box<T: ~Copyable>(of: T.Type) -> Int { bytes(MemoryLayout<T>.size) }
}

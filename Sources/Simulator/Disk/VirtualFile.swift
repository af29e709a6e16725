internal import Bytes

/// One file on the virtual disk: what the system shows, and what would be left after a power cut.
///
/// Pages of 4 KiB exist from their first write; a page that was never written reads as zeros, so a
/// preallocated segment costs nothing. Every sector (512 bytes, written whole or not at all) that
/// changed since the last sync is dirty and has two versions.
struct VirtualFile {
    static let pageBytes = 4096
    static let sectorBytes = 512

    private var pages: [Int: [UInt8]] = [:]
    /// The durable content of dirty sectors, in order of the sector's number.
    private var durable: [Int: [UInt8]] = [:]
    private(set) var dirty: [Int] = []
    private(set) var size: Int

    init(size: Int) { self.size = size }

    /// Reads `count` bytes; short at the end of the file.
    func read(offset: Int, count: Int) -> [UInt8] {
        guard offset < size, count > 0 else { return [] }
        let end = min(size, offset + count)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(end - offset)
        var position = offset
        while position < end {
            let inPage = position % Self.pageBytes
            let length = min(Self.pageBytes - inPage, end - position)
            if let page = pages[position / Self.pageBytes] {
                bytes.append(contentsOf: page[inPage..<inPage + length])
            } else {
                bytes.append(contentsOf: repeatElement(0, count: length))
            }
            position += length
        }
        return bytes
    }

    /// Writes into the cache; durable only after `sync`.
    mutating func write(offset: Int, bytes: Span<UInt8>) {
        guard bytes.count > 0 else { return }
        let end = offset + bytes.count
        for sector in offset / Self.sectorBytes...(end - 1) / Self.sectorBytes
        where durable[sector] == nil {
            let start = sector * Self.sectorBytes
            var before = read(offset: start, count: Self.sectorBytes)
            before.append(contentsOf: repeatElement(0, count: Self.sectorBytes - before.count))
            durable[sector] = before
            dirty.append(sector)
        }
        size = max(size, end)
        store(offset: offset, bytes: bytes)
    }

    private mutating func store(offset: Int, bytes: Span<UInt8>) {
        var done = 0
        while done < bytes.count {
            let position = offset + done
            let inPage = position % Self.pageBytes
            let length = min(Self.pageBytes - inPage, bytes.count - done)
            let number = position / Self.pageBytes
            var page = pages[number] ?? [UInt8](repeating: 0, count: Self.pageBytes)
            pages[number] = nil
            for i in 0..<length { page[inPage + i] = bytes[done + i] }
            pages[number] = page
            done += length
        }
    }

    /// Everything written so far is durable.
    mutating func sync() {
        durable.removeAll(keepingCapacity: true)
        dirty.removeAll(keepingCapacity: true)
    }

    /// The power goes: of the sectors not synced any subset survives. Returns how many were lost.
    mutating func powerCut(survival: Double, random: inout SeededGenerator) -> Int {
        var lost = 0
        for sector in dirty where !random.happens(survival) {
            let start = sector * Self.sectorBytes
            guard let before = durable[sector] else { continue }
            let length = min(Self.sectorBytes, size - start)
            let old = Array(before[..<length])
            if read(offset: start, count: length) != old { lost += 1 }
            store(offset: start, bytes: old.span)
        }
        sync()
        return lost
    }

    /// Flips one bit, durably.
    mutating func flipBit(offset: Int, bit: Int) {
        let flipped = read(offset: offset, count: 1).map { $0 ^ (1 << UInt8(bit)) }
        store(offset: offset, bytes: flipped.span)
    }

    /// A hash over size and content, for comparing runs.
    var checksum: UInt32 {
        var crc: UInt32 = 0
        for number in pages.keys.sorted() {
            guard let page = pages[number] else { continue }
            crc = CRC32C.checksum([UInt8(truncatingIfNeeded: number)].span, continuing: crc)
            crc = CRC32C.checksum(page.span, continuing: crc)
        }
        return crc
    }
}

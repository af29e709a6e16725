internal import Bytes

/// A listpack of members with scores, ascending: a small sorted set. Each entry is the score's eight
/// bytes, little-endian, and the member.
extension Listpack {
    /// Where `member` is; nil when it is not there.
    func place(ofMember member: Span<UInt8>) -> (offset: Int, index: Int)? {
        var offset = 0
        var index = 0
        while offset < byteCount {
            let entry = self[offset]
            if ContentOrder.equal(entry.extracting(8..<entry.count), member) {
                return (offset, index)
            }
            offset = self.offset(after: offset)
            index += 1
        }
        return nil
    }

    /// The score of the entry at `offset`.
    func score(at offset: Int) -> Double { Score.decode(self[offset]) }

    /// The score of `member`; nil when it is not there.
    func score(ofMember member: Span<UInt8>) -> Double? {
        guard let place = place(ofMember: member) else { return nil }
        return score(at: place.offset)
    }

    /// How many entries from the front satisfy `holds`, which turns false once.
    func partition(_ holds: (_ member: Span<UInt8>, _ score: Double) -> Bool) -> Int {
        var index = 0
        forEachScored(in: 0..<count, descending: false) { member, score in
            guard holds(member, score) else { return false }
            index += 1
            return true
        }
        return index
    }

    /// Lends the entries with numbers in `range`, in either direction, until `body` returns false.
    func forEachScored(
        in range: Range<Int>, descending: Bool,
        _ body: (_ member: Span<UInt8>, _ score: Double) -> Bool
    ) {
        if range.isEmpty { return }
        var offset = offset(ofEntry: descending ? range.upperBound - 1 : range.lowerBound)
        for step in 0..<range.count {
            if step > 0 {
                offset = descending ? self.offset(before: offset) : self.offset(after: offset)
            }
            let entry = self[offset]
            if !body(entry.extracting(8..<entry.count), Score.decode(entry)) { return }
        }
    }

    /// Inserts a member that is not there at its place in the order.
    mutating func insert(member: Span<UInt8>, score: Double) {
        let index = partition { other, otherScore in
            otherScore < score
                || (otherScore == score && ContentOrder.compare(other, member) == .before)
        }
        insert(member: member, score: score, at: offset(ofEntry: index))
    }

    /// Appends a member that sorts behind all others.
    mutating func appendScored(member: Span<UInt8>, score: Double) {
        insert(member: member, score: score, at: byteCount)
    }

    private mutating func insert(member: Span<UInt8>, score: Double, at offset: Int) {
        var entry = ByteBuffer(minimumCapacity: 8 + member.count)
        entry.append(littleEndian: score.bitPattern)
        entry.append(member)
        insert(entry.readable, at: offset)
    }
}

/// Scores as stored bits.
enum Score {
    /// Maps scores to integers of the same order; -0 and 0 are equal, as they compare.
    static func sortKey(_ score: Double) -> UInt64 {
        let bits = (score == 0 ? 0 : score).bitPattern
        return bits >> 63 == 1 ? ~bits : bits | 1 << 63
    }

    /// The score of a sort key; `isNegativeZero` tells what the key cannot.
    static func fromSortKey(_ key: UInt64, isNegativeZero: Bool) -> Double {
        if isNegativeZero { return -0.0 }
        return Double(bitPattern: key >> 63 == 1 ? key & ~(1 << 63) : ~key)
    }

    /// The eight bytes that `decode` reads.
    static func encode(_ score: Double) -> InlineArray<8, UInt8> {
        var bits = InlineArray<8, UInt8>(repeating: 0)
        for index in 0..<8 {
            bits[index] = UInt8(truncatingIfNeeded: score.bitPattern >> (8 * UInt64(index)))
        }
        return bits
    }

    /// Reads the first eight bytes, little-endian.
    static func decode(_ bytes: Span<UInt8>) -> Double {
        var bits: UInt64 = 0
        for index in 0..<8 { bits |= UInt64(bytes[index]) << (8 * UInt64(index)) }
        return Double(bitPattern: bits)
    }
}

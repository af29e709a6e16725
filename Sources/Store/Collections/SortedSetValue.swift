public import Bytes

/// A sorted set: members with scores, ordered by (score, member's bytes).
///
/// While small, one listpack in that order, each entry the score's eight bytes and the member;
/// beyond `EncodingLimits` two trees, one by (score, member) for ranks and ranges and one by
/// (SipHash of the member, member) for scores. It never turns back.
public final class SortedSetValue {
    private var pack = Listpack()
    /// Prefix: the score's sort key. Value: empty, or one byte for a score of -0.
    private var byScore = RankedTree()
    /// Value: the score's bits, little-endian.
    private var byMember = RankedTree()
    /// Whether it still is one listpack.
    public private(set) var isPacked = true
    private let order: SipHash

    /// An empty sorted set; `order` is the cluster's hash, which orders ZSCAN.
    public init(order: SipHash) { self.order = order }

    /// What OBJECT ENCODING says.
    public var encodingName: StaticString { isPacked ? "listpack" : "skiplist" }

    /// Members.
    public var count: Int { isPacked ? pack.count : byScore.count }

    public var isEmpty: Bool { count == 0 }

    /// Bytes allocated for members and scores. O(n / 100).
    public var allocatedBytes: Int {
        pack.allocatedBytes + byScore.allocatedBytes + byMember.allocatedBytes
    }

    // MARK: Members

    /// The score of `member`; nil when it is not there.
    public func score(of member: Span<UInt8>) -> Double? {
        if isPacked { return pack.score(ofMember: member) }
        return byMember.withValue(order.hash(member), member) { Score.decode($0) }
    }

    /// How many members sort before `member`; nil when it is not there.
    public func rank(of member: Span<UInt8>) -> Int? {
        if isPacked { return pack.place(ofMember: member)?.index }
        guard let score = score(of: member) else { return nil }
        let place = byScore.rank(Score.sortKey(score), member)
        invariant(place.found, "a sorted set's trees disagree")
        return place.rank
    }

    /// Gives `member` a score. True when the member is new.
    public func set(_ member: Span<UInt8>, score: Double, limits: EncodingLimits) -> Bool {
        invariant(!score.isNaN, "a score is a number")
        if isPacked {
            // Redis packs an integral score as an integer, which has no -0.
            let packed = score == 0 ? 0 : score
            if let place = pack.place(ofMember: member) {
                if pack.score(at: place.offset) != score {
                    pack.remove(at: place.offset)
                    pack.insert(member: member, score: packed)
                }
                return false
            }
            if pack.count + 1 <= limits.zsetMaxListpackEntries
                && member.count <= limits.zsetMaxListpackValue
            {
                pack.insert(member: member, score: packed)
                return true
            }
            convert()
        }
        return insertTree(member, score)
    }

    /// Removes `member`; false when it is not there.
    public func remove(_ member: Span<UInt8>) -> Bool {
        guard let rank = rank(of: member) else { return false }
        remove(at: rank)
        return true
    }

    /// Removes the member of rank `rank`.
    public func remove(at rank: Int) {
        invariant(rank >= 0 && rank < count, "sorted set rank out of range")
        if isPacked {
            let offset = pack.offset(ofEntry: rank)
            pack.remove(at: offset)
            return
        }
        let removed = byScore.withEntry(at: rank) { _, member, _ in
            byMember.remove(order.hash(member), member)
        }
        invariant(removed, "a sorted set's trees disagree")
        byScore.remove(at: rank)
    }

    // MARK: Ranges

    /// How many members have a score below `score`, or not above it when `orEqual`.
    public func count(below score: Double, orEqual: Bool) -> Int {
        if isPacked {
            return pack.partition { _, other in orEqual ? other <= score : other < score }
        }
        let key = Score.sortKey(score)
        return byScore.rank(orEqual ? key + 1 : key, Span()).rank
    }

    /// How many members sort below `bytes` (or equal it, when `orEqual`). Means something only
    /// while all scores are equal, as with ZRANGEBYLEX.
    public func count(lexicallyBelow bytes: Span<UInt8>, orEqual: Bool) -> Int {
        func isBelow(_ member: Span<UInt8>) -> Bool {
            switch ContentOrder.compare(member, bytes) {
            case .before: true
            case .equal: orEqual
            case .after: false
            }
        }
        if isPacked { return pack.partition { member, _ in isBelow(member) } }
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if byScore.withEntry(at: middle, { _, member, _ in isBelow(member) }) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }

    /// Lends the members with ranks in `ranks`, upwards or downwards, until `body` returns false.
    public func forEach(
        in ranks: Range<Int>, descending: Bool = false,
        _ body: (_ member: Span<UInt8>, _ score: Double) -> Bool
    ) {
        invariant(ranks.lowerBound >= 0 && ranks.upperBound <= count, "ranks out of range")
        if isPacked { return pack.forEachScored(in: ranks, descending: descending, body) }
        byScore.forEach(in: ranks, descending: descending) { key, member, mark in
            body(member, Score.fromSortKey(key, isNegativeZero: mark.count > 0))
        }
    }

    /// Lends the member of rank `rank`.
    public func withMember(
        at rank: Int, _ body: (_ member: Span<UInt8>, _ score: Double) -> Void
    ) {
        forEach(in: rank..<rank + 1) {
            body($0, $1)
            return false
        }
    }

    /// One step of ZSCAN from `cursor`: all members at once while packed, else at least `wanted` in
    /// content order. Returns the next cursor, 0 at the end.
    public func scan(
        from cursor: UInt64, wanted: Int, _ body: (_ member: Span<UInt8>, _ score: Double) -> Void
    ) -> UInt64 {
        guard isPacked else {
            return byMember.scan(from: cursor, wanted: wanted) { member, bits in
                body(member, Score.decode(bits))
            }
        }
        forEach(in: 0..<count) {
            body($0, $1)
            return true
        }
        return 0
    }

    // MARK: Trees

    private func insertTree(_ member: Span<UInt8>, _ score: Double) -> Bool {
        let hash = order.hash(member)
        let old = byMember.withValue(hash, member) { Score.decode($0) }
        if let old {
            if old == score { return false }
            let removed = byScore.remove(Score.sortKey(old), member)
            invariant(removed, "a sorted set's trees disagree")
        }
        var bits = InlineArray<8, UInt8>(repeating: 0)
        for index in 0..<8 {
            bits[index] = UInt8(truncatingIfNeeded: score.bitPattern >> (8 * UInt64(index)))
        }
        let isNew = byMember.insert(hash, member, bits.span)
        let isNegativeZero = score == 0 && score.sign == .minus
        let mark = bits.span.extracting(first: isNegativeZero ? 1 : 0)
        let inserted = byScore.insert(Score.sortKey(score), member, mark)
        invariant(inserted, "a sorted set's trees disagree")
        return isNew
    }

    private func convert() {
        isPacked = false
        pack.forEachScored(in: 0..<pack.count, descending: false) { member, score in
            let isNew = insertTree(member, score)
            invariant(isNew, "a packed sorted set held a member twice")
            return true
        }
        pack.removeAll()
    }

    /// Feeds encoding, members and scores in order.
    public func feed(_ hash: inout StateHash) {
        hash.feed(encodingName)
        hash.feed(count)
        forEach(in: 0..<count) { member, score in
            hash.feed(member)
            hash.feed(score)
            return true
        }
    }

    /// Walks everything. O(n log n), for tests and the simulator.
    public func checkInvariants() {
        pack.checkInvariants()
        byScore.checkInvariants()
        byMember.checkInvariants()
        invariant(isPacked ? byScore.count == 0 : pack.isEmpty, "a sorted set has two forms")
        invariant(byScore.count == byMember.count, "a sorted set's trees differ in size")
        byMember.forEach(in: 0..<byMember.count) { prefix, member, bits in
            invariant(prefix == order.hash(member), "a member stands under another's hash")
            let score = Score.decode(bits)
            invariant(
                byScore.rank(Score.sortKey(score), member).found, "a score's member is missing")
            return true
        }
        var previous = -Double.infinity
        forEach(in: 0..<count) { _, score in
            invariant(score >= previous, "scores do not ascend")
            previous = score
            return true
        }
    }
}

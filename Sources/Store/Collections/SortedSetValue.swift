public import Bytes

/// A sorted set: members with scores, ordered by (score, member's bytes). A handle of a key's value,
/// or of one that no key has yet; good until the key is removed or gets another value.
///
/// While small, one listpack in that order, each entry the score's eight bytes and the member;
/// beyond `EncodingLimits` two trees (`SortedSetTrees`), one by (score, member) for ranks and ranges
/// and one by (SipHash of the member, member) for scores. It never turns back.
public struct SortedSetValue {
    let place: CollectionPlace
    private let order: SipHash

    /// An empty sorted set; `order` is the cluster's hash, which orders ZSCAN.
    public init(order: SipHash) {
        self.order = order
        place = CollectionPlace(empty: .sortedSetPack)
    }

    init(_ place: CollectionPlace, order: SipHash) {
        self.place = place
        self.order = order
    }

    private var item: Item { place.item }
    private var pack: Listpack { item.pack }
    private var trees: UnsafeMutablePointer<SortedSetTrees> { unsafe item.sortedSetTrees }

    /// Whether it still is one listpack.
    public var isPacked: Bool { item.form == .sortedSetPack }

    /// What OBJECT ENCODING says.
    public var encodingName: StaticString { item.encodingName }

    /// Members.
    public var count: Int { item.elementCount }

    public var isEmpty: Bool { count == 0 }

    /// Heap that the sorted set takes. O(1).
    public var allocatedBytes: Int { item.heapBytes }

    // MARK: Members

    /// The score of `member`; nil when it is not there.
    public func score(of member: Span<UInt8>) -> Double? {
        if isPacked { return pack.score(ofMember: member) }
        return unsafe trees.pointee.byMember.withValue(order.hash(member), member) {
            Score.decode($0)
        }
    }

    /// How many members sort before `member`; nil when it is not there.
    public func rank(of member: Span<UInt8>) -> Int? {
        if isPacked { return pack.place(ofMember: member)?.index }
        guard let score = score(of: member) else { return nil }
        let place = unsafe trees.pointee.byScore.rank(Score.sortKey(score), member)
        invariant(place.found, "a sorted set's trees disagree")
        return place.rank
    }

    /// Gives `member` a score. True when the member is new.
    public func set(_ member: Span<UInt8>, score: Double, limits: EncodingLimits) -> Bool {
        invariant(!score.isNaN, "a score is a number")
        return place.change { open in
            guard open.item.form == .sortedSetPack else { return insert(member, score, open) }
            var pack = open.item.pack
            // Redis packs an integral score as an integer, which has no -0.
            let packed = score == 0 ? 0 : score
            if let place = pack.place(ofMember: member) {
                if pack.score(at: place.offset) != score {
                    pack.remove(at: place.offset)
                    pack.insert(member: member, score: packed)
                    open.setPack(pack)
                }
                return false
            }
            if pack.count + 1 <= limits.zsetMaxListpackEntries
                && member.count <= limits.zsetMaxListpackValue
            {
                pack.insert(member: member, score: packed)
                open.setPack(pack)
                return true
            }
            convert(open)
            return insert(member, score, open)
        }
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
        place.change { open in
            if open.item.form == .sortedSetPack {
                var pack = open.item.pack
                let offset = pack.offset(ofEntry: rank)
                pack.remove(at: offset)
                open.setPack(pack)
                return
            }
            let trees = unsafe open.item.sortedSetTrees
            // Apart from both trees: `byMember` borrows no byte of `byScore` while that changes.
            let removed = unsafe trees.pointee.byScore.withEntry(at: rank) { _, member, _ in
                unsafe trees.pointee.byMember.remove(order.hash(member), member)
            }
            invariant(removed, "a sorted set's trees disagree")
            unsafe trees.pointee.byScore.remove(at: rank)
        }
    }

    // MARK: Ranges

    /// How many members have a score below `score`, or not above it when `orEqual`.
    public func count(below score: Double, orEqual: Bool) -> Int {
        if isPacked {
            return pack.partition { _, other in orEqual ? other <= score : other < score }
        }
        let key = Score.sortKey(score)
        return unsafe trees.pointee.byScore.rank(orEqual ? key + 1 : key, Span()).rank
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
            if unsafe trees.pointee.byScore.withEntry(
                at: middle, { _, member, _ in isBelow(member) })
            {
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
        unsafe trees.pointee.byScore.forEach(in: ranks, descending: descending) {
            key, member, mark in
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
            return unsafe trees.pointee.byMember.scan(from: cursor, wanted: wanted) {
                member, bits in
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

    private func insert(_ member: Span<UInt8>, _ score: Double, _ open: OpenItem) -> Bool {
        let trees = unsafe open.item.sortedSetTrees
        return unsafe insert(member, score, &trees.pointee)
    }

    private func insert(
        _ member: Span<UInt8>, _ score: Double, _ trees: inout SortedSetTrees
    ) -> Bool {
        let hash = order.hash(member)
        let old = trees.byMember.withValue(hash, member) { Score.decode($0) }
        if let old {
            if old == score { return false }
            let removed = trees.byScore.remove(Score.sortKey(old), member)
            invariant(removed, "a sorted set's trees disagree")
        }
        let bits = Score.encode(score)
        let isNew = trees.byMember.insert(hash, member, bits.span)
        let isNegativeZero = score == 0 && score.sign == .minus
        let mark = bits.span.extracting(first: isNegativeZero ? 1 : 0)
        let inserted = trees.byScore.insert(Score.sortKey(score), member, mark)
        invariant(inserted, "a sorted set's trees disagree")
        return isNew
    }

    private func convert(_ open: OpenItem) {
        var trees = SortedSetTrees()
        let pack = open.item.pack
        pack.forEachScored(in: 0..<pack.count, descending: false) { member, score in
            let isNew = insert(member, score, &trees)
            invariant(isNew, "a packed sorted set held a member twice")
            return true
        }
        open.setBoxed(trees, form: .sortedSetTrees)
    }

    /// Feeds encoding, members and scores in order.
    public func feed(_ hash: inout StateHash) { item.feedCollection(&hash) }

    /// Walks everything. O(n log n), for tests and the simulator.
    public func checkInvariants() {
        if isPacked {
            pack.checkInvariants()
        } else {
            checkTrees()
        }
        var previous = -Double.infinity
        forEach(in: 0..<count) { _, score in
            invariant(score >= previous, "scores do not ascend")
            previous = score
            return true
        }
    }

    private func checkTrees() {
        let trees = unsafe trees
        unsafe trees.pointee.byScore.checkInvariants()
        unsafe trees.pointee.byMember.checkInvariants()
        let count = unsafe trees.pointee.byMember.count
        invariant(
            unsafe trees.pointee.byScore.count == count, "a sorted set's trees differ in size")
        unsafe trees.pointee.byMember.forEach(in: 0..<count) { prefix, member, bits in
            invariant(prefix == order.hash(member), "a member stands under another's hash")
            let score = Score.decode(bits)
            let place = unsafe trees.pointee.byScore.rank(Score.sortKey(score), member)
            invariant(place.found, "a score's member is missing")
            return true
        }
    }
}

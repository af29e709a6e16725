import Bytes
import Cluster
import Testing

@Suite struct ClusterMapTests {
    static func map(groups: Int = 3) throws -> ClusterMap {
        let members = (1...3).map {
            ClusterMap.Member(
                id: UInt16($0), name: "n\($0)", host: "127.0.0.\($0)",
                peerPort: 17000 + UInt16($0), clientPort: 7000 + UInt16($0),
                incarnation: 0xfeed_0000_0000_0000 + UInt64($0))
        }
        let ranges = SlotRange.even(groups: groups)
        return try ClusterMap(
            clusterID: (high: .max, low: 1), hashSeed: SipHash(key0: 2, key1: 3),
            clusterVersion: 1, members: members,
            groups: ranges.enumerated().map {
                ClusterMap.Group(id: UInt32($0.offset + 1), slots: $0.element)
            })
    }

    @Test func `a map is the same after encoding and decoding`() throws {
        for groups in [1, 3, 1024] {
            let map = try Self.map(groups: groups)
            var buffer = ByteBuffer()
            map.encode(into: &buffer)
            let decoded = try ClusterMap(decoding: buffer.readable)
            #expect(decoded == map)
            let size = buffer.count
            #expect(size < 16 << 10)
        }
    }

    @Test
    func `nodes come and go by changes that are the same after coding, and ids are given once`()
        throws
    {
        func coded(_ change: NodeChange) throws -> NodeChange {
            var buffer = ByteBuffer()
            change.encode(into: &buffer)
            return try NodeChange(decoding: buffer.readable)
        }
        func newcomer(_ name: String, _ incarnation: UInt64) -> NodeChange.Newcomer {
            NodeChange.Newcomer(
                name: name, host: "h", peerPort: 1, clientPort: 2, incarnation: incarnation)
        }
        var map = try Self.map()
        let founders = map.members.map(\.id)
        let last = map.lastNode
        for change in [
            NodeChange.add(newcomer("new", 900), replacing: nil), .leave(last + 1),
            .remove(last + 1), .add(newcomer("new", 901), replacing: nil),
            // A known name, whose node is replaced.
            .add(newcomer("new", 902), replacing: last + 2), .raise(version: 3),
        ] {
            #expect(try coded(change) == change)
            let before = map
            map = try #require(map.applying(change))
            #expect(map.isNewer(than: before))
            var buffer = ByteBuffer()
            map.encode(into: &buffer)
            let decoded = try ClusterMap(decoding: buffer.readable)
            #expect(decoded == map)
        }
        #expect(map.lastNode == last + 3 && map.epoch == 5 && map.founders == founders)
        #expect(map.clusterVersion == 3)
        #expect(map.member(last + 2)?.isLeaving == true)
        #expect(map.member(named: "new")?.id == last + 3)
        // Nothing to do, or no right to: the name is taken, the directory is known, nobody is there.
        for change in [
            NodeChange.add(newcomer("new", 903), replacing: nil),
            .add(newcomer("new", 902), replacing: nil), .leave(last + 1), .remove(last + 3),
            .raise(version: 3), .raise(version: 2),
        ] {
            let next = map.applying(change)
            #expect(next == nil)
        }
    }

    @Test func `each slot belongs to the group whose range holds it`() throws {
        let map = try Self.map(groups: 7)
        for group in map.groups {
            for raw in group.slots.first.raw...group.slots.last.raw {
                #expect(map.group(for: HashSlot(raw)) == group.id)
            }
        }
        #expect(map.member(named: "n2")?.id == 2)
        #expect(map.member(9) == nil)
    }

    @Test func `bytes cut short or changed are refused or decode to another map`() throws {
        let map = try Self.map()
        var buffer = ByteBuffer()
        map.encode(into: &buffer)
        let whole = buffer.copyBytes()
        for count in 0..<whole.count {
            let cut = try? ClusterMap(decoding: Array(whole[..<count]).span)
            #expect(cut == nil)
        }
        let longerBytes = whole + [0]
        let longer = try? ClusterMap(decoding: longerBytes.span)
        #expect(longer == nil)
        var generator = SeededGenerator(seed: 11)
        for _ in 0..<5000 {
            var changed = whole
            let at = Int(generator.below(UInt64(changed.count)))
            changed[at] ^= 1 << UInt8(generator.below(8))
            let decoded = try? ClusterMap(decoding: changed.span)
            #expect(decoded != map)
        }
    }

    @Test func `maps with gaps, overlaps and doubles are refused`() throws {
        let whole = try Self.map()
        let (one, two) = (whole.groups[0], whole.groups[1])
        let bad: [[ClusterMap.Group]] = [
            [], [one], [one, two], [one, one, two], [two, one],
            [ClusterMap.Group(id: 0, slots: .all)],
            whole.groups.map { ClusterMap.Group(id: 1, slots: $0.slots) },
        ]
        for groups in bad {
            let map = try? ClusterMap(
                clusterID: (high: 0, low: 0), hashSeed: SipHash(key0: 0, key1: 0),
                clusterVersion: 1, members: whole.members, groups: groups)
            #expect(map == nil)
        }
        let unsorted = try? ClusterMap(
            clusterID: (high: 0, low: 0), hashSeed: SipHash(key0: 0, key1: 0), clusterVersion: 1,
            members: whole.members.reversed(), groups: whole.groups)
        #expect(unsorted == nil)
    }
}

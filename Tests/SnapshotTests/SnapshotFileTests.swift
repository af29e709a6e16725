import Bytes
import Raft
import Testing

@testable import Snapshot

@Suite struct SnapshotFileTests {
    @Test(arguments: [0, 1, 255, 256, 257, 512, 1000, 5000])
    func `what was written is read`(count: Int) {
        let stream = typicalBytes(count)
        let (bytes, summary) = file(stream)
        #expect(summary.chunks == (count + 255) / 256)
        #expect(summary.rawBytes == count)
        #expect(summary.fileBytes == bytes.count)
        #expect(Reading(bytes) == .whole(stream, summary))
    }

    @Test func `chunks that do not compress are stored as they are`() {
        let stream = noise(1000)
        let (bytes, summary) = file(stream)
        #expect(bytes.count == 64 + 4 * 32 + 1000 + 64)
        #expect(Reading(bytes) == .whole(stream, summary))
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        let (packed, whole) = file(zeros, someHeader(chunkBytes: 256 << 10))
        #expect(packed.count < 8192)
        #expect(Reading(packed) == .whole(zeros, whole))
    }

    @Test func `pieces may be cut anywhere`() {
        let stream = typicalBytes(900) + noise(300)
        let (bytes, summary) = file(stream)
        for length in 1...200 {
            #expect(Reading(bytes, pieces: [length]) == .whole(stream, summary))
        }
        for cut in 1..<bytes.count {
            #expect(Reading(bytes, pieces: [cut, .max]) == .whole(stream, summary))
        }
        var random = SeededGenerator(seed: 7)
        for _ in 0..<100 {
            let pieces = (0..<200).map { _ in Int(random.below(60)) + 1 }
            #expect(Reading(bytes, pieces: pieces) == .whole(stream, summary))
        }
    }

    @Test func `the group's members come back with the header`() {
        let members = noise(37)
        let (bytes, summary) = file(typicalBytes(700), someHeader(members: members))
        #expect(summary.header.members == members)
        for length in 1...120 {
            #expect(Reading(bytes, pieces: [length]) == .whole(typicalBytes(700), summary))
        }
    }

    @Test(arguments: [0, 37]) func `every flipped bit is found`(members: Int) {
        let (bytes, _) = file(
            typicalBytes(700) + noise(100), someHeader(members: noise(members)))
        for offset in 0..<bytes.count {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[offset] ^= 1 << UInt8(bit)
                let damage = Reading(damaged).damage
                #expect(damage != nil, "byte \(offset), bit \(bit)")
                // Named is the part that begins at or before the flipped bit.
                #expect((damage?.offset ?? .max) <= offset)
            }
        }
    }

    @Test func `every overwritten stretch is found`() {
        let (bytes, _) = file(typicalBytes(2000))
        var random = SeededGenerator(seed: 3)
        for _ in 0..<2000 {
            var damaged = bytes
            let from = Int(random.below(UInt64(bytes.count)))
            let to = min(bytes.count, from + Int(random.below(64)) + 1)
            let isZeroed = random.below(2) == 0
            for i in from..<to {
                damaged[i] = isZeroed ? 0 : UInt8(truncatingIfNeeded: random.next())
            }
            if damaged != bytes { #expect(Reading(damaged).damage != nil, "\(from)..<\(to)") }
        }
    }

    @Test func `every cut and every addition is found`() {
        let (bytes, _) = file(typicalBytes(700))
        for count in 0..<bytes.count {
            let cut = Array(bytes[..<count])
            #expect(Reading(cut).damage == SnapshotDamage(at: count, .truncated))
        }
        for extra in [[0], bytes, [UInt8](repeating: 0, count: 4096)] as [[UInt8]] {
            let damage = Reading(bytes + extra).damage
            #expect(damage == SnapshotDamage(at: bytes.count, .trailingBytes))
        }
        #expect(Reading([]).damage?.part == .truncated)
    }

    @Test func `missing, doubled and exchanged chunks are found`() {
        let header = someHeader(chunkBytes: 100)
        let (bytes, _) = file(noise(400), header)
        let chunk = 132
        func part(_ number: Int) -> [UInt8] {
            Array(bytes[64 + number * chunk..<64 + (number + 1) * chunk])
        }
        let (head, foot) = (Array(bytes[..<64]), Array(bytes.suffix(64)))
        #expect(Reading(head + part(0) + part(1) + part(2) + part(3) + foot).damage == nil)
        let orders: [([Int], Int)] = [
            ([0, 1, 2], 3), ([0, 2, 1, 3], 1), ([1, 0, 2, 3], 0), ([], 0),
        ]
        for (order, _) in orders {
            let wrong = head + order.flatMap(part) + foot
            #expect(Reading(wrong).damage != nil, "\(order)")
        }
        #expect(
            Reading(head + part(0) + part(0)).damage
                == SnapshotDamage(at: 64 + chunk, .chunk(1, "not what follows here")))
    }

    @Test func `a chunk of another file does not fit, even at its own place`() {
        let one = file(noise(400, seed: 1), someHeader(chunkBytes: 100)).bytes
        let other = file(noise(400, seed: 2), someHeader(chunkBytes: 100)).bytes
        for number in 0..<4 {
            var mixed = one
            let range = 64 + number * 132..<64 + (number + 1) * 132
            mixed.replaceSubrange(range, with: other[range])
            // The first chunk fits its header, but not what follows it.
            #expect(Reading(mixed).damage != nil)
        }
        var mixed = one
        mixed.replaceSubrange(one.count - 64..<one.count, with: other[(other.count - 64)...])
        let damage = Reading(mixed).damage
        #expect(damage == SnapshotDamage(at: one.count - 64, .footer("not what follows here")))
    }

    @Test func `another snapshot under this name is found`() {
        let other = SnapshotID(group: GroupID(3), index: 0x1234, term: 6)
        let (bytes, _) = file(typicalBytes(100), someHeader(other))
        #expect(Reading(bytes).damage == SnapshotDamage(at: 0, .otherSnapshot(other)))
        #expect(Reading(bytes, of: other).damage == nil)
    }

    @Test func `a newer format is refused by name`() {
        var (bytes, _) = file([])
        bytes[12] = 3
        let checksum = CRC32C.checksum(bytes[12..<64].span)
        for i in 0..<4 { bytes[8 + i] = UInt8(truncatingIfNeeded: checksum >> UInt32(8 * i)) }
        let damage = Reading(bytes).damage
        #expect(damage == SnapshotDamage(at: 0, .otherVersion(3)))
        #expect(damage?.description.contains("reads version 2") == true)
    }

    @Test func `equal streams have equal raw checksums, others do not`() {
        let one = file(typicalBytes(5000)).summary
        let same = file(
            typicalBytes(5000), someHeader(SnapshotID(group: GroupID(9), index: 1, term: 1)))
        #expect(one.rawChecksum == same.summary.rawChecksum)
        var changed = typicalBytes(5000)
        changed[4999] ^= 1
        #expect(file(changed).summary.rawChecksum != one.rawChecksum)
    }

    @Test func `bytes made up by somebody harm nobody`() {
        var random = SeededGenerator(seed: 11)
        let (good, _) = file(typicalBytes(600))
        for round in 0..<3000 {
            // A valid header, then a chunk whose checksums are right and whose contents are noise.
            var bytes = ByteBuffer(Array(good[..<64]))
            let link = ChainLink(behindHeader: bytes.readable.integer(at: 8))
            let stored = noise(Int(random.below(200)) + 1, seed: UInt64(round))
            let part = ChunkHeader(
                storedBytes: stored.count,
                rawBytes: min(256, stored.count + Int(random.below(100))),
                storedChecksum: CRC32C.checksum(stored.span),
                rawChecksum: UInt32(truncatingIfNeeded: random.next()), number: 0,
                chain: link.checksum)
            let start = bytes.count
            bytes.append(repeating: 0, count: 32)
            _ = part.encode(over: &bytes, at: start)
            bytes.append(stored)
            #expect(Reading(bytes.copyBytes()).damage?.offset == 64)
        }
    }

    @Test func `a reader holds less than one chunk when it asks for more`() throws {
        let header = someHeader(chunkBytes: 4096)
        let (bytes, _) = file(noise(1 << 20), header)
        var reader = SnapshotFileReader(of: someID)
        var chunk = ByteBuffer()
        var chunks = 0
        for from in stride(from: 0, to: bytes.count, by: 1000) {
            reader.feed(bytes[from..<min(from + 1000, bytes.count)].span)
            chunk.removeAll()
            while case .chunk = try reader.next(into: &chunk) {
                chunks += 1
                chunk.removeAll()
            }
            let held = reader.heldBytes
            #expect(held < 4096 + 32)
        }
        #expect(chunks == 256)
    }
}

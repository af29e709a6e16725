import Bytes
import Raft

@testable import Snapshot

let someID = SnapshotID(group: GroupID(3), index: 0x1234, term: 5)

func someHeader(
    _ id: SnapshotID = someID, chunkBytes: Int = 256, members: [UInt8] = []
) -> SnapshotHeader {
    var header = SnapshotHeader(id: id, clusterHigh: 0xC1, clusterLow: 0xC2, members: members)
    header.chunkBytes = chunkBytes
    return header
}

/// Bytes that compress about as keys and values do: words out of a small vocabulary, some noise.
func typicalBytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var random = SeededGenerator(seed: seed)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 64)
    while bytes.count < count {
        bytes += Array("user:\(random.below(1_000_000)):session=".utf8)
        for _ in 0..<12 { bytes.append(UInt8(truncatingIfNeeded: random.next())) }
    }
    return Array(bytes[..<count])
}

/// Bytes that do not compress.
func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var random = SeededGenerator(seed: seed)
    var bytes = [UInt8](repeating: 0, count: count)
    for i in 0..<count { bytes[i] = UInt8(truncatingIfNeeded: random.next()) }
    return bytes
}

/// The file of a stream.
func file(_ stream: [UInt8], _ header: SnapshotHeader = someHeader())
    -> (bytes: [UInt8], summary: SnapshotSummary)
{
    var bytes = ByteBuffer()
    var writer = SnapshotFileWriter(header, into: &bytes)
    var from = 0
    while from < stream.count {
        let to = min(from + header.chunkBytes, stream.count)
        writer.append(stream[from..<to].span, to: &bytes)
        from = to
    }
    let summary = writer.finish(into: &bytes)
    return (bytes.copyBytes(), summary)
}

/// What a reader makes of a file that comes in pieces of these lengths (the last one repeated).
enum Reading: Equatable {
    case whole([UInt8], SnapshotSummary)
    case damaged(SnapshotDamage)

    init(_ bytes: [UInt8], of id: SnapshotID = someID, pieces: [Int] = [.max]) {
        var reader = SnapshotFileReader(of: id)
        var stream = ByteBuffer()
        var pieces = pieces
        var from = 0
        do throws(SnapshotDamage) {
            while true {
                switch try reader.next(into: &stream) {
                case .chunk: continue
                case .end:
                    guard from == bytes.count else {
                        self = .damaged(SnapshotDamage(at: from, .trailingBytes))
                        return
                    }
                    self = .whole(stream.copyBytes(), reader.summary!)
                    return
                case .needsBytes:
                    guard from < bytes.count else {
                        self = .damaged(reader.truncation)
                        return
                    }
                    let length = pieces.count > 1 ? pieces.removeFirst() : pieces[0]
                    let to = length < bytes.count - from ? from + length : bytes.count
                    reader.feed(bytes[from..<to].span)
                    from = to
                }
            }
        } catch {
            self = .damaged(error)
        }
    }

    var damage: SnapshotDamage? {
        if case .damaged(let damage) = self { damage } else { nil }
    }
}

import Bytes
import Raft
import Testing

@testable import Snapshot

@Suite struct SnapshotReceivingTests {
    private let stream = typicalBytes(3000)

    @Test(arguments: [1, 7, 64, 100, 10_000])
    func `a peer's file arrives in pieces and is durable when it is whole`(pieceBytes: Int) {
        let bench = Bench()
        let (bytes, summary) = file(stream)
        let events = bench.run(receiving(bytes, pieceBytes: pieceBytes))
        #expect(events.last?.description == SnapshotEvent.durable(summary).description)
        #expect(bench.disk.durableNames.keys.sorted() == [someID.fileName])
        #expect(bench.disk.names[someID.fileName]?.bytes == bytes)
        #expect(bench.load(someID) == stream)
        #expect(bench.disk.handles.isEmpty)
    }

    @Test func `after a cut link it goes on where it was`() {
        let bench = Bench()
        let (bytes, _) = file(stream)
        func piece(_ from: Int, _ to: Int) -> SnapshotCommand {
            .receive(
                someID, offset: from, shared(Array(bytes[from..<to])), isLast: to == bytes.count)
        }
        func upTo(_ command: SnapshotCommand) -> Int? {
            if case .received(_, let upTo)? = bench.run(command).last { upTo } else { nil }
        }
        // A piece from the middle does not begin anything.
        #expect(upTo(piece(500, 600)) == 0)
        #expect(bench.disk.names.isEmpty)
        #expect(upTo(piece(0, 500)) == 500)
        // A gap; the same again; overlaps of all kinds.
        #expect(upTo(piece(600, 700)) == 500)
        #expect(upTo(piece(0, 500)) == 500)
        #expect(upTo(piece(100, 300)) == 500)
        #expect(upTo(piece(499, 501)) == 501)
        #expect(upTo(piece(0, 900)) == 900)
        // Asking where to go on: an empty piece.
        #expect(upTo(.receive(someID, offset: 0, shared([]), isLast: false)) == 900)
        bench.run(piece(800, bytes.count))
        #expect(bench.events.last?.description.hasPrefix("durable") == true)
        #expect(bench.load(someID) == stream)
        // A late copy of a piece harms nothing.
        #expect(upTo(piece(800, bytes.count)) == 0)
        #expect(bench.load(someID) == stream)
    }

    @Test func `every flipped bit is found before the file counts`() {
        let (bytes, _) = file(typicalBytes(600))
        for offset in 0..<bytes.count {
            let bench = Bench()
            var damaged = bytes
            damaged[offset] ^= 1 << UInt8(offset % 8)
            let events = bench.run(receiving(damaged, pieceBytes: 100))
            #expect(events.contains { $0.description.hasPrefix("damaged") }, "byte \(offset)")
            #expect(!events.contains { $0.description.hasPrefix("durable") })
            bench.run(.abandon(someID))
            #expect(bench.disk.names.isEmpty && bench.disk.handles.isEmpty)
            // The right one comes through afterwards.
            bench.run(receiving(bytes, pieceBytes: 100))
            #expect(bench.load(someID) == typicalBytes(600))
        }
    }

    @Test func `a file that ends early, or late, or is another, is refused`() {
        let (bytes, _) = file(stream)
        let bench = Bench()
        func refusal(_ bytes: [UInt8]) -> String {
            let events = bench.run(receiving(bytes, pieceBytes: 333)).map(\.description)
            #expect(bench.disk.names.isEmpty)
            return events.first { $0.hasPrefix("damaged") } ?? ""
        }
        #expect(refusal(Array(bytes.dropLast())).contains("ends too early"))
        #expect(refusal(Array(bytes[..<64])).contains("ends too early"))
        #expect(refusal(bytes + [0]).contains("bytes behind the footer"))
        let other = SnapshotID(group: GroupID(3), index: 1, term: 1)
        let foreign = file(stream, someHeader(other)).bytes
        #expect(refusal(foreign).contains("another snapshot"))
    }

    @Test func `two senders' files do not mix unseen`() {
        // The same stream, but compressed differently: as another version of the library might.
        let one = file(stream).bytes
        let other = file(stream, someHeader(chunkBytes: 200)).bytes
        let bench = Bench()
        bench.run(
            .receive(someID, offset: 0, shared(Array(one[..<700])), isLast: false),
            .receive(
                someID, offset: 700, shared(Array(other[700...])), isLast: true))
        #expect(bench.events.last?.description.hasPrefix("damaged") == true)
        #expect(bench.disk.names.isEmpty)
    }

    @Test func `a full disk is not damage`() {
        let bench = Bench()
        bench.disk.capacity = 1000
        let (bytes, _) = file(noise(2000))
        let events = bench.run(receiving(bytes, pieceBytes: 300))
        #expect(events.contains { $0.description.contains("no space left") })
        #expect(!events.contains { $0.description.hasPrefix("damaged") })
        #expect(bench.disk.usedBytes == 0)
    }

    @Test func `an own snapshot of the same id may be written meanwhile`() {
        let bench = Bench()
        let (bytes, _) = file(stream)
        let pieces = receiving(bytes, pieceBytes: 400)
        bench.run(Array(pieces[..<3]))
        bench.run(.abandon(someID))
        bench.run(writing(stream))
        bench.run(pieces)
        #expect(bench.load(someID) == stream)
    }
}

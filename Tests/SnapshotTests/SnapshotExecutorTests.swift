import Bytes
import Raft
import Testing

@testable import Snapshot

@Suite struct SnapshotExecutorTests {
    private func id(_ group: UInt32, _ index: LogIndex) -> SnapshotID {
        SnapshotID(group: GroupID(group), index: index, term: 1)
    }

    @Test(arguments: [0, 1, 256, 1000, 5000])
    func `what was written is durable and can be loaded`(count: Int) {
        let bench = Bench()
        let stream = typicalBytes(count)
        let events = bench.run(writing(stream))
        let chunks = (count + 255) / 256
        #expect(
            events.dropLast().map(\.description)
                == (0..<chunks).map {
                    "written g3@4660/5 chunks=\($0 + 1)"
                })
        guard case .durable(let summary)? = events.last else {
            Issue.record("\(events)")
            return
        }
        #expect(summary.rawBytes == count && summary.chunks == chunks)
        #expect(bench.disk.durableNames.keys.sorted() == [someID.fileName])
        #expect(bench.disk.names[someID.fileName]?.bytes.count == summary.fileBytes)
        #expect(bench.load(someID) == stream)
        #expect(bench.disk.handles.isEmpty)
    }

    @Test func `nothing counts before it is finished, and nothing is left of what is abandoned`() {
        let bench = Bench()
        let commands = writing(typicalBytes(1000))
        bench.run(Array(commands.dropLast()))
        #expect(bench.load(someID) == nil)
        #expect(bench.disk.names.keys.sorted() == [someID.partName])
        #expect(bench.run(.abandon(someID)).map(\.description) == ["abandoned g3@4660/5"])
        #expect(bench.disk.names.isEmpty && bench.disk.handles.isEmpty)
        // What was on its way for it is ignored.
        #expect(bench.run(Array(commands.dropFirst())).isEmpty)
        #expect(bench.run(.abandon(someID)).count == 1)
    }

    @Test func `a full disk fails the snapshot, gives its room back, and a later one succeeds`() {
        let bench = Bench()
        let stream = noise(5000)
        for capacity in [0, 10, 64, 100, 3000, 5300, 5767] {
            bench.disk.capacity = capacity
            let events = bench.run(writing(stream))
            #expect(events.last?.description == "failed g3@4660/5 reason=\"no space left\"")
            #expect(events.filter { $0.description.hasPrefix("failed") }.count == 1)
            #expect(bench.disk.usedBytes == 0 && bench.disk.handles.isEmpty)
        }
        bench.disk.capacity = .max
        bench.run(writing(stream))
        #expect(bench.load(someID) == stream)
    }

    @Test func `a failed snapshot leaves the one before alone`() {
        let bench = Bench()
        let stream = noise(3000)
        bench.run(writing(stream))
        bench.disk.capacity = bench.disk.usedBytes + 1000
        let events = bench.run(writing(stream))
        #expect(events.last?.description.hasPrefix("failed") == true)
        #expect(bench.load(someID) == stream)
        bench.disk.capacity = .max
        bench.run(writing(stream))
        #expect(bench.load(someID) == stream)
    }

    @Test func `several snapshots are written, loaded and read at the same time`() {
        let bench = Bench()
        let ids = (1...5).map { id(UInt32($0), LogIndex($0 * 10)) }
        let streams = (1...5).map { typicalBytes($0 * 700, seed: UInt64($0)) }
        interleave(
            bench, zip(ids, streams).map { writing($1, someHeader($0)) })
        for (id, stream) in zip(ids, streams) { #expect(bench.load(id) == stream) }
        let files = ids.map { bench.disk.names[$0.fileName]!.bytes }
        // Loads of all, reads of all and the receiving of five others, in any order.
        let others = (1...5).map { id(UInt32($0), LogIndex($0 * 10 + 1)) }
        let received = zip(others, streams).map { file($1, someHeader($0)).bytes }
        let before = bench.events.count
        interleave(
            bench,
            ids.enumerated().map { at, id in
                [.load(id)] + (0..<(streams[at].count - 1) / 256).map { _ in .loadMore(id) }
            }
                + ids.enumerated().map { at, id in
                    stride(from: 0, to: files[at].count, by: 150).map {
                        .read(id, offset: $0, count: 150)
                    }
                }
                + zip(others, received).map { receiving($1, $0, pieceBytes: 130) })
        var loaded = [SnapshotID: [UInt8]]()
        var read = [SnapshotID: [UInt8]]()
        var durable: [SnapshotID] = []
        for event in bench.events[before...] {
            switch event {
            case .loaded(let id, let bytes, _): loaded[id, default: []] += copy(bytes)
            case .read(let id, _, let bytes?, _): read[id, default: []] += copy(bytes)
            case .durable(let summary): durable.append(summary.id)
            case .received: break
            default: Issue.record("\(event)")
            }
        }
        for (at, id) in ids.enumerated() {
            #expect(loaded[id] == streams[at])
            #expect(read[id] == files[at])
        }
        #expect(durable.sorted() == others)
        for (id, stream) in zip(others, streams) { #expect(bench.load(id) == stream) }
    }

    /// Runs sequences of commands in a random order that keeps each sequence's own.
    private func interleave(_ bench: Bench, _ sequences: [[SnapshotCommand]]) {
        var random = SeededGenerator(seed: 5)
        var rest = sequences.map { Array($0.reversed()) }
        while !rest.allSatisfy(\.isEmpty) {
            let at = Int(random.below(UInt64(rest.count)))
            if let command = rest[at].popLast() { bench.run(command) }
        }
    }

    @Test func `too many at a time are refused by name`() {
        let bench = Bench()
        for group in 0..<64 { bench.run(.begin(someHeader(id(UInt32(group), 1)))) }
        #expect(bench.events.isEmpty)
        bench.run(.begin(someHeader(id(64, 1))))
        #expect(bench.events.last?.description.contains("too many") == true)
        // The others go on.
        bench.run(.finish(id(5, 1)))
        #expect(bench.events.last?.description.hasPrefix("durable g5@1/1") == true)
        bench.run(.begin(someHeader(id(64, 1))), .finish(id(64, 1)))
        #expect(bench.events.last?.description.hasPrefix("durable g64@1/1") == true)
        for group in 100..<164 as Range<UInt32> {
            bench.run(.receive(id(group, 1), offset: 0, shared([1]), isLast: false))
        }
        bench.run(.receive(id(164, 1), offset: 0, shared([1]), isLast: false))
        #expect(bench.events.last?.description.contains("too many") == true)
    }

    @Test func `what the queue has no room for fails in its own way`() {
        let bench = Bench()
        let file = file(noise(1000)).bytes
        func refuse(_ command: SnapshotCommand) -> [String] {
            var events: [SnapshotEvent] = []
            bench.executor.refuse(command) { events.append($0) }
            return events.map(\.description)
        }
        bench.run(.begin(someHeader()))
        let chunk = SnapshotCommand.chunk(someID, shared(noise(256)))
        #expect(refuse(chunk).first?.contains("does not keep up") == true)
        #expect(refuse(chunk).isEmpty)
        #expect(bench.disk.names.isEmpty)
        let pieces = receiving(file, pieceBytes: 300)
        bench.run(pieces[0])
        #expect(refuse(pieces[1]) == ["received g3@4660/5 up-to=300"])
        bench.run(Array(pieces[1...]))
        #expect(bench.load(someID) == noise(1000))
        #expect(
            refuse(.read(someID, offset: 0, count: 10)) == ["read g3@4660/5 offset=0 bytes=0 of=0"])
    }

    @Test func `removing ends what is read of it`() {
        let bench = Bench()
        bench.run(writing(typicalBytes(2000)))
        bench.run(.load(someID), .read(someID, offset: 0, count: 100))
        #expect(bench.disk.handles.count == 2)
        #expect(bench.run(.remove(someID)).map(\.description) == ["removed g3@4660/5"])
        #expect(bench.disk.durableNames.isEmpty && bench.disk.handles.isEmpty)
        #expect(bench.run(.loadMore(someID)).isEmpty)
        let answer = bench.run(.read(someID, offset: 100, count: 100))
        #expect(answer.map(\.description) == ["read g3@4660/5 offset=100 bytes=0 of=0"])
        #expect(bench.run(.remove(someID)).map(\.description) == ["removed g3@4660/5"])
        bench.disk.callsLeft = 0
        let refused = bench.run(.remove(someID)).map(\.description)
        #expect(refused == ["removed g3@4660/5 error=\"the disk is gone\""])
    }

    @Test func `a clean end leaves no unfinished files`() {
        let bench = Bench()
        bench.run(writing(typicalBytes(2000)))
        bench.run(
            .begin(someHeader(id(1, 1))), .load(someID), .read(someID, offset: 0, count: 10),
            .receive(id(2, 2), offset: 0, shared([1, 2]), isLast: false))
        #expect(bench.disk.names.count == 3)
        bench.executor.stop()
        #expect(bench.disk.names.keys.sorted() == [someID.fileName])
        #expect(bench.disk.handles.isEmpty)
    }
}

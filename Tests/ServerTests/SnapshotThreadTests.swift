import Bytes
import Glibc
import Raft
import Server
import Snapshot
import Testing

@Suite struct SnapshotThreadTests {
    private let id = snapshot(1, 100)
    private let stream = typicalBytes(3_000_000, seed: 1)

    @Test func `what one life wrote is listed, loaded, checked and sent in the next`() throws {
        let base = TemporaryDirectory()
        let first = try SnapshotBench(base.path)
        let summary = try #require(first.write(stream, header(id)))
        #expect(summary.chunks == 12 && summary.rawBytes == stream.count)
        #expect(first.load(id) == stream)
        first.stop()

        let directory = first.directory
        let listing = try directory.listSnapshots()
        #expect(listing.snapshots == [summary])
        #expect(listing.damaged.isEmpty && listing.leftovers == 0)
        let verified = try directory.verifySnapshot(id)
        #expect(verified == summary)
        let second = try SnapshotBench(directory)
        #expect(second.load(id) == stream)
        var file: [UInt8] = []
        while let piece = second.read(id, at: file.count, count: 100_000) {
            file += piece.bytes
            #expect(piece.of == summary.fileBytes)
            if file.count == piece.of { break }
        }
        #expect(file == contents(ofFile: directory.path(of: id.fileName)))
        let removed = second.ask(.remove(id)) { event -> Bool? in
            if case .removed(id, let error) = event { error == nil } else { nil }
        }
        #expect(removed == true)
        second.stop()
        #expect(TemporaryDirectory.names(in: base.path) == ["LOCK"])
    }

    @Test func `a process killed at any moment leaves whole snapshots and leftovers`() throws {
        let base = TemporaryDirectory()
        let bench = try SnapshotBench(base.path)
        for round in 0..<20 {
            bench.submit(writing(stream, header(snapshot(1, LogIndex(round)))))
            usleep(UInt32(round) * 700)
            // Counted first: what becomes durable while files are copied may be missing among them.
            let durable = bench.events.reduce(0) { count, event in
                if case .durable = event { count + 1 } else { count }
            }
            let copy = TemporaryDirectory()
            // Directory first: a file that is renamed meanwhile is copied under its old name.
            for name in TemporaryDirectory.names(in: base.path) where name != "LOCK" {
                guard let bytes = contents(ofFile: "\(base.path)/\(name)") else { continue }
                write(bytes, toFile: "\(copy.path)/\(name)")
            }
            let directory = try DataDirectory(path: copy.path)
            let listing = try directory.listSnapshots()
            #expect(listing.damaged.isEmpty)
            #expect(listing.snapshots.count >= min(durable, 1) && listing.leftovers <= 1)
            for summary in listing.snapshots {
                let verified = try directory.verifySnapshot(summary.id)
                #expect(verified == summary)
            }
            let names = TemporaryDirectory.names(in: copy.path)
            #expect(names.allSatisfy { $0 == "LOCK" || SnapshotID(fileName: $0) != nil })
        }
        bench.stop()
        let names = TemporaryDirectory.names(in: base.path)
        #expect(names.allSatisfy { $0 == "LOCK" || SnapshotID(fileName: $0) != nil })
    }

    @Test func `a follower fetches a snapshot over a link that keeps breaking`() throws {
        let (one, other) = (TemporaryDirectory(), TemporaryDirectory())
        let leader = try SnapshotBench(one.path)
        let follower = try SnapshotBench(other.path)
        let summary = try #require(leader.write(stream, header(id)))
        var random = SeededGenerator(seed: 4)
        var offset = 0
        var isDurable = false
        var rounds = 0
        while !isDurable, rounds < 1000 {
            rounds += 1
            let piece = try #require(leader.read(id, at: offset, count: 40_000))
            let isLast = offset + piece.bytes.count == piece.of
            // Lost; twice; or as it should be.
            let copies = Int(random.below(3))
            if copies == 0 {
                offset = Int(random.below(UInt64(offset + 1)))
                continue
            }
            let command = SnapshotCommand.receive(
                id, offset: offset, shared(piece.bytes), isLast: isLast)
            for _ in 0..<copies {
                let next = follower.ask(command) { event -> Int? in
                    switch event {
                    case .received(id, let upTo): upTo
                    case .durable(let durable) where durable == summary: -1
                    case .failed, .damaged: -2
                    default: nil
                    }
                }
                if next == -1 {
                    isDurable = true
                    break
                }
                offset = try #require(next)
                try #require(offset >= 0)
            }
        }
        #expect(isDurable)
        #expect(follower.load(id) == stream)
        follower.stop()
        leader.stop()
        let path = "/" + id.fileName
        #expect(contents(ofFile: one.path + path) == contents(ofFile: other.path + path))
    }

    @Test func `snapshots of several groups are written, loaded and sent at the same time`() throws
    {
        let base = TemporaryDirectory()
        let bench = try SnapshotBench(base.path)
        let ids = (1...4).map { snapshot($0, 7) }
        let streams = (1...4).map { typicalBytes($0 * 400_000, seed: UInt64($0)) }
        var rest = zip(ids, streams).map { Array(writing($1, header($0)).reversed()) }
        while !rest.allSatisfy(\.isEmpty) {
            for at in rest.indices { if let command = rest[at].popLast() { bench.submit(command) } }
        }
        for id in ids {
            let isDurable = bench.wait { event -> Bool? in
                if case .durable(let summary) = event, summary.id == id { true } else { nil }
            }
            #expect(isDurable == true)
        }
        // Loads that ask ahead, and reads between them.
        let before = bench.events.count
        let chunks = streams.map { ($0.count + (256 << 10) - 1) / (256 << 10) }
        for id in ids { bench.submit(.load(id)) }
        for round in 1..<chunks.max()! {
            for (at, id) in ids.enumerated() {
                if round < chunks[at] { bench.submit(.loadMore(id)) }
                bench.submit(.read(id, offset: round * 1000, count: 500))
            }
        }
        for id in ids {
            _ = bench.wait(from: before) { event -> Bool? in
                if case .loaded(id, _, true) = event { true } else { nil }
            }
        }
        for (at, id) in ids.enumerated() {
            var loaded: [UInt8] = []
            for case .loaded(id, let bytes, _) in bench.events[before...] { loaded += copy(bytes) }
            #expect(loaded == streams[at])
        }
        bench.stop()
        #expect(bench.statistics().queuedBytes == 0)
    }

    @Test func `bits flipped on the disk are found when loading, sending and checking`() throws {
        let base = TemporaryDirectory()
        let bench = try SnapshotBench(base.path)
        let summary = try #require(bench.write(stream, header(id)))
        bench.stop()
        let path = bench.directory.path(of: id.fileName)
        let good = try #require(contents(ofFile: path))
        var random = SeededGenerator(seed: 9)
        for round in 0..<30 {
            // The header, the footer, and places in between.
            let offset =
                switch round {
                case 0..<5: Int(random.below(64))
                case 5..<10: good.count - 1 - Int(random.below(64))
                default: Int(random.below(UInt64(good.count)))
                }
            var damaged = good
            damaged[offset] ^= 1 << UInt8(random.below(8))
            write(damaged, toFile: path)
            let listing = try bench.directory.listSnapshots()
            let isAtEdge = offset < 64 || offset >= good.count - 64
            #expect(listing.snapshots.isEmpty == isAtEdge)
            #expect(listing.damaged.count == (isAtEdge ? 1 : 0))
            #expect(throws: SnapshotFileError.self) { try bench.directory.verifySnapshot(id) }
            let fresh = try SnapshotBench(bench.directory)
            #expect(fresh.load(id) == nil)
            let at = max(0, offset - 100)
            #expect(fresh.read(id, at: at, count: 200) == nil)
            #expect(fresh.events.contains { $0.description.hasPrefix("damaged") })
            fresh.stop()
        }
        write(good, toFile: path)
        let verified = try bench.directory.verifySnapshot(id)
        #expect(verified == summary)
    }

    @Test func `chunks that the disk does not keep up with end the snapshot, not the memory`()
        throws
    {
        let base = TemporaryDirectory()
        let bench = try SnapshotBench(base.path)
        let chunk = shared(Array(stream[..<(256 << 10)]))
        bench.submit(.begin(header(id)))
        for _ in 0..<2000 { bench.submit(.chunk(id, chunk)) }
        #expect(bench.statistics().queuedBytes <= SnapshotLimits.queuedBytesMax)
        let reason = bench.wait { event -> String? in
            if case .failed(id, let reason) = event { reason } else { nil }
        }
        #expect(reason?.contains("does not keep up") == true)
        #expect(bench.write(stream, header(id)) != nil)
        #expect(bench.statistics().refusals > 0)
        bench.stop()
    }

    @Test func `a snapshot leaves the log its room`() throws {
        let base = TemporaryDirectory()
        let bench = try SnapshotBench(DataDirectory(path: base.path), reservedBytes: 1 << 60)
        bench.submit(writing(stream, header(id)))
        let reason = bench.wait { event -> String? in
            if case .failed(id, let reason) = event { reason } else { nil }
        }
        #expect(reason?.contains("No space left") == true)
        bench.stop()
        #expect(TemporaryDirectory.names(in: base.path) == ["LOCK"])
    }

    @Test func `pieces that there is no room for are asked for again`() throws {
        let base = TemporaryDirectory()
        let bench = try SnapshotBench(base.path)
        let large = typicalBytes(150 << 20, seed: 3)
        let whole = file(large, header(id))
        var offset = 0
        var rounds = 0
        while rounds < 50 {
            rounds += 1
            let before = bench.events.count
            for from in stride(from: offset, to: whole.count, by: 1 << 20) {
                let to = min(from + 1 << 20, whole.count)
                bench.submit(
                    .receive(
                        id, offset: from, shared(Array(whole[from..<to])), isLast: to == whole.count
                    ))
            }
            let answers = (whole.count - offset + (1 << 20) - 1) >> 20
            var isDurable = false
            for _ in 0..<30_000 {
                let events = bench.events[before...]
                isDurable = events.contains { if case .durable = $0 { true } else { false } }
                if isDurable || events.count >= answers { break }
                usleep(1000)
            }
            if isDurable { break }
            for case .received(id, let upTo) in bench.events { offset = max(offset, upTo) }
        }
        #expect(bench.events.contains { if case .durable = $0 { true } else { false } })
        bench.stop()
        let verified = try bench.directory.verifySnapshot(id)
        #expect(verified.rawBytes == large.count)
    }

    /// The file of a stream.
    private func file(_ stream: [UInt8], _ header: SnapshotHeader) -> [UInt8] {
        var bytes = ByteBuffer()
        var writer = SnapshotFileWriter(header, into: &bytes)
        for from in stride(from: 0, to: stream.count, by: header.chunkBytes) {
            writer.append(
                stream[from..<min(from + header.chunkBytes, stream.count)].span, to: &bytes)
        }
        _ = writer.finish(into: &bytes)
        return bytes.copyBytes()
    }
}

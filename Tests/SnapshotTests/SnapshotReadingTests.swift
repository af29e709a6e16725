import Bytes
import Raft
import Testing

@testable import Snapshot

@Suite struct SnapshotReadingTests {
    private let stream = typicalBytes(2500) + noise(700)

    private func benchWithSnapshot() -> (bench: Bench, file: MemoryDisk.File) {
        let bench = Bench()
        bench.run(writing(stream))
        return (bench, bench.disk.names[someID.fileName]!)
    }

    @Test(arguments: [1, 31, 64, 100, 300, 5000])
    func `the file is read in pieces of any size`(pieceBytes: Int) {
        let (bench, file) = benchWithSnapshot()
        #expect(bench.readFile(someID, pieceBytes: pieceBytes) == file.bytes)
    }

    @Test func `pieces may be read from anywhere, in any order, by several followers`() {
        let (bench, file) = benchWithSnapshot()
        var random = SeededGenerator(seed: 2)
        let size = file.bytes.count
        for _ in 0..<2000 {
            let offset = Int(random.below(UInt64(size)))
            let count = Int(random.below(700)) + 1
            let events = bench.run(.read(someID, offset: offset, count: count))
            guard case .read(someID, offset, let piece?, size)? = events.first else {
                Issue.record("\(events)")
                return
            }
            #expect(copy(piece) == Array(file.bytes[offset..<min(size, offset + count)]))
        }
        let behind = bench.run(.read(someID, offset: size, count: 1)).map(\.description)
        #expect(behind == ["read g3@4660/5 offset=\(size) bytes=0 of=0"])
    }

    @Test func `no damaged byte leaves the node`() {
        for offset in 0..<benchWithSnapshot().file.bytes.count {
            let (bench, file) = benchWithSnapshot()
            let good = file.bytes
            file.bytes[offset] ^= 1 << UInt8(offset % 8)
            var sent: [UInt8] = []
            var isFound = false
            reading: while sent.count < good.count {
                for event in bench.run(.read(someID, offset: sent.count, count: 200)) {
                    switch event {
                    case .read(_, _, let piece?, _): sent += copy(piece)
                    case .damaged: isFound = true
                    default: break reading
                    }
                }
            }
            #expect(isFound, "byte \(offset)")
            #expect(sent == Array(good[..<sent.count]))
            #expect(bench.disk.handles.isEmpty)
        }
    }

    @Test func `damage that comes between two reads is found by the second`() {
        let (bench, file) = benchWithSnapshot()
        bench.run(.read(someID, offset: 0, count: 1))
        for offset in stride(from: 0, to: file.bytes.count, by: 5) {
            let good = file.bytes[offset]
            file.bytes[offset] ^= 0x10
            let events = bench.run(
                .read(someID, offset: 0, count: file.bytes.count),
                .read(someID, offset: offset, count: 1))
            #expect(events.contains { $0.description.hasPrefix("damaged") }, "byte \(offset)")
            file.bytes[offset] = good
        }
    }

    @Test func `loading finds every flipped bit and never says that it was the last chunk`() {
        for offset in 0..<benchWithSnapshot().file.bytes.count {
            let (bench, file) = benchWithSnapshot()
            file.bytes[offset] ^= 1 << UInt8((offset + 3) % 8)
            #expect(bench.load(someID) == nil, "byte \(offset)")
            #expect(bench.events.last?.description.hasPrefix("load-failed") == true)
            #expect(bench.disk.handles.isEmpty)
            #expect(throws: SnapshotFileError.self) { _ = try bench.executor.verify(someID) }
        }
    }

    @Test func `loading delivers nothing that is not right, even when it fails later`() {
        let (bench, file) = benchWithSnapshot()
        file.bytes[file.bytes.count - 100] ^= 1
        var loaded: [UInt8] = []
        bench.run(.load(someID))
        for _ in 0..<20 { bench.run(.loadMore(someID)) }
        for case .loaded(_, let bytes, let isLast) in bench.events {
            loaded += copy(bytes)
            #expect(!isLast)
        }
        #expect(!loaded.isEmpty && loaded == Array(stream[..<loaded.count]))
        #expect(bench.events.last?.description.hasPrefix("load-failed") == true)
    }

    @Test func `an error of the disk while loading or reading says so`() {
        let (bench, _) = benchWithSnapshot()
        bench.run(.load(someID), .read(someID, offset: 0, count: 10))
        bench.disk.readError = SnapshotFileError("cannot read")
        let load = bench.run(
            .loadMore(someID), .loadMore(someID), .loadMore(someID), .loadMore(someID))
        let reason = "\(someID.fileName) can not be read: cannot read"
        #expect(
            load.last?.description == "unreadable g3@4660/5 load=true reason=\"\(reason)\"")
        let read = bench.run(.read(someID, offset: 1000, count: 10)).map(\.description)
        #expect(read.first == "unreadable g3@4660/5 load=false reason=\"\(reason)\"")
        #expect(read.count == 2)
        #expect(bench.disk.handles.isEmpty)
        #expect(bench.executor.examine(someID) == .unreadable(reason))
        // It was not said of the bytes, which are as they were.
        bench.disk.readError = nil
        #expect(bench.load(someID) == stream)
        guard case .whole = bench.executor.examine(someID) else {
            Issue.record("it is not whole")
            return
        }
    }

    @Test func `a file that is gone, and one too many, are not called damaged`() {
        let (bench, _) = benchWithSnapshot()
        let gone = SnapshotID(group: someID.group, index: 1, term: 1)
        let load = bench.run(.load(gone)).map(\.description)
        #expect(load.count == 1 && load[0].hasPrefix("unreadable g3@1/1 load=true"))
        bench.disk.names[someID.fileName]?.bytes[40] ^= 1
        #expect(bench.run(.load(someID)).last?.description.hasPrefix("load-failed") == true)
        guard case .damaged = bench.executor.examine(someID) else {
            Issue.record("it is not damaged")
            return
        }
    }

    @Test func `only so many files stay open for sending`() {
        let bench = Bench()
        for index in 1...40 {
            let id = SnapshotID(group: GroupID(1), index: LogIndex(index), term: 1)
            bench.run(writing(typicalBytes(300), someHeader(id)))
            bench.run(.read(id, offset: 0, count: 100))
        }
        #expect(bench.disk.handles.count == 16)
        for index in 1...40 {
            let id = SnapshotID(group: GroupID(1), index: LogIndex(index), term: 1)
            #expect(bench.readFile(id, pieceBytes: 50) != nil)
        }
    }
}

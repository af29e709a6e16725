import Bytes
import Testing

@testable import Raft

@Suite struct RaftLogTests {
    /// A log as an array, beside the real one. Compacted entries stay in the array.
    private struct Model {
        var entries: [(term: Term, payload: [UInt8])] = []
        var firstIndex: LogIndex = 1
        var lastIndex: LogIndex { LogIndex(entries.count) }
    }

    private func emptyLog(chunkBytes: Int = 200) -> RaftLog {
        RaftLog(restored: RestoredGroup.fresh(), chunkBytes: chunkBytes)
    }

    private func payload(of log: borrowing RaftLog, at index: LogIndex) -> [UInt8]? {
        guard let entry = log.entry(at: index) else { return nil }
        return ByteBuffer(copying: entry.payload).copyBytes()
    }

    @Test(arguments: 0..<20)
    func `the log behaves like an array of entries`(seed: Int) {
        var generator = SeededGenerator(seed: UInt64(seed))
        var log = emptyLog(chunkBytes: 100 + Int(generator.below(400)))
        var model = Model()
        var term: Term = 1
        var evictedUpTo: LogIndex = 0
        for step in 0..<600 {
            switch generator.below(20) {
            case 0: term += 1 + generator.below(3)
            case 1 where model.lastIndex > 0:
                // Not below what was evicted: that was committed.
                let least = max(evictedUpTo + 1, model.firstIndex)
                let from = least + generator.below(model.lastIndex + 2 - least)
                if from <= model.lastIndex {
                    log.truncate(from: from)
                    model.entries.removeLast(Int(model.lastIndex - from + 1))
                    term = max(model.entries.last?.term ?? 1, term)
                }
            case 2 where model.lastIndex > 0:
                let keeping = 1 + generator.below(model.lastIndex)
                log.evict(toBytes: Int(generator.below(500)), keeping: keeping)
                evictedUpTo = max(evictedUpTo, log.firstInMemory - 1)
            case 3 where model.lastIndex >= model.firstIndex:
                let count = model.lastIndex + 1 - model.firstIndex
                let index = model.firstIndex + generator.below(generator.below(4) == 0 ? count : 1)
                log.compact(upTo: index)
                model.firstIndex = index + 1
            case 4 where generator.below(10) == 0:
                // A snapshot replaces all of it.
                for _ in 0...generator.below(5) { model.entries.append((term, [])) }
                log.restart(after: model.lastIndex, term: term)
                model.firstIndex = model.lastIndex + 1
                evictedUpTo = 0
            default:
                let bytes = (0..<generator.below(40)).map { _ in
                    UInt8(truncatingIfNeeded: generator.next())
                }
                let index = log.append(term: term, kind: .commands, payload: bytes.span)
                model.entries.append((term, bytes))
                #expect(index == model.lastIndex)
            }
            log.checkInvariants()
            let (firstIndex, lastIndex) = (log.firstIndex, log.lastIndex)
            #expect(firstIndex == model.firstIndex, "step \(step)")
            #expect(lastIndex == model.lastIndex, "step \(step)")
            check(log, model, &generator)
        }
    }

    private func check(
        _ log: borrowing RaftLog, _ model: Model, _ generator: inout SeededGenerator
    ) {
        let before = model.firstIndex - 1
        let (termBefore, unknown) = (
            log.term(at: before), before > 0 && log.term(at: before - 1) != nil
        )
        #expect(termBefore == (before == 0 ? 0 : model.entries[Int(before) - 1].term))
        #expect(!unknown)
        guard model.lastIndex > before else { return }
        let index = model.firstIndex + generator.below(model.lastIndex - before)
        let term = log.term(at: index)
        #expect(term == model.entries[Int(index) - 1].term)
        let found = payload(of: log, at: index)
        if index >= log.firstInMemory {
            #expect(found == model.entries[Int(index) - 1].payload)
        } else {
            #expect(found == nil)
        }
        checkCopy(log, model, from: index, maxBytes: Int(generator.below(300)))
        checkConflict(log, model, index: index, term: generator.below(12))
    }

    private func checkCopy(
        _ log: borrowing RaftLog, _ model: Model, from index: LogIndex, maxBytes: Int
    ) {
        var buffer = ByteBuffer()
        let last = log.copyRecords(
            from: index, upTo: model.lastIndex, maxBytes: maxBytes, into: &buffer)
        guard index >= log.firstInMemory else {
            #expect(last == nil)
            return
        }
        var expected = ByteBuffer()
        var next = index
        while next <= model.lastIndex {
            let before = expected.count
            let entry = model.entries[Int(next) - 1]
            expected.appendRecord(
                index: next, term: entry.term, kind: .commands, payload: entry.payload.span)
            if expected.count > maxBytes, next > index {
                expected.truncate(to: before)
                break
            }
            next += 1
            if expected.count > maxBytes { break }
        }
        let copied = buffer.copyBytes()
        let wanted = expected.copyBytes()
        #expect(last == next - 1)
        #expect(copied == wanted)
        let fit = log.fit(from: index, upTo: model.lastIndex, maxBytes: maxBytes)
        #expect(fit?.bytes == wanted.count)
    }

    private func checkConflict(
        _ log: borrowing RaftLog, _ model: Model, index: LogIndex, term: Term
    ) {
        var expected = index
        while expected >= model.firstIndex, model.entries[Int(expected) - 1].term > term {
            expected -= 1
        }
        let found = log.lastIndex(upTo: index, notAfter: term)
        #expect(found == expected)
    }

    @Test func `an entry longer than a chunk is stored and sent alone`() {
        var log = emptyLog(chunkBytes: 100)
        let long = [UInt8](repeating: 7, count: 5000)
        _ = log.append(term: 1, kind: .commands, payload: [1].span)
        _ = log.append(term: 1, kind: .commands, payload: long.span)
        _ = log.append(term: 1, kind: .commands, payload: [2].span)
        let fit = log.fit(from: 2, upTo: 3, maxBytes: 1000)
        #expect(fit?.last == 2)
        #expect(fit?.bytes == 5028)
        log.checkInvariants()
    }

    @Test func `a restored log knows its terms without their entries`() {
        var restored = RestoredGroup()
        restored.term = 9
        restored.lastIndex = 100
        restored.termStarts = [
            TermStart(index: 1, term: 1), TermStart(index: 40, term: 4),
            TermStart(index: 90, term: 9),
        ]
        restored.tail.appendRecord(index: 100, term: 9, kind: .commands, payload: [5].span)
        let log = RaftLog(restored: restored, chunkBytes: 1000)
        log.checkInvariants()
        let terms = [log.term(at: 0), log.term(at: 39), log.term(at: 40), log.term(at: 101)]
        #expect(terms == [0, 1, 4, nil])
        let firstInMemory = log.firstInMemory
        #expect(firstInMemory == 100)
        #expect(payload(of: log, at: 99) == nil)
        #expect(payload(of: log, at: 100) == [5])
    }

    @Test func `a compacted log knows the term before its first entry`() {
        var restored = RestoredGroup()
        restored.term = 5
        restored.firstIndex = 50
        restored.precedingTerm = 3
        restored.lastIndex = 49
        let log = RaftLog(restored: restored, chunkBytes: 1000)
        let terms = [log.term(at: 48), log.term(at: 49), log.term(at: 50)]
        #expect(terms == [nil, 3, nil])
    }
}

@Suite struct EntryRecordTests {
    private func records(_ count: Int) -> [UInt8] {
        var buffer = ByteBuffer()
        for index in 1...count {
            let payload = Array("entry \(index)".utf8)
            buffer.appendRecord(
                index: LogIndex(index), term: 3, kind: .commands, payload: payload.span)
        }
        return buffer.copyBytes()
    }

    @Test func `records decode as they were encoded`() throws {
        let bytes = records(3)
        var walk = EntryRecords(bytes.span)
        var count: LogIndex = 0
        while let entry = try walk.next() {
            count += 1
            let (index, term, kind) = (entry.index, entry.term, entry.kind)
            #expect(index == count && term == 3 && kind == .commands)
        }
        #expect(count == 3)
    }

    @Test func `every flipped bit is found`() {
        let bytes = records(1)
        for bit in 0..<(bytes.count * 8) {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << (bit % 8)
            var isFound = false
            do {
                var walk = EntryRecords(damaged.span)
                while try walk.next() != nil {}
            } catch {
                isFound = true
            }
            #expect(isFound, "bit \(bit)")
        }
    }

    @Test func `every cut is found`() {
        let bytes = records(1)
        for count in 1..<bytes.count {
            var found: DecodeError?
            do {
                var walk = EntryRecords(bytes.span.extracting(0..<count))
                _ = try walk.next()
            } catch {
                found = error
            }
            #expect(found == .truncated, "cut at \(count)")
        }
    }

    @Test func `an unknown kind or version keeps its raw byte`() throws {
        var buffer = ByteBuffer()
        let nothing: [UInt8] = []
        buffer.appendRecord(index: 1, term: 1, kindRaw: 200, payload: nothing.span)
        var walk = EntryRecords(buffer.readable)
        guard let entry = try walk.next() else {
            Issue.record("no entry")
            return
        }
        let (raw, kind) = (entry.kindRaw, entry.kind)
        #expect(raw == 200)
        #expect(kind == nil)
    }
}

@Suite struct RaftMessageTests {
    static let messages: [RaftMessage] = [
        RaftMessage(term: 1, body: .preVote(lastIndex: 2, lastTerm: 3)),
        RaftMessage(term: 1, body: .preVoteReply(requested: 5, granted: true)),
        RaftMessage(term: 1, body: .vote(lastIndex: 2, lastTerm: 3, transfer: true)),
        RaftMessage(term: 1, body: .voteReply(granted: false)),
        RaftMessage(
            term: .max,
            body: .append(
                .init(
                    previousIndex: 1, previousTerm: 2, commit: 3, readRound: 4, wantsReply: true))),
        RaftMessage(
            term: 1,
            body: .appendReply(
                .init(
                    rejected: true, index: 1, hintIndex: 2, hintTerm: 3, readRound: 4, commit: 5,
                    followEpoch: 6))),
        RaftMessage(
            term: 1,
            body: .appendReply(
                .init(
                    rejected: false, index: 0, hintIndex: 2, readRound: 4, commit: 5,
                    followEpoch: 6, needsSnapshot: true))),
        RaftMessage(term: 1, body: .timeoutNow),
        RaftMessage(term: 1, body: .steppedDown(led: 1)),
        RaftMessage(term: 1, body: .probe),
        RaftMessage(term: 1, body: .probeReply(asked: 1, leads: true)),
    ]

    @Test(arguments: messages)
    func `a message decodes as it was encoded`(message: RaftMessage) throws {
        var buffer = ByteBuffer()
        message.encode(into: &buffer)
        #expect(buffer.count <= RaftMessage.encodedBytesMax)
        buffer.append("behind")
        var reader = ByteReader(buffer.readable)
        let decoded = try RaftMessage.decode(&reader)
        let remaining = reader.remaining
        #expect(decoded == message)
        #expect(remaining == 6)
    }

    @Test(arguments: messages)
    func `a cut message is refused`(message: RaftMessage) {
        var buffer = ByteBuffer()
        message.encode(into: &buffer)
        for count in 0..<buffer.count {
            var found: DecodeError?
            do {
                var reader = ByteReader(buffer.readable.extracting(0..<count))
                _ = try RaftMessage.decode(&reader)
            } catch {
                found = error
            }
            #expect(found == .truncated)
        }
    }

    @Test func `random bytes never crash the decoder`() {
        var generator = SeededGenerator(seed: 1)
        for _ in 0..<20_000 {
            var bytes = (0..<generator.below(70)).map { _ in
                UInt8(truncatingIfNeeded: generator.next())
            }
            if !bytes.isEmpty { bytes[0] = UInt8(generator.below(12)) }
            var reader = ByteReader(bytes.span)
            _ = try? RaftMessage.decode(&reader)
            _ = try? LivenessMessage.decode(bytes.span)
            var walk = EntryRecords(bytes.span)
            _ = try? walk.next() != nil
        }
    }

    @Test func `liveness messages decode as they were encoded`() throws {
        let ping = LivenessMessage.ping(
            LivenessPing(
                sender: NodeID(3), boot: 7, sendTime: Instant(nanoseconds: -5), sequence: 9))
        let pong = LivenessMessage.pong(
            LivenessPong(
                sender: NodeID(1), boot: 1, pingBoot: 2, pingTime: Instant(nanoseconds: 3),
                pingSequence: 4, followEpoch: 5, promisedAt: Instant(nanoseconds: 6),
                promise: .milliseconds(300)))
        for message in [ping, pong] {
            var buffer = ByteBuffer()
            message.encode(into: &buffer)
            let isPing = message == ping
            let expected = isPing ? LivenessPing.encodedBytes : LivenessPong.encodedBytes
            #expect(buffer.count == expected)
            let decoded = try LivenessMessage.decode(buffer.readable)
            #expect(decoded == message)
        }
    }
}

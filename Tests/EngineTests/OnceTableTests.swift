import Bytes
import Store
import Testing

@testable import Engine

@Suite struct OnceTableTests {
    private let key = SipHash(key0: 1, key1: 2)

    private func bytes(_ table: OnceTable) -> [UInt8] {
        var image = ByteBuffer()
        table.encode(into: &image)
        return image.copyBytes()
    }

    private func digest(_ table: OnceTable) -> UInt64 {
        var hash = StateHash()
        table.feed(into: &hash)
        return hash.value
    }

    private func decoded(_ image: [UInt8]) throws -> OnceTable {
        var reader = ByteReader(image.span)
        let table = try OnceTable(decoding: &reader)
        #expect(reader.remaining == 0)
        return table
    }

    private func run(
        _ table: inout OnceTable, _ session: OnceSession, _ sequence: UInt64,
        _ reply: [UInt8]? = [1], at time: Int64 = 1000
    ) -> OnceTable.Admission {
        let admission = table.admit(session, sequence, digest: sequence, at: time)
        if admission == .fresh {
            table.record(session, sequence, digest: sequence, reply: reply)
        }
        return admission
    }

    /// Random sessions, sequences, ages and limits: whatever is let go, nothing is fresh twice, what is
    /// repeated is the first answer, and an image of the table goes on as the table does.
    @Test(arguments: 0..<30) func `nothing is executed twice under random use`(seed: UInt64) throws
    {
        var random = SeededGenerator(seed: seed)
        var table = OnceTable()
        var limits = OnceTable.Limits(
            bytes: random.integer(2000...20_000), idleMilliseconds: Int64(random.integer(50...5000))
        )
        table.apply(limits)
        var time: Int64 = 1_700_000_000_000
        var sessions: [OnceSession] = []
        var answers: [OnceSession: [UInt64: [UInt8]?]] = [:]
        var counts = (fresh: 0, repeated: 0, expired: 0, behind: 0, dropped: 0)
        for step in 0..<3000 {
            time += Int64(random.below(20))
            table.expire(at: time)
            if sessions.isEmpty || random.happens(0.03) {
                // Some are opened by other groups.
                let opener = UInt32(1 + random.below(3))
                if opener == 1 {
                    sessions.append(
                        table.open(window: random.pick([1, 4, 64]), group: 1, at: time))
                } else {
                    let number = UInt64(time) * 1000 + UInt64(step)
                    sessions.append(OnceSession(group: opener, number: number, window: 8))
                }
            }
            let session = random.pick(random.happens(0.7) ? sessions.suffix(4) : sessions)
            let sequence = 1 + random.below(UInt64(1 + answers[session, default: [:]].count + 8))
            let reply: [UInt8]? =
                random.happens(0.1)
                ? nil : (0..<Int(random.below(400))).map { UInt8(truncatingIfNeeded: $0 + step) }
            switch run(&table, session, sequence, reply, at: time) {
            case .fresh:
                #expect(answers[session]?[sequence] == nil, "executed twice")
                answers[session, default: [:]][sequence] = .some(reply)
                counts.fresh += 1
            case .repeated(let first):
                #expect(answers[session]?[sequence] == .some(.some(first)))
                counts.repeated += 1
            case .answerDropped:
                #expect(answers[session]?[sequence] != nil)
                counts.dropped += 1
            case .expired: counts.expired += 1
            case .behind: counts.behind += 1
            case .mismatch: Issue.record("the digest is that of the sequence")
            }
            #expect(table.byteCount <= limits.bytes + 64 * 500)
            if random.happens(0.01) {
                limits.bytes = random.integer(2000...20_000)
                table.apply(limits)
                #expect(table.byteCount <= limits.bytes)
            }
            if random.happens(0.02) {
                let image = bytes(table)
                let again = try decoded(image)
                #expect(digest(again) == digest(table))
                #expect(bytes(again) == image)
                #expect(again.byteCount == table.byteCount && again.count == table.count)
                table = again
            }
        }
        #expect(counts.fresh > 200 && counts.repeated > 100 && counts.expired > 50)
        #expect(counts.behind > 10 && counts.dropped > 10)
    }

    @Test func `an id is read back, and no other passes for it`() {
        let session = OnceSession(group: 3, number: 1_700_000_000_000_001, window: 64)
        var buffer = ByteBuffer()
        session.write(key, into: &buffer)
        let id = buffer.copyBytes()
        #expect(id.count <= OnceSession.bytesMax)
        #expect(OnceSession(id.span, key) == session)
        #expect(OnceSession(id.span, SipHash(key0: 1, key1: 3)) == nil)
        for at in id.indices {
            var other = id
            other[at] = other[at] == UInt8(ascii: "1") ? UInt8(ascii: "2") : UInt8(ascii: "1")
            if other != id { #expect(OnceSession(other.span, key) == nil) }
            #expect(OnceSession(Array(id[..<at]).span, key) == nil)
        }
        for odd in ["", "-", "---", "0-0-0-", "1-1-1-0", "01-1-1-0000000000000000", "x"] {
            let bytes = Array(odd.utf8)
            #expect(OnceSession(bytes.span, key) == nil)
        }
        let long = [UInt8](repeating: UInt8(ascii: "1"), count: 10_000)
        #expect(OnceSession(long.span, key) == nil)
    }

    @Test func `a session that was let go is never taken in again, and neither is an older one`() {
        var table = OnceTable()
        table.apply(OnceTable.Limits(bytes: 1 << 20, idleMilliseconds: 100))
        let unused = table.open(window: 4, group: 1, at: 1)
        let session = table.open(window: 4, group: 1, at: 1)
        let other = OnceSession(group: 2, number: 5, window: 4)
        #expect(run(&table, session, 1, at: 10) == .fresh)
        #expect(run(&table, session, 1, at: 109) == .repeated([1]))
        // Due, though nothing has swept it yet.
        #expect(run(&table, session, 2, at: 209) == .expired)
        #expect(table.count == 0 && table.byteCount == 0)
        #expect(run(&table, session, 1, at: 210) == .expired)
        #expect(run(&table, unused, 1, at: 210) == .expired)
        // Numbers of other openers are numbers of their own.
        #expect(run(&table, other, 1, at: 210) == .fresh)
        let later = table.open(window: 4, group: 1, at: 1)
        #expect(later.number > session.number)
        #expect(run(&table, later, 1, at: 210) == .fresh)
    }

    @Test func `a window moves with the highest sequence, and late ones within it are taken`() {
        var table = OnceTable()
        let session = table.open(window: 4, group: 1, at: 1)
        #expect(run(&table, session, 5) == .fresh)
        #expect(run(&table, session, 1) == .behind)
        #expect(run(&table, session, 2) == .fresh)
        #expect(run(&table, session, 2) == .repeated([1]))
        #expect(run(&table, session, 6) == .fresh)
        #expect(run(&table, session, 2) == .behind)
        #expect(run(&table, session, 3) == .fresh)
        #expect(run(&table, session, 100) == .fresh)
        #expect(run(&table, session, 6) == .behind)
        #expect(table.byteCount == OnceTable.sessionBytes + OnceTable.answerBytes + 1)
    }

    @Test func `a sequence that is used for another command is refused`() {
        var table = OnceTable()
        let session = table.open(window: 4, group: 1, at: 1)
        #expect(table.admit(session, 1, digest: 7, at: 1) == .fresh)
        table.record(session, 1, digest: 7, reply: nil)
        #expect(table.admit(session, 1, digest: 8, at: 1) == .mismatch)
        #expect(table.admit(session, 1, digest: 7, at: 1) == .answerDropped)
        #expect(table.knows(session, 1))
        #expect(!table.knows(session, 2))
    }

    @Test func `the sessions go first that were silent for longest`() {
        var table = OnceTable()
        let size = OnceTable.sessionBytes + OnceTable.answerBytes + 1
        table.apply(OnceTable.Limits(bytes: 3 * size, idleMilliseconds: 1 << 40))
        let sessions = (0..<4).map { _ in table.open(window: 4, group: 1, at: 1) }
        for session in sessions[..<3] { #expect(run(&table, session, 1) == .fresh) }
        #expect(run(&table, sessions[0], 1) == .repeated([1]))
        #expect(run(&table, sessions[3], 1) == .fresh)
        #expect(table.count == 3 && table.evicted == 1)
        #expect(run(&table, sessions[1], 1) == .expired)
        #expect(run(&table, sessions[0], 1) == .repeated([1]))
        #expect(run(&table, sessions[2], 1) == .repeated([1]))
    }

    @Test func `one session's replies make room for each other, and not for ever for others`() {
        var table = OnceTable()
        table.apply(OnceTable.Limits(bytes: 80_000, idleMilliseconds: 1 << 40))
        let session = table.open(window: 1024, group: 1, at: 1)
        let reply = [UInt8](repeating: 7, count: 3000)
        for sequence in 1...10 { #expect(run(&table, session, UInt64(sequence), reply) == .fresh) }
        #expect(run(&table, session, 10) == .repeated(reply))
        #expect(run(&table, session, 8) == .repeated(reply))
        #expect(run(&table, session, 7) == .answerDropped)
        #expect(run(&table, session, 1) == .answerDropped)
    }

    @Test func `numbers go on rising when the log has lost its end`() {
        var table = OnceTable()
        let first = table.open(window: 1, group: 1, at: 1000)
        #expect(table.open(window: 1, group: 1, at: 1000).number == first.number + 1)
        var older = OnceTable()
        #expect(older.open(window: 1, group: 1, at: 1001).number > first.number + 1)
        // A clock beyond all reason wears out nothing.
        let far = older.open(window: 1, group: 1, at: .max)
        #expect(older.open(window: 1, group: 1, at: .min).number > 0)
        #expect(far.number <= UInt64(Int64.max))
    }

    @Test(arguments: 0..<200) func `a damaged image is refused or is a table`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var table = OnceTable()
        for step in 0..<20 {
            let session = table.open(window: 8, group: 1, at: 1)
            for sequence in 1...random.below(6) + 1 {
                _ = run(&table, session, sequence, [UInt8](repeating: 1, count: step), at: 5)
            }
        }
        var image = bytes(table)
        for _ in 0..<random.integer(1...3) {
            image[Int(random.below(UInt64(image.count)))] = UInt8(random.below(256))
        }
        if random.happens(0.3) { image.removeLast(Int(random.below(UInt64(image.count)))) }
        var reader = ByteReader(image.span)
        guard let damaged = try? OnceTable(decoding: &reader) else { return }
        _ = digest(damaged)
    }
}

extension SeededGenerator {
    fileprivate mutating func integer(_ range: ClosedRange<Int>) -> Int {
        Int.random(in: range, using: &self)
    }

    fileprivate mutating func happens(_ chance: Double) -> Bool {
        Double.random(in: 0..<1, using: &self) < chance
    }

    fileprivate mutating func pick<Choices: Collection>(_ choices: Choices) -> Choices.Element {
        choices.randomElement(using: &self)!
    }
}

import Bytes
import RESP
import Testing

@testable import Engine

@Suite struct CommandQueueTests {
    static let origin = Origin(node: 2, boot: 7)
    static let start = Instant(nanoseconds: 1000)

    static func session(_ number: Int) -> SessionID {
        SessionID(index: UInt32(number), generation: 0)
    }

    /// The plain list that the queue must equal.
    struct Model {
        struct Item {
            var sequence: UInt64
            var key: String
            var session: SessionID
            var isAbandoned = false
            var wasEverSent = false
        }

        var items: [Item] = []
        var next: UInt64 = 1
        var sent = 0
    }

    @Test(arguments: 0..<30) func `a queue under random use equals a plain list`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var queue = CommandQueue()
        var model = Model()
        var now = Self.start
        for step in 0..<600 {
            now = now + .milliseconds(1)
            switch random.below(12) {
            case 0..<5:
                let key = String(repeating: "k", count: Int(random.below(40))) + "\(step)"
                let sequence = append(["SET", key, "v"], to: &queue, Self.session(step), now)
                #expect(sequence == model.next)
                model.items.append(.init(sequence: sequence, key: key, session: Self.session(step)))
                model.next += 1
            case 5, 6:
                takeRun(&queue, &model, limit: 1 + Int(random.below(300)))
            case 7, 8:
                answerHead(&queue, &model, now)
            case 9:
                // Not the oldest, or answered before.
                let head = queue.head
                #expect(queue.answer(head + 1 + random.below(3), now: now) == nil)
                #expect(queue.answer(head - 1, now: now) == nil)
            case 10:
                queue.restart(now: now)
                model.sent = 0
            default:
                giveUp(&queue, &model)
            }
            check(queue, model)
        }
    }

    private func append(
        _ words: [String], to queue: inout CommandQueue, _ session: SessionID, _ now: Instant
    ) -> UInt64 {
        var bytes = ByteBuffer()
        var ranges: [ArgumentRange] = []
        for word in words {
            ranges.append(ArgumentRange(offset: bytes.count, count: word.utf8.count))
            bytes.append(word)
        }
        return queue.append(
            Request(bytes: bytes.readable, ranges: ranges.span), flags: [], database: 3,
            session: session, now: now)
    }

    private func takeRun(_ queue: inout CommandQueue, _ model: inout Model, limit: Int) {
        var output = ByteBuffer()
        let taken = queue.takeRun(origin: Self.origin, limit: limit, into: &output)
        #expect(taken == (model.sent < model.items.count))
        guard taken else { return }
        var reader = ByteReader(output.readable)
        do throws(DecodeError) {
            let header = try RunHeader(from: &reader)
            #expect(header.origin == Self.origin)
            #expect(header.floor == model.items[0].sequence)
            #expect(header.first == model.items[model.sent].sequence)
            for _ in 0..<header.count {
                let command = try LoggedCommand(from: &reader)
                var decoder = ArgumentDecoder()
                _ = try decoder.decode(command.arguments)
                let request = decoder.request(over: command.arguments)
                let key = request[1].text
                let (flags, database) = (command.flags, command.database)
                #expect(key == model.items[model.sent].key)
                #expect(database == 3)
                #expect(flags.contains(.abandoned) == model.items[model.sent].isAbandoned)
                model.items[model.sent].wasEverSent = true
                model.sent += 1
            }
            let rest = reader.remaining
            #expect(rest == 0)
        } catch {
            Issue.record("a run does not decode: \(error)")
        }
    }

    private func answerHead(_ queue: inout CommandQueue, _ model: inout Model, _ now: Instant) {
        // Only what was sent can be answered.
        guard let first = model.items.first, first.wasEverSent else { return }
        let item = queue.answer(first.sequence, now: now)
        #expect(item?.session == first.session)
        model.items.removeFirst()
        model.sent = max(0, model.sent - 1)
    }

    private func giveUp(_ queue: inout CommandQueue, _ model: inout Model) {
        let expected = model.items.firstIndex { $0.session != .none }
        let found = queue.oldestAwaited
        #expect(found?.session == expected.map { model.items[$0].session })
        guard let at = expected else { return }
        let (item, neverSent) = queue.giveUp()
        #expect(item.session == model.items[at].session)
        #expect(neverSent == !model.items[at].wasEverSent)
        if at == 0, neverSent {
            model.items.removeFirst()
        } else {
            model.items[at].session = .none
            model.items[at].isAbandoned = true
        }
    }

    private func check(_ queue: borrowing CommandQueue, _ model: Model) {
        let (count, sent, head) = (queue.count, queue.sent, queue.head)
        #expect(count == model.items.count)
        #expect(sent == model.sent)
        #expect(head == model.items.first?.sequence ?? model.next)
        let awaited = queue.oldestAwaited?.session
        #expect(awaited == model.items.first { $0.session != .none }?.session)
    }

    @Test func `a command that was sent once is uncertain for ever`() {
        var queue = CommandQueue()
        var output = ByteBuffer()
        _ = append(["INCR", "a"], to: &queue, Self.session(1), Self.start)
        _ = append(["INCR", "b"], to: &queue, Self.session(2), Self.start)
        _ = queue.takeRun(origin: Self.origin, limit: 1, into: &output)
        queue.restart(now: Self.start)
        let first = queue.giveUp()
        let second = queue.giveUp()
        #expect(!first.neverSent)
        #expect(second.neverSent)
        let count = queue.count
        // Both keep their places: behind the first, the second's sequence must be settled too.
        #expect(count == 2)
    }

    @Test func `a large reference is told apart by its flag`() throws {
        var queue = CommandQueue()
        var output = ByteBuffer()
        let reference = LargeReference(command: 9, length: 1 << 33)
        _ = queue.append(
            reference, flags: .resp3, database: 0, session: Self.session(1), now: Self.start)
        _ = queue.takeRun(origin: Self.origin, limit: 100, into: &output)
        var reader = ByteReader(output.readable)
        _ = try RunHeader(from: &reader)
        let command = try LoggedCommand(from: &reader)
        let flags = command.flags
        #expect(flags == [.resp3, .large])
        let decoded = try LargeReference(decoding: command.arguments)
        #expect(decoded == reference)
    }

    @Test func `many commands are given up in one pass`() {
        var queue = CommandQueue()
        var output = ByteBuffer()
        for number in 0..<20_000 {
            _ = append(["SET", "k", "v"], to: &queue, Self.session(number), Self.start)
        }
        _ = queue.takeRun(origin: Self.origin, limit: .max, into: &output)
        var given = 0
        let clock = ContinuousClock()
        let elapsed = clock.measure {
            while queue.oldestAwaited != nil {
                _ = queue.giveUp()
                given += 1
            }
        }
        #expect(given == 20_000)
        // Quadratic work would take a minute.
        #expect(elapsed < .seconds(10))
    }
}

import Bytes
import Store
import Testing

@testable import Engine

@Suite struct ReplyWindowsTests {
    /// What the windows must remember of one node.
    struct Model {
        var boot: UInt64
        var last: UInt64 = 0
        /// The replies that are kept, oldest first; nil where one was too large to keep.
        var kept: [(sequence: UInt64, reply: [UInt8]?)] = []
        var bytes: Int { kept.reduce(0) { $0 + ($1.reply?.count ?? 0) } }
    }

    private func record(
        _ reply: [UInt8], _ sequence: UInt64, _ origin: Origin, in windows: inout ReplyWindows
    ) {
        var buffer = ByteBuffer()
        buffer.append("before")
        let start = buffer.count
        buffer.append(reply)
        windows.record(sequence, origin: origin, reply: buffer, from: start)
    }

    private func reply(
        of sequence: UInt64, _ origin: Origin, in windows: inout ReplyWindows
    ) -> [UInt8] {
        var buffer = ByteBuffer()
        windows.appendReply(of: sequence, origin: origin, to: &buffer)
        return buffer.copyBytes()
    }

    @Test(arguments: 0..<20) func `windows under random use equal a plain list`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var windows = ReplyWindows()
        var models: [UInt16: Model] = [:]
        let limit = EngineLimits.replyWindowBytesMax
        for step in 0..<1500 {
            let node = UInt16(1 + random.below(3))
            var model = models[node] ?? Model(boot: 1)
            if models[node] == nil { models[node] = model }
            var boot = model.boot
            switch random.below(100) {
            case 0: boot += 1
            case 1, 2: boot = max(1, boot - 1)
            default: break
            }
            let origin = Origin(node: node, boot: boot)
            if boot > model.boot { model = Model(boot: boot) }
            // Mostly the next one, sometimes a repetition, sometimes after a gap.
            let sequence =
                switch random.below(10) {
                case 0..<6: model.last + 1
                case 6..<9: max(1, model.last + 1 - min(model.last, random.below(20)))
                default: model.last + 1 + random.below(3)
                }
            let floor =
                random.below(3) == 0
                ? max(1, sequence - min(sequence - 1, random.below(30)))
                : model.kept.first?.sequence
                    ?? sequence
            let arrival = windows.arrival(
                of: sequence, origin: origin, floor: min(floor, sequence))
            if boot < model.boot {
                #expect(arrival == .forgotten)
                continue
            }
            model.kept.removeAll { $0.sequence < min(floor, sequence) }
            if sequence > model.last {
                #expect(arrival == .fresh, "step \(step)")
                // Now and then a large one, so that the byte bound is met.
                let size =
                    switch random.below(20) {
                    case 0: Int(random.below(UInt64(limit / 3)))
                    case 1: limit / 4
                    default: Int(random.below(60))
                    }
                let reply = [UInt8](repeating: UInt8(truncatingIfNeeded: step), count: size)
                record(reply, sequence, origin, in: &windows)
                if let last = model.kept.last, last.sequence + 1 != sequence { model.kept = [] }
                model.last = sequence
                if size > limit / 4 {
                    model.kept.append((sequence, nil))
                } else {
                    while model.bytes + size > limit { model.kept.removeFirst() }
                    model.kept.append((sequence, reply))
                }
            } else if let kept = model.kept.first(where: { $0.sequence == sequence }),
                let expected = kept.reply
            {
                #expect(arrival == .repeated, "step \(step)")
                let told = self.reply(of: sequence, origin, in: &windows)
                #expect(told == expected)
            } else {
                #expect(arrival == .forgotten, "step \(step)")
            }
            #expect(model.bytes <= limit)
            models[node] = model
        }
    }

    @Test func `an earlier start of a process is never executed`() {
        var windows = ReplyWindows()
        let old = Origin(node: 1, boot: 1)
        let new = Origin(node: 1, boot: 2)
        #expect(windows.arrival(of: 1, origin: old, floor: 1) == .fresh)
        record([1], 1, old, in: &windows)
        #expect(windows.arrival(of: 1, origin: new, floor: 1) == .fresh)
        record([2], 1, new, in: &windows)
        #expect(windows.arrival(of: 2, origin: old, floor: 1) == .forgotten)
        #expect(windows.arrival(of: 1, origin: new, floor: 1) == .repeated)
        #expect(reply(of: 1, new, in: &windows) == [2])
    }

    @Test func `a window holds at most its bytes and forgets the oldest first`() {
        var windows = ReplyWindows()
        let origin = Origin(node: 1, boot: 1)
        let size = EngineLimits.replyWindowBytesMax / 4
        for sequence in 1...10 as ClosedRange<UInt64> {
            #expect(windows.arrival(of: sequence, origin: origin, floor: 1) == .fresh)
            record([UInt8](repeating: UInt8(sequence), count: size), sequence, origin, in: &windows)
        }
        for sequence in 1...6 as ClosedRange<UInt64> {
            #expect(windows.arrival(of: sequence, origin: origin, floor: 1) == .forgotten)
        }
        for sequence in 7...10 as ClosedRange<UInt64> {
            #expect(windows.arrival(of: sequence, origin: origin, floor: 1) == .repeated)
            #expect(reply(of: sequence, origin, in: &windows).first == UInt8(sequence))
        }
    }

    @Test func `a reply too large to keep is executed once and its repetition is forgotten`() {
        var windows = ReplyWindows()
        let origin = Origin(node: 1, boot: 1)
        let large = [UInt8](repeating: 1, count: EngineLimits.replyWindowBytesMax / 4 + 1)
        _ = windows.arrival(of: 1, origin: origin, floor: 1)
        record([7], 1, origin, in: &windows)
        _ = windows.arrival(of: 2, origin: origin, floor: 1)
        record(large, 2, origin, in: &windows)
        _ = windows.arrival(of: 3, origin: origin, floor: 1)
        record([9], 3, origin, in: &windows)
        #expect(windows.arrival(of: 1, origin: origin, floor: 1) == .repeated)
        #expect(windows.arrival(of: 2, origin: origin, floor: 1) == .forgotten)
        #expect(windows.arrival(of: 3, origin: origin, floor: 1) == .repeated)
        #expect(reply(of: 3, origin, in: &windows) == [9])
    }

    @Test func `equal histories give equal digests and different ones do not`() {
        func digest(_ replies: [[UInt8]]) -> UInt64 {
            var windows = ReplyWindows()
            let origin = Origin(node: 1, boot: 1)
            for (index, reply) in replies.enumerated() {
                let sequence = UInt64(index + 1)
                _ = windows.arrival(of: sequence, origin: origin, floor: 1)
                record(reply, sequence, origin, in: &windows)
            }
            var hash = StateHash(seed: 1)
            windows.feed(into: &hash)
            return hash.value
        }
        #expect(digest([[1], [2, 3]]) == digest([[1], [2, 3]]))
        #expect(digest([[1], [2, 3]]) != digest([[1, 2], [3]]))
    }

    @Test func `a repetition of many commands is answered in one pass`() {
        var windows = ReplyWindows()
        let origin = Origin(node: 1, boot: 1)
        for sequence in 1...20_000 as ClosedRange<UInt64> {
            _ = windows.arrival(of: sequence, origin: origin, floor: 1)
            record([43, 79, 75], sequence, origin, in: &windows)
        }
        var buffer = ByteBuffer()
        let elapsed = ContinuousClock().measure {
            for sequence in 1...20_000 as ClosedRange<UInt64> {
                guard windows.arrival(of: sequence, origin: origin, floor: 1) == .repeated else {
                    return
                }
                windows.appendReply(of: sequence, origin: origin, to: &buffer)
            }
        }
        let count = buffer.count
        #expect(count == 60_000)
        #expect(elapsed < .seconds(10))
    }
}

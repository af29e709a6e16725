import Bytes
import Testing

@testable import Simulator

@Suite struct `Virtual network` {
    /// Runs the wishes of a network in order of time until none is left.
    struct Runner {
        var network: VirtualNetwork
        var queue = EventQueue<VirtualNetwork.Wish>()
        var now = Moment.zero
        var received: [[UInt8]] = [[], []]
        var ended = [false, false]
        var broken = [false, false]
        var opened = 0
        var refused = 0

        init(_ options: NetworkOptions = NetworkOptions(), seed: UInt64 = 1) {
            network = VirtualNetwork(
                nodes: 3, options: options, random: SeededGenerator(seed: seed))
        }

        mutating func run(until end: Moment = .never) {
            while true {
                for (wish, time) in network.takeWishes() { queue.schedule(wish, at: time) }
                guard let time = queue.nextTime, time <= end, let next = queue.next() else { break }
                now = next.time
                switch next.event {
                case .arrival(let connection, let side):
                    switch network.takeArrival(connection, at: side, now: now) {
                    case .nothing: break
                    case .bytes(let bytes): received[side] += bytes
                    case .end: ended[side] = true
                    }
                case .dialEnds(let connection):
                    if network.dialEnds(connection, acceptor: 1) {
                        opened += 1
                    } else {
                        refused += 1
                    }
                case .broken(let connection, let side):
                    if network.noticeBroken(connection, at: side) { broken[side] = true }
                case .heldFrame(let connection, let side):
                    network.releaseHeldFrame(connection, towards: side, now: now)
                case .liveness: break
                }
            }
            if end != .never { now = end }
        }

        mutating func open() -> Int {
            let number = network.dial(
                from: .node(1), life: 1, to: .node(2), isPeerLink: true, now: now)
            run()
            return number
        }
    }

    @Test func `bytes arrive whole and in order, however they are split`() {
        var options = NetworkOptions()
        options.splitChance = 0.5
        options.windowBytes = 300
        var runner = Runner(options)
        let link = runner.open()
        #expect(runner.opened == 1)
        var sent: [UInt8] = []
        for i in 0..<200 {
            let chunk = [UInt8](repeating: UInt8(i), count: 1 + i % 97)
            sent += chunk
            runner.network.send(chunk, over: link, towards: 1, now: runner.now)
        }
        #expect(runner.network.unsentBytes(link, towards: 1) > 0)
        runner.run()
        #expect(runner.received[1] == sent)
        runner.network.close(link, by: 0, now: runner.now)
        runner.run()
        #expect(runner.ended[1])
    }

    @Test func `a blocked direction holds what is in flight until it is opened`() {
        var runner = Runner()
        let link = runner.open()
        runner.network.block(from: 1, to: 2)
        runner.network.send([1, 2, 3], over: link, towards: 1, now: runner.now)
        runner.network.send([4], over: link, towards: 0, now: runner.now)
        runner.run()
        #expect(runner.received[1].isEmpty)
        #expect(runner.received[0] == [4])
        runner.network.unblock(from: 1, to: 2, now: runner.now)
        runner.run()
        #expect(runner.received[1] == [1, 2, 3])
        #expect(runner.network.counts[.framesHeld] > 0)
    }

    @Test func `all that was held arrives after the opening, and nothing lags behind`() {
        var runner = Runner()
        let link = runner.open()
        runner.network.block(from: 1, to: 2)
        for byte in 1...9 as ClosedRange<UInt8> {
            runner.network.send([byte], over: link, towards: 1, now: runner.now)
        }
        runner.run()
        runner.network.unblock(from: 1, to: 2, now: runner.now)
        runner.run()
        #expect(runner.received[1] == [1, 2, 3, 4, 5, 6, 7, 8, 9])
        runner.network.send([10], over: link, towards: 1, now: runner.now)
        runner.run()
        #expect(runner.received[1].last == 10)
    }

    @Test func `a broken connection loses what is in flight and both sides learn of it`() {
        var runner = Runner()
        let link = runner.open()
        runner.network.send([1, 2, 3], over: link, towards: 1, now: runner.now)
        runner.network.breakConnection(link, now: runner.now, halfOpenChance: 0)
        runner.run()
        #expect(runner.received[1].isEmpty)
        #expect(runner.broken == [true, true])
        #expect(runner.network.live.isEmpty)
    }

    @Test func `nobody connects over a blocked direction`() {
        var runner = Runner()
        runner.network.block(from: 2, to: 1)
        _ = runner.open()
        #expect(runner.refused == 1)
        #expect(runner.network.counts[.dialRefused] == 1)
    }

    @Test func `a side that stops reading gets the rest when it resumes`() {
        var runner = Runner()
        let link = runner.open()
        runner.network.setReading(false, link, at: 1, now: runner.now)
        runner.network.send([9, 9], over: link, towards: 1, now: runner.now)
        runner.run()
        #expect(runner.received[1].isEmpty)
        runner.network.setReading(true, link, at: 1, now: runner.now)
        runner.run()
        #expect(runner.received[1] == [9, 9])
    }

    @Test func `the interposer drops, doubles and reorders whole frames only`() {
        func frame(_ number: Int) -> [UInt8] {
            let body = [UInt8](repeating: UInt8(number), count: 5 + number % 40)
            return [UInt8(body.count), 0, 0, 0] + body
        }
        var stream = Array("SKEINPR1".utf8)
        for number in 0..<250 { stream += frame(number) }
        var interposer = FrameInterposer()
        var random = SeededGenerator(seed: 11)
        var counts = FaultCounts()
        var out: [UInt8] = []
        var position = 0
        while position < stream.count {
            let length = min(stream.count - position, random.integer(1...60))
            let parts = interposer.pass(
                Array(stream[position..<position + length]),
                faults: FrameFaults(drop: 0.1, duplicate: 0.1, reorder: 0.1), random: &random,
                counts: &counts)
            for part in parts { out += part }
            position += length
        }
        if let held = interposer.releaseHeld() { out += held }
        #expect(out.starts(with: Array("SKEINPR1".utf8) + frame(0)))
        var seen = [Int](repeating: 0, count: 250)
        var disorder = 0
        var last = -1
        position = 8
        while position < out.count {
            let length = Int(out[position])
            let number = Int(out[position + 4])
            #expect(Array(out[position..<position + 4 + length]) == frame(number))
            seen[number] += 1
            if number < last { disorder += 1 }
            last = number
            position += 4 + length
        }
        #expect(seen.filter { $0 == 0 }.count == counts[.frameDropped])
        #expect(seen.filter { $0 == 2 }.count == counts[.frameDuplicated])
        #expect(disorder > 0)
        #expect(counts[.frameReordered] > 0)
    }
}

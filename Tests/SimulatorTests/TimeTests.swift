import Bytes
import Testing

@testable import Simulator

@Suite struct `Virtual time` {
    @Test func `events come by time, and in the order of scheduling at equal times`() {
        var queue = EventQueue<Int>()
        var random = SeededGenerator(seed: 7)
        var expected: [(Int64, Int)] = []
        for number in 0..<2000 {
            let time = Int64(random.below(50))
            expected.append((time, number))
            queue.schedule(number, at: Moment(nanoseconds: time))
        }
        expected.sort { ($0.0, $0.1) < ($1.0, $1.1) }
        for (time, number) in expected {
            let next = queue.next()
            #expect(next?.time == Moment(nanoseconds: time))
            #expect(next?.event == number)
        }
        #expect(queue.next() == nil)
    }

    @Test func `a boot clock with a rate error reaches an instant when it says so`() {
        for ppm: Int64 in [-5000, -1, 0, 3, 777, 5000] {
            var clock = NodeClock(ratePPM: ppm, bootOffset: .seconds(9))
            let now = Moment(nanoseconds: 123_456_789_012)
            clock.setRate(ppm: ppm * 2 / 3, at: Moment(nanoseconds: 77_000_000_001))
            let target = clock.reading(at: now).boot + .milliseconds(317)
            let moment = clock.moment(of: target, notBefore: now)
            #expect(clock.reading(at: moment).boot >= target)
            let error = (clock.reading(at: moment).boot - target).nanoseconds
            #expect(error < 1000, "late by \(error) ns")
        }
    }

    @Test func `a boot clock never goes back when its rate changes`() {
        var clock = NodeClock(ratePPM: 900)
        var random = SeededGenerator(seed: 3)
        var last = clock.reading(at: .zero).boot
        var now = Moment.zero
        for _ in 0..<1000 {
            now = now + Interval(nanoseconds: Int64(random.below(5_000_000)))
            #expect(clock.reading(at: now).boot >= last)
            last = clock.reading(at: now).boot
            clock.setRate(ppm: Int64(random.integer(-3000...3000)), at: now)
            #expect(clock.reading(at: now).boot >= last)
        }
    }

    @Test func `a wall clock jumps and is healed without touching the boot clock`() {
        var clock = NodeClock()
        let now = Moment(nanoseconds: 5_000_000_000)
        let before = clock.reading(at: now)
        clock.jumpWall(milliseconds: -3000)
        #expect(clock.reading(at: now).wall == before.wall - 3000)
        #expect(clock.reading(at: now).boot == before.boot)
        clock.healWall()
        #expect(clock.reading(at: now) == before)
    }
}

internal import Bytes

/// How fast a queue is answered, and so how long a command that joins it now will wait.
///
/// Only a queue that is long says anything about that: when little waits, little is answered. So the
/// rate is taken while commands wait long, over stretches in which answers come, and forgotten when they
/// do not wait long any more. A pause without any answer (a failover, a stalled disk) is no rate: what
/// comes in meanwhile is taken as before, up to the bytes that the queue may hold. So a failover
/// stays a pause.
///
/// So a sudden overload is noticed when a command has waited for a quarter of the limit. With ten times of
/// what can be served, what comes in until then is answered late, once.
///
/// A function of the readings that events bring; there is no clock here.
struct AnswerRate: Equatable {
    /// Commands that wait for less are not waiting for others, but for the disk: with a slow one a command
    /// waits for up to two of its syncs, however many it could answer with one.
    static let waitMin = Interval.milliseconds(50)
    /// Answers are counted over so long at least: several entries of the log.
    static let stretch = Interval.milliseconds(20)
    /// Answers that are further apart have a pause between them.
    static let pause = Interval.milliseconds(100)
    /// A rate that no answer has confirmed for so long is none.
    static let lifetime = Interval.seconds(1)

    /// Work per second; nil while nobody waits long.
    private(set) var perSecond: Double?
    private var answeredAt = Instant(nanoseconds: .min)
    private var stretchBegan = Instant(nanoseconds: 0)
    private var work = 0

    /// A command was answered.
    ///
    /// - Parameters:
    ///   - work: what it was in the queue, in the queue's own measure.
    ///   - waited: for how long.
    ///   - limit: the wait beyond which commands are refused: a quarter of it makes a long queue.
    mutating func answered(_ work: Int, waited: Interval, limit: Interval, now: Instant) {
        if answeredAt.nanoseconds == .min || answeredAt + Self.pause < now {
            // The first answer only ends the pause.
            stretchBegan = now
            self.work = 0
            answeredAt = now
            return
        }
        answeredAt = now
        self.work += work
        let elapsed = now - stretchBegan
        guard elapsed >= Self.stretch else { return }
        if waited >= max(Self.waitMin, Interval(nanoseconds: limit.nanoseconds / 4)) {
            let sample = Double(self.work) / elapsed.inSeconds
            perSecond = perSecond.map { $0 + 0.3 * (sample - $0) } ?? sample
        } else {
            perSecond = nil
        }
        stretchBegan = now
        self.work = 0
    }

    /// How long `work` takes at the present rate; nil when there is none.
    func wait(for work: Int, now: Instant) -> Interval? {
        guard let perSecond, perSecond > 0, answeredAt + Self.lifetime >= now else { return nil }
        let seconds = min(Double(work) / perSecond, 3600)
        return .microseconds(Int64(seconds * 1_000_000))
    }
}

extension Interval {
    fileprivate var inSeconds: Double { Double(nanoseconds) / 1_000_000_000 }
}

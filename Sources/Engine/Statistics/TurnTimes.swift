internal import Bytes

/// How long the loop's turns take, from the reading of their first event to what the host tells when
/// everything is carried out: the time in which a turn can answer nobody else. Waiting for events is
/// none of it.
struct TurnTimes {
    /// Turns that had an event.
    private(set) var count: Int64 = 0
    private(set) var total = Interval(nanoseconds: 0)
    private(set) var longest = Interval(nanoseconds: 0)
    /// The most processor time of one turn: the rest of a turn the loop's thread was waiting for a processor.
    private(set) var busiest = Interval(nanoseconds: 0)
    /// When the present turn began; nil before its first event.
    private var start: Instant?

    /// An event, which may be the turn's first.
    mutating func begin(at now: Instant) {
        if start == nil { start = now }
    }

    /// - Parameter used: processor time of the loop's thread since the turn before ended.
    mutating func end(at now: Instant, used: Interval) {
        guard let start else { return }
        self.start = nil
        let time = max(now - start, Interval(nanoseconds: 0))
        count += 1
        total = total + time
        longest = max(longest, time)
        busiest = max(busiest, min(used, time))
    }
}

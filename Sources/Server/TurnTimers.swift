internal import Bytes
internal import UV

/// What makes the loop turn, besides its sockets: the engine's deadline, work left over, and a
/// regular beat. Loop thread only.
final class TurnTimers {
    /// Runs at the end of each turn, before the loop sleeps.
    var onTurn: (() -> Void)?
    /// Runs about once a second.
    var onSecond: (() -> Void)?

    private var prepare: Prepare?
    private var deadline: Timer
    private var beat: Timer?
    private let insomnia: Insomnia
    private var scheduled = Instant.distantFuture
    private var beats = 0

    init(_ loop: Loop) {
        // Nothing to do: that it fires ends the sleep, and the turn does the rest.
        deadline = Timer(loop) {}
        insomnia = Insomnia(loop)
        prepare = Prepare(loop) { [unowned self] in onTurn?() }
        beat = Timer(loop) { [unowned self] in beaten() }
        beat?.start(after: ServerLimits.idleTurn, every: ServerLimits.idleTurn)
    }

    private func beaten() {
        beats += 1
        if beats.isMultiple(of: 2) { onSecond?() }
    }

    /// Lets the loop sleep until `instant` at most, or not at all.
    func sleep(until instant: Instant, now: Instant, hasMoreWork: Bool) {
        insomnia.isAwake = hasMoreWork
        // Most turns leave the deadline where it was; a timer that has fired needs a new start.
        guard instant != scheduled || !deadline.isActive else { return }
        scheduled = instant
        if instant == .distantFuture {
            deadline.stop()
        } else {
            deadline.start(after: max(instant - now, Interval(nanoseconds: 0)))
        }
    }

    func close() {
        prepare?.close()
        deadline.close()
        beat?.close()
        insomnia.close()
        onTurn = nil
        onSecond = nil
    }
}

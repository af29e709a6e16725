import Simulator
import Synchronization

/// What the clients' thread and the thread of the faults tell each other.
final class FleetBoard: Sendable {
    /// What a member says of the data group, when it was asked last.
    struct Sighting: Sendable {
        var heard: Moment?
        var leads = false
        var term: UInt64 = 0
        var applied: UInt64 = 0
    }

    /// What clients had to bear since it was asked last.
    struct Waits: Sendable {
        /// The longest time without any answer that shows a majority, in seconds.
        var silence = 0.0
        /// The longest time in which no member said that it leads, in seconds.
        var leaderless = 0.0
        /// New terms.
        var terms: UInt64 = 0
    }

    struct Totals: Sendable {
        var answered = 0
        var rejected = 0
        var unknown = 0
        /// How often, and how long in all, this program itself was kept from running.
        var stalls = 0
        var stalledSeconds = 0.0
    }

    /// What the checkers found in the end.
    struct Verdict: Sendable {
        var violations: [String] = []
        var undecided = 0
        var objects: [String] = []
    }

    private struct State {
        var isEnding = false
        var sightings: [Sighting]
        var lastAnswer = TrueTime.now
        var lastLeader = TrueTime.now
        var waits = Waits()
        var maxTerm: UInt64 = 0
        var termBefore: UInt64 = 0
        var totals = Totals()
        var verdict: Verdict?
    }

    private let state: Mutex<State>

    init(members: Int) {
        state = Mutex(State(sightings: Array(repeating: Sighting(), count: members)))
    }

    // MARK: The clients' side

    /// A call ended.
    func note(_ outcome: Outcome, at now: Moment) {
        state.withLock { state in
            switch outcome {
            case .reply:
                state.totals.answered += 1
                let silence = now.seconds - state.lastAnswer.seconds
                state.waits.silence = max(state.waits.silence, silence)
                state.lastAnswer = now
            case .rejected: state.totals.rejected += 1
            case .unknown: state.totals.unknown += 1
            }
        }
    }

    /// A member answered what it is.
    func note(_ sighting: Sighting, of member: Int, at now: Moment) {
        state.withLock { state in
            state.sightings[member] = sighting
            state.maxTerm = max(state.maxTerm, sighting.term)
            guard sighting.leads, sighting.term >= state.maxTerm else { return }
            let wait = now.seconds - state.lastLeader.seconds
            state.waits.leaderless = max(state.waits.leaderless, wait)
            state.lastLeader = max(state.lastLeader, now)
        }
    }

    /// This program did not run for a while, so most likely nobody did: a machine that stands still says
    /// nothing about the cluster. Waits are counted from its end.
    func noteStall(since begin: Moment, at now: Moment) {
        state.withLock { state in
            state.totals.stalls += 1
            state.totals.stalledSeconds += now.seconds - begin.seconds
            state.lastAnswer = max(state.lastAnswer, now)
            state.lastLeader = max(state.lastLeader, now)
        }
    }

    var isEnding: Bool { state.withLock { $0.isEnding } }

    func finish(_ verdict: Verdict) { state.withLock { $0.verdict = verdict } }

    // MARK: The side of the faults

    /// No further calls: what is under way ends, everything is read once more, the checkers judge.
    func beginEnd() { state.withLock { $0.isEnding = true } }

    var verdict: Verdict? { state.withLock { $0.verdict } }
    var totals: Totals { state.withLock { $0.totals } }
    var sightings: [Sighting] { state.withLock { $0.sightings } }

    /// The member that leads in the highest term, by number from 1.
    var leader: Int? {
        state.withLock { state in
            state.sightings.indices.filter { state.sightings[$0].leads }
                .max { state.sightings[$0].term < state.sightings[$1].term }
                .map { $0 + 1 }
        }
    }

    /// The waits since this was asked last; one that goes on counts as far as it has come.
    func takeWaits() -> Waits {
        state.withLock { state in
            let now = TrueTime.now.seconds
            var waits = state.waits
            waits.silence = max(waits.silence, now - state.lastAnswer.seconds)
            waits.leaderless = max(waits.leaderless, now - state.lastLeader.seconds)
            waits.terms = state.maxTerm - state.termBefore
            state.termBefore = state.maxTerm
            state.waits = Waits()
            return waits
        }
    }
}

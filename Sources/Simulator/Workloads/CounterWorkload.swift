public import Bytes

/// INCR and GET. Beside linearizability it counts: the last value lies between the acknowledged
/// increments and those plus the increments of unknown outcome.
public final class CounterWorkload: Workload {
    public let name = "counter"
    private var journal = Journal<CounterModel>()
    private var objects: RotatingObjects
    private var broken: [Violation] = []

    public init(keys: Int) { objects = RotatingObjects(active: keys, usesMax: 120) }

    private func key(_ object: Int) -> String { "counter:\(object)" }

    public func step(session: Int, now: Moment, random: inout SeededGenerator) -> Call {
        let object = objects.pick(&random)
        if random.happens(0.65) { return increment(on: object, session: session, now: now) }
        let token = journal.began(.get, on: object, session: session, now: now)
        return Call(ClientCommand("GET", key(object)), token: token)
    }

    /// An increment of one object; scenarios use it directly.
    public func increment(on object: Int, session: Int, now: Moment) -> Call {
        let token = journal.began(.increment, on: object, session: session, now: now)
        return Call(ClientCommand("INCR", key(object)), token: token)
    }

    public func finish(_ token: Int, _ outcome: Outcome, now: Moment) {
        switch (journal.items[token].entry.call, outcome) {
        case (_, .rejected): journal.rejected(token)
        case (_, .unknown): journal.unknown(token)
        case (.increment, .reply(.integer(let value))):
            journal.answered(token, value, now: now)
        case (.get, .reply(.null)):
            journal.answered(token, 0, now: now)
        case (let call, .reply(let reply)):
            if call == .get, case .bulk = reply, let value = reply.number {
                journal.answered(token, value, now: now)
            } else {
                journal.unknown(token)
                broken.append(Violation(name, "\(call) was answered by \(reply.summary)"))
            }
        }
    }

    public func beginAnew() { objects.beginAnew() }

    public func finalRead(_ number: Int, session: Int, now: Moment) -> Call? {
        let object = objects.firstCounted + number
        guard object < objects.count else { return nil }
        let token = journal.began(.get, on: object, session: session, now: now)
        return Call(ClientCommand("GET", key(object)), token: token)
    }

    public func check() -> WorkloadVerdict {
        var verdict = journal.verdict()
        verdict.violations = broken
        for (object, history) in journal.histories() {
            checkSum(object, history, &verdict)
            if object < objects.firstCounted { continue }
            let prepared = Preparation.counter(history)
            switch Linearizability<CounterModel>.check(prepared) {
            case .linearizable: break
            case .undecided: verdict.undecided += 1
            case .impossible(_, let stuck):
                verdict.violations.append(
                    Violation(
                        name,
                        "\(key(object)) is not linearizable:\n"
                            + Journal<CounterModel>.describe(prepared, stuck: stuck)))
            }
        }
        return verdict
    }

    private func checkSum(
        _ object: Int, _ history: [HistoryEntry<CounterModel.Call, Int64>],
        _ verdict: inout WorkloadVerdict
    ) {
        let increments = history.filter { $0.call == .increment }
        let acknowledged = Int64(increments.filter { $0.result != nil }.count)
        let possible = Int64(increments.count)
        guard let last = history.last, last.call == .get, let value = last.result else { return }
        if value < acknowledged, object >= objects.firstCounted {
            verdict.violations.append(
                Violation(
                    "durability", "\(key(object)) is \(value), acknowledged were \(acknowledged)"))
        }
        if value > possible {
            verdict.violations.append(
                Violation(
                    "exactly once",
                    "\(key(object)) is \(value), at most \(possible) increments were sent"))
        }
    }
}

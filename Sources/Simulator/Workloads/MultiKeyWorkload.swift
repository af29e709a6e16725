public import Bytes

/// MSET and MGET of three keys in one slot: all three always hold the same value, and the three
/// together are one register.
public final class MultiKeyWorkload: Workload {
    public let name = "multikey"
    private var journal = Journal<RegisterModel>()
    private var objects: RotatingObjects
    private var lastValue: UInt64 = 0
    private var broken: [Violation] = []

    public init(keys: Int) { objects = RotatingObjects(active: keys, usesMax: 150) }

    private func keys(_ object: Int) -> [String] {
        ["{m\(object)}a", "{m\(object)}b", "{m\(object)}c"]
    }

    public func step(session: Int, now: Moment, random: inout SeededGenerator) -> Call {
        let object = objects.pick(&random)
        guard random.happens(0.5) else { return read(object, session: session, now: now) }
        lastValue += 1
        let token = journal.began(.set(lastValue), on: object, session: session, now: now)
        var arguments = ["MSET"]
        for key in keys(object) { arguments += [key, "\(lastValue)"] }
        return Call(ClientCommand(arguments), token: token)
    }

    private func read(_ object: Int, session: Int, now: Moment) -> Call {
        let token = journal.began(.get, on: object, session: session, now: now)
        return Call(ClientCommand(["MGET"] + keys(object)), token: token)
    }

    public func finish(_ token: Int, _ outcome: Outcome, now: Moment) {
        switch (journal.items[token].entry.call, outcome) {
        case (_, .rejected): journal.rejected(token)
        case (_, .unknown): journal.unknown(token)
        case (.set, .reply(.simple("OK"))): journal.answered(token, .ok, now: now)
        case (.get, .reply(.array(let items)))
        where items.count == 3 && items.allSatisfy { $0 == items[0] }:
            journal.answered(token, .value(items[0].number.map { UInt64($0) }), now: now)
        case (let call, .reply(let reply)):
            journal.unknown(token)
            broken.append(
                Violation(
                    name, "\(call) on object \(journal.items[token].object): \(reply.summary)"))
        }
    }

    public func beginAnew() { objects.beginAnew() }

    public func finalRead(_ number: Int, session: Int, now: Moment) -> Call? {
        let object = objects.firstCounted + number
        return object < objects.count ? read(object, session: session, now: now) : nil
    }

    public func check() -> WorkloadVerdict {
        var verdict = journal.verdict()
        verdict.violations = broken
        for (object, history) in journal.histories() where object >= objects.firstCounted {
            let prepared = Preparation.register(history)
            switch Linearizability<RegisterModel>.check(prepared) {
            case .linearizable: break
            case .undecided: verdict.undecided += 1
            case .impossible(_, let stuck):
                verdict.violations.append(
                    Violation(
                        name,
                        "object \(object) is not linearizable:\n"
                            + Journal<RegisterModel>.describe(prepared, stuck: stuck)))
            }
        }
        return verdict
    }
}

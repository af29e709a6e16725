public import Bytes

/// RPUSH of elements that are pushed only once, and LRANGE of everything.
///
/// Beside linearizability it counts: an acknowledged element is there exactly once, a rejected one
/// never, and no element twice, whatever the forwarding and the retries did.
public final class ListWorkload: Workload {
    public let name = "list"
    private var journal = Journal<ListModel>()
    private var objects: RotatingObjects
    private var lastElement: UInt64 = 0
    private var broken: [Violation] = []

    public init(keys: Int) { objects = RotatingObjects(active: keys, usesMax: 120) }

    private func key(_ object: Int) -> String { "list:\(object)" }

    public func step(session: Int, now: Moment, random: inout SeededGenerator) -> Call {
        let object = objects.pick(&random)
        if random.happens(0.65) {
            return push(on: object, session: session, now: now)
        }
        let token = journal.began(.range, on: object, session: session, now: now)
        return Call(ClientCommand("LRANGE", key(object), "0", "-1"), token: token)
    }

    /// A push on one object; scenarios use it directly.
    public func push(on object: Int, session: Int, now: Moment) -> Call {
        lastElement += 1
        let token = journal.began(.push(lastElement), on: object, session: session, now: now)
        return Call(ClientCommand("RPUSH", key(object), "\(lastElement)"), token: token)
    }

    public func finish(_ token: Int, _ outcome: Outcome, now: Moment) {
        switch (journal.items[token].entry.call, outcome) {
        case (_, .rejected): journal.rejected(token)
        case (_, .unknown): journal.unknown(token)
        case (.push, .reply(.integer(let length))):
            journal.answered(token, .length(Int(length)), now: now)
        case (.range, .reply(.array(let items))):
            let elements = items.compactMap { $0.number.map { UInt64($0) } }
            journal.answered(token, .elements(elements), now: now)
        case (let call, .reply(let reply)):
            journal.unknown(token)
            broken.append(Violation(name, "\(call) was answered by \(reply.summary)"))
        }
    }

    public func beginAnew() { objects.beginAnew() }

    public func finalRead(_ number: Int, session: Int, now: Moment) -> Call? {
        let object = objects.firstCounted + number
        guard object < objects.count else { return nil }
        let token = journal.began(.range, on: object, session: session, now: now)
        return Call(ClientCommand("LRANGE", key(object), "0", "-1"), token: token)
    }

    public func check() -> WorkloadVerdict {
        var verdict = journal.verdict()
        verdict.violations = broken
        checkElements(&verdict)
        for (object, history) in journal.histories() where object >= objects.firstCounted {
            let prepared = Preparation.list(history)
            switch Linearizability<ListModel>.check(prepared) {
            case .linearizable: break
            case .undecided: verdict.undecided += 1
            case .impossible(_, let stuck):
                verdict.violations.append(
                    Violation(
                        name,
                        "\(key(object)) is not linearizable:\n"
                            + Journal<ListModel>.describe(prepared, stuck: stuck)))
            }
        }
        return verdict
    }

    /// Counts every element in every list that was read, and in the last read of each list.
    private func checkElements(_ verdict: inout WorkloadVerdict) {
        var lastRead: [Int: [UInt64]] = [:]
        for item in journal.items {
            guard case .elements(let elements) = item.entry.result else { continue }
            if Set(elements).count != elements.count {
                verdict.violations.append(
                    Violation(
                        "exactly once", "\(key(item.object)) holds a doubled element: \(elements)"))
            }
            lastRead[item.object] = elements
        }
        for item in journal.items {
            guard case .push(let element) = item.entry.call, let last = lastRead[item.object] else {
                continue
            }
            let isThere = last.contains(element)
            if item.entry.result != nil, !isThere, item.object >= objects.firstCounted {
                verdict.violations.append(
                    Violation(
                        "durability",
                        "element \(element) of \(key(item.object)), acknowledged at "
                            + "\(item.entry.returned), is lost"))
            }
            if item.isRejected, isThere {
                verdict.violations.append(
                    Violation(
                        "certainty",
                        "element \(element) of \(key(item.object)) was rejected as not executed, "
                            + "and is there"))
            }
        }
    }
}

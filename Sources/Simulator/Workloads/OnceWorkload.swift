public import Bytes

/// INCR and RPUSH under SKEIN.ONCE: whatever has no answer is sent again, by any client to any node;
/// some requests are sent several times though they were answered, while they are under way, or long
/// after their session has gone.
///
/// Held to: all answers to a request are the first answer; a counter lies between the requests that
/// were answered and those plus the ones that nobody knows of; every element is in its list at most
/// once, at the place that the answer said, and not at all if every copy of its request was refused.
public final class OnceWorkload: Workload {
    public let name = "once"
    private var sessions: [OnceClientSession] = []
    private var requests: [OnceRequest] = []
    /// Requests before this one may be lost with the machines that had them.
    private var firstCounted = 0
    /// Sessions before this one may have been lost: then another one can be given the same id.
    private var firstKept = 0
    private var tokens: [Token] = []
    private var objects: RotatingObjects
    private var lastElement: UInt64 = 0
    private var broken: [Violation] = []
    private var counts = WorkloadVerdict()
    /// The final reads begin at this number, behind what is repeated until it is known.
    private var firstRead: Int?
    private var reads: [Int: Reply] = [:]

    private enum Token {
        case opening(window: Int)
        case copy(of: Int)
        case read(object: Int)
    }

    /// Sessions in use at a time, and requests until one is given up for another.
    private static let activeSessions = 3
    private static let requestsPerSession = 80

    public init(keys: Int) { objects = RotatingObjects(active: keys, usesMax: 100) }

    // Objects take turns: even ones are counters, odd ones lists.
    private func isList(_ object: Int) -> Bool { object % 2 == 1 }
    private func key(_ object: Int) -> String { "once:\(object)" }

    // MARK: Calls

    public func step(session: Int, now: Moment, random: inout SeededGenerator) -> Call {
        let active = sessions.indices.filter { !sessions[$0].isClosed }
        if active.count < Self.activeSessions { return opening(&random) }
        let waiting = requests.indices.dropFirst(firstCounted).filter {
            !requests[$0].isSettled && requests[$0].underWay == 0
        }
        if !waiting.isEmpty, random.happens(0.7) { return copy(of: random.pick(waiting)) }
        let recent = max(firstCounted, requests.count - 300)..<requests.count
        if !recent.isEmpty, random.happens(0.15) {
            return copy(of: random.integer(recent.lowerBound...recent.upperBound - 1))
        }
        let free = active.filter { sessions[$0].hasRoom }
        guard !free.isEmpty else {
            return waiting.isEmpty ? opening(&random) : copy(of: random.pick(waiting))
        }
        return request(in: random.pick(free), on: objects.pick(&random))
    }

    private func opening(_ random: inout SeededGenerator) -> Call {
        let window = random.pick([1, 4, 16, 64])
        tokens.append(.opening(window: window))
        let command =
            window == 64
            ? ClientCommand("SKEIN.SESSION", "OPEN")
            : ClientCommand("SKEIN.SESSION", "OPEN", "WINDOW", "\(window)")
        return Call(command, token: tokens.count - 1)
    }

    private func request(in session: Int, on object: Int) -> Call {
        let sequence = sessions[session].next
        sessions[session].next += 1
        sessions[session].outstanding.append(sequence)
        if sequence >= Self.requestsPerSession { sessions[session].isClosed = true }
        var request = OnceRequest(session: session, sequence: sequence, object: object)
        if isList(object) {
            lastElement += 1
            request.element = lastElement
        }
        requests.append(request)
        return copy(of: requests.count - 1)
    }

    private func copy(of number: Int) -> Call {
        requests[number].underWay += 1
        tokens.append(.copy(of: number))
        let request = requests[number]
        var words = ["SKEIN.ONCE", sessions[request.session].id, "\(request.sequence)"]
        if let element = request.element {
            words += ["RPUSH", key(request.object), "\(element)"]
        } else {
            words += ["INCR", key(request.object)]
        }
        return Call(ClientCommand(words), token: tokens.count - 1)
    }

    // MARK: Outcomes

    public func finish(_ token: Int, _ outcome: Outcome, now: Moment) {
        switch outcome {
        case .reply: counts.answered += 1
        case .rejected: counts.rejected += 1
        case .unknown: counts.unknown += 1
        }
        switch tokens[token] {
        case .opening(let window): opened(outcome, window: window)
        case .copy(let number): finished(number, outcome)
        case .read(let object):
            if case .reply(let reply) = outcome { reads[object] = reply }
        }
    }

    private func opened(_ outcome: Outcome, window: Int) {
        guard case .reply(let reply) = outcome else { return }
        guard case .bulk(let bytes) = reply else {
            broken.append(Violation(name, "an opening was answered by \(reply.summary)"))
            return
        }
        let id = String(decoding: bytes, as: UTF8.self)
        if sessions.dropFirst(firstKept).contains(where: { $0.id == id }) {
            broken.append(Violation(name, "the session \(id) was given twice"))
        }
        sessions.append(OnceClientSession(id: id, window: window))
    }

    private func finished(_ number: Int, _ outcome: Outcome) {
        requests[number].underWay -= 1
        guard number >= firstCounted else { return }
        switch outcome {
        case .rejected: break
        case .unknown: requests[number].isUncertain = true
        case .reply(.integer(let value)):
            if let first = requests[number].answer, first != value {
                broken.append(
                    Violation(
                        "exactly once",
                        "\(describe(number)) was answered by \(first) and then by \(value)"))
            }
            requests[number].answer = value
            settle(number)
        case .reply(.error(let text)) where text.hasPrefix("ONCEEXPIRED The sequence is behind"):
            guard !requests[number].isSettled else { break }
            broken.append(
                Violation(name, "\(describe(number)) was refused, and the window was kept to"))
        case .reply(.error(let text)) where text.hasPrefix("ONCEEXPIRED "):
            // This copy was not executed; and no other that comes later.
            sessions[requests[number].session].isClosed = true
            requests[number].isExpired = true
            settle(number)
        case .reply(let reply):
            requests[number].isUncertain = true
            broken.append(
                Violation(name, "\(describe(number)) was answered by \(reply.summary)"))
        }
    }

    private func settle(_ number: Int) {
        let session = requests[number].session
        sessions[session].outstanding.removeAll { $0 == requests[number].sequence }
    }

    private func describe(_ number: Int) -> String {
        let request = requests[number]
        return "request \(request.sequence) of \(sessions[request.session].id) "
            + "on \(key(request.object))"
    }

    // MARK: The end

    public func beginAnew() {
        objects.beginAnew()
        firstCounted = requests.count
        firstKept = sessions.count
        for at in sessions.indices { sessions[at].isClosed = true }
    }

    public func finalRead(_ number: Int, session: Int, now: Moment) -> Call? {
        if firstRead == nil {
            if let open = requests.indices.dropFirst(firstCounted).first(where: {
                !requests[$0].isSettled && requests[$0].underWay == 0
            }) {
                return copy(of: open)
            }
            firstRead = number
        }
        let object = objects.firstCounted + number - (firstRead ?? 0)
        guard object < objects.count else { return nil }
        tokens.append(.read(object: object))
        let command =
            isList(object)
            ? ClientCommand("LRANGE", key(object), "0", "-1") : ClientCommand("GET", key(object))
        return Call(command, token: tokens.count - 1)
    }

    public func check() -> WorkloadVerdict {
        var verdict = counts
        verdict.violations = broken
        for object in objects.firstCounted..<objects.count {
            let mine = requests.dropFirst(firstCounted).filter { $0.object == object }
            let answers = mine.compactMap(\.answer)
            if Set(answers).count != answers.count {
                report("\(key(object)): two requests have one answer: \(answers)", &verdict)
            }
            guard let read = reads[object] else { continue }
            if isList(object) {
                checkList(object, mine, read, &verdict)
            } else {
                checkCounter(object, mine, read, &verdict)
            }
        }
        return verdict
    }

    private func report(_ text: String, _ verdict: inout WorkloadVerdict) {
        verdict.violations.append(Violation("exactly once", text))
    }

    private func checkCounter(
        _ object: Int, _ requests: [OnceRequest], _ read: Reply, _ verdict: inout WorkloadVerdict
    ) {
        let value = read == .null ? 0 : read.number ?? -1
        let certain = Int64(requests.count { $0.answer != nil })
        let possible = Int64(requests.count { $0.mayBeExecuted })
        guard
            value < certain || value > possible
                || requests.contains(where: { ($0.answer ?? 0) > value })
        else { return }
        report(
            "\(key(object)) is \(value), \(certain) requests were answered, \(possible) may have been executed",
            &verdict)
    }

    private func checkList(
        _ object: Int, _ requests: [OnceRequest], _ read: Reply, _ verdict: inout WorkloadVerdict
    ) {
        guard case .array(let items) = read else {
            return report("\(key(object)) was read as \(read.summary)", &verdict)
        }
        let elements = items.compactMap { $0.number.map { UInt64($0) } }
        if Set(elements).count != elements.count {
            report("\(key(object)) holds a doubled element: \(elements)", &verdict)
        }
        for request in requests {
            guard let element = request.element else { continue }
            let place = elements.firstIndex(of: element)
            if let answer = request.answer, place.map({ Int64($0 + 1) }) != answer {
                report(
                    "element \(element) of \(key(object)) is at \(place.map { "\($0 + 1)" } ?? "no place"), the answer was \(answer)",
                    &verdict)
            }
            if place != nil, !request.mayBeExecuted {
                report(
                    "element \(element) of \(key(object)) is there, and every copy was refused",
                    &verdict)
            }
        }
    }
}

/// A session as its clients see it.
private struct OnceClientSession {
    let id: String
    let window: Int
    var next = 1
    /// Numbers without an answer.
    var outstanding: [Int] = []
    /// Used for no new requests; repeated ones may still come.
    var isClosed = false

    /// Whether another number is within the window.
    var hasRoom: Bool { next - (outstanding.min() ?? next) < window }

    init(id: String, window: Int) {
        self.id = id
        self.window = window
    }
}

private struct OnceRequest {
    let session: Int
    let sequence: Int
    let object: Int
    /// What is pushed, if it is no increment.
    var element: UInt64?
    var underWay = 0
    var answer: Int64?
    /// Nobody knows what became of some copy.
    var isUncertain = false
    /// The session was gone when a copy came.
    var isExpired = false

    var isSettled: Bool { answer != nil || isExpired }
    var mayBeExecuted: Bool { answer != nil || isUncertain || underWay > 0 }

    init(session: Int, sequence: Int, object: Int) {
        self.session = session
        self.sequence = sequence
        self.object = object
    }
}

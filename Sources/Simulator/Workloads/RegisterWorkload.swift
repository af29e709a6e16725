public import Bytes

/// SET, GET and DEL of unique values; some large enough to travel in fragments; optionally with a time
/// to live.
public final class RegisterWorkload: Workload {
    public let name: String
    private let expiring: Bool
    private let largeChance: Double
    private let largeBytesMax: Int
    private var journal = Journal<RegisterModel>()
    private var objects: RotatingObjects
    private var lastValue: UInt64 = 0
    private var broken: [Violation] = []

    /// - Parameters:
    ///   - expiring: some values are set with PX.
    ///   - largeChance: the chance that a value is padded to up to `largeBytesMax` bytes.
    public init(
        keys: Int, expiring: Bool = false, largeChance: Double = 0, largeBytesMax: Int = 0
    ) {
        name = expiring ? "expiry" : "register"
        self.expiring = expiring
        self.largeChance = largeChance
        self.largeBytesMax = largeBytesMax
        objects = RotatingObjects(active: keys, usesMax: 150)
    }

    private func key(_ object: Int) -> String { "\(name):\(object)" }

    public func step(session: Int, now: Moment, random: inout SeededGenerator) -> Call {
        let object = objects.pick(&random)
        let key = key(object)
        switch random.below(20) {
        case 0:
            let token = journal.began(.delete, on: object, session: session, now: now)
            return Call(ClientCommand("DEL", key), token: token)
        case 1..<9:
            lastValue += 1
            let value = lastValue
            var text = "\(value):"
            if random.happens(largeChance) {
                text += padding(value, random.integer(1...max(1, largeBytesMax)))
            }
            if expiring, random.happens(0.7) {
                let life = random.integer(1...400)
                let token = journal.began(
                    .setExpiring(value), on: object, session: session, now: now)
                return Call(ClientCommand("SET", key, text, "PX", "\(life)"), token: token)
            }
            let token = journal.began(.set(value), on: object, session: session, now: now)
            return Call(ClientCommand("SET", key, text), token: token)
        default:
            let token = journal.began(.get, on: object, session: session, now: now)
            return Call(ClientCommand("GET", key), token: token)
        }
    }

    /// Bytes that only this value has, so that a mix-up of fragments shows.
    private func padding(_ value: UInt64, _ count: Int) -> String {
        let letter = UInt8(ascii: "a") + UInt8(value % 26)
        return String(decoding: [UInt8](repeating: letter, count: count), as: UTF8.self)
    }

    /// The value in a reply; nil when its bytes are not those that were set.
    private func value(in bytes: [UInt8]) -> UInt64? {
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")),
            let value = UInt64(String(decoding: bytes[..<colon], as: UTF8.self))
        else { return nil }
        let letter = UInt8(ascii: "a") + UInt8(value % 26)
        return bytes[(colon + 1)...].allSatisfy { $0 == letter } ? value : nil
    }

    public func finish(_ token: Int, _ outcome: Outcome, now: Moment) {
        switch (journal.items[token].entry.call, outcome) {
        case (_, .rejected): journal.rejected(token)
        case (_, .unknown): journal.unknown(token)
        case (.set, .reply(.simple("OK"))), (.setExpiring, .reply(.simple("OK"))):
            journal.answered(token, .ok, now: now)
        case (.delete, .reply(.integer(let count))):
            journal.answered(token, .deleted(Int(count)), now: now)
        case (.get, .reply(.null)):
            journal.answered(token, .value(nil), now: now)
        case (.get, .reply(.bulk(let bytes))):
            if let value = value(in: bytes) {
                journal.answered(token, .value(value), now: now)
            } else {
                unexpected(token, "\(bytes.count) bytes that nobody set")
            }
        case (_, .reply(let reply)):
            unexpected(token, reply.summary)
        }
    }

    private func unexpected(_ token: Int, _ what: String) {
        let item = journal.items[token]
        journal.unknown(token)
        broken.append(
            Violation(name, "\(item.entry.call) on \(key(item.object)) was answered by \(what)"))
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
        for (object, history) in journal.histories() where object >= objects.firstCounted {
            let prepared = Preparation.register(history)
            switch Linearizability<RegisterModel>.check(prepared) {
            case .linearizable: break
            case .undecided: verdict.undecided += 1
            case .impossible(_, let stuck):
                verdict.violations.append(
                    Violation(
                        name,
                        "\(key(object)) is not linearizable:\n"
                            + Journal<RegisterModel>.describe(prepared, stuck: stuck)))
            }
        }
        return verdict
    }
}

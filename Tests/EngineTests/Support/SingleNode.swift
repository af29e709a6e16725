import Bytes
import Configuration
import Engine
import Raft
import WAL

/// A node of one, whose log is durable when the test says so.
final class SingleNode {
    var engine: Engine
    var now = ClockReading(boot: Instant(nanoseconds: 1_000_000_000), wall: 1_700_000_000_000)
    let liveness: PairLiveness
    /// Sealed batches that are not durable yet.
    var undurable: [UInt64] = []
    var isDiskFast = true
    var lines: [String] = []

    /// - Parameter turns: taken at once; enough to serve.
    init(
        _ configuration: Configuration = Configuration(), turns: Int = 50,
        limits: NodeLimits = NodeLimits()
    ) throws {
        let recovered = RecoveredLog.empty(WALParameters(saltSeed: 1))
        let id = NodeID(configuration.nodeID)
        liveness = PairLiveness(
            node: id, boot: 1, peers: [], promise: configuration.electionTimeout,
            busyLimit: configuration.busyLimit, diskStallLimit: configuration.diskStallLimit,
            now: now.boot)
        engine = try Engine(
            configuration: configuration, recovered: recovered, seed: 7, now: now,
            liveness: liveness, limits: limits)
        for _ in 0..<turns { turn() }
    }

    func advance(milliseconds: Int64) {
        now.boot = now.boot + .milliseconds(milliseconds)
        now.wall += milliseconds
    }

    func turn() {
        advance(milliseconds: 20)
        liveness.stampLoop(now: now.boot)
        if engine.hasMoreWork || engine.nextDeadline <= now.boot { engine.tick(now: now) }
        endTurn()
        if isDiskFast { makeDurable() }
    }

    /// The clock stands still during a turn, but for the time that carrying it out takes.
    func endTurn(
        carriedOutIn time: Interval = .microseconds(0), using used: Interval = .microseconds(0)
    ) {
        engine.endTurn(now: now)
        now.boot = now.boot + time
        engine.turnEnded(at: now.boot, used: used)
        if let batch = engine.outbox.batch.take() { undurable.append(batch.number) }
        lines += engine.outbox.lines.map(\.text)
        engine.outbox.lines.removeAll()
        engine.outbox.sessionsToFlush.removeAll()
    }

    func makeDurable() {
        guard let last = undurable.last else { return }
        undurable.removeAll()
        engine.logDurable(written: last, synced: last, now: now)
        endTurn()
    }

    func open() throws -> SessionID {
        guard let session = engine.open(address: "t:1", local: "t:2", descriptor: 3, now: now)
        else {
            throw TestError.refused
        }
        return session
    }

    func send(_ text: String, _ session: SessionID) {
        engine.receive(Array(text.utf8).span, from: session, now: now)
    }

    /// What the session got since the last call.
    func output(_ session: SessionID) -> String {
        var text = ""
        engine.writeOutput(of: session) { span in
            text = String(decoding: (0..<span.count).map { span[$0] }, as: UTF8.self)
            return span.count
        }
        return text
    }

    /// Sends an inline pipeline and runs turns until nothing more comes.
    func ask(_ text: String, _ session: SessionID) -> String {
        send(text, session)
        var all = ""
        for _ in 0..<20 {
            endTurn()
            all += output(session)
            turn()
            all += output(session)
        }
        return all
    }
}

enum TestError: Error {
    case refused
    case neverHappened(String)
}

internal import Bytes
internal import Commands

/// What INFO commandstats, errorstats and latencystats tell, command by command.
///
/// **Where a command is counted.** Once, at its origin: the node that its client is connected to, when
/// its answer is there. The leader that executes it for another node does not count it. So the sums
/// over all nodes are the cluster's, whoever leads.
///
/// **What is counted.** As in Redis: `calls` were executed (or nobody knows), `failed_calls` are those
/// of them with an error for a reply, `rejected_calls` were not executed. A transaction counts as EXEC
/// and as each of its commands. Error replies count by their code, of all commands and of none.
///
/// **Time.** The engine has no clock; the host gives it a reading with every event and one at the end of
/// the turn, and no further one is taken for the statistics. What lies between two readings of a turn is
/// a *slice*: one client's pipeline, one frame of a peer, one completion of the log. A command takes a
/// *step* when it is taken up (parsed, and executed in place or queued) and, if it was queued, another
/// one when its answer comes (applied and handed to the session). A slice's time is spread evenly over
/// its steps, and their sum is the command's `usec`. It is time of this node's loop: it holds no waiting
/// for disks and peers, nothing that a leader elsewhere does, and nothing of what a turn does after
/// its last reading (log batch, frames, sockets). Steps for other nodes' commands take their share of a
/// slice and are nobody's. In a slice with one slow command the others pay a share of it.
///
/// **Latency** is what the client waits for this node, unlike in Redis, where it is the execution alone:
/// from the reading with which a command was taken up to the one with which its answer came, log and
/// replication included; for a command that is answered in place, to the end of the turn. Commands
/// in a transaction have none of their own, EXEC has it; nor have those answered after a turn's last
/// reading.
///
/// **Reads under the lease** are provisional until the end of the turn has confirmed the lease. If it does
/// not hold they are executed again, so they are counted only then.
///
/// Counting allocates nothing but a histogram at a command's first latency.
struct CommandStatistics: ~Copyable {
    /// Stands for no command, for parts that the engine itself composes.
    static let none = UInt16.max

    struct Row {
        var calls: Int64 = 0
        var rejected: Int64 = 0
        var failed: Int64 = 0
        var nanoseconds: Int64 = 0
        // Of the open slice.
        var steps: Int32 = 0
        /// Answered in place, for good.
        var answered: Int32 = 0
        /// Answered in place as long as the lease holds at the end of the turn.
        var provisional: Int32 = 0
        var provisionalFailures: Int32 = 0
    }

    /// Commands of one kind that were answered in place in one slice; timed at the end of the turn.
    private struct Sample {
        var command: UInt16
        var isProvisional: Bool
        var count: Int32
        var failures: Int32
        /// Nil when the slice began after the last reading of a turn.
        var since: Instant?
    }

    /// By the command's place in the table.
    private(set) var rows = Slab<Row>()
    private var histograms: [LatencyHistogram]
    /// All calls.
    private(set) var calls: Int64 = 0
    private(set) var errors = ErrorCounts()
    /// Errors of reads that are not confirmed yet.
    private var provisionalErrors = ErrorCounts()

    /// When the open slice began; nil after the last reading of a turn.
    private var sliceStart: Instant?
    /// All steps of the open slice, those for other nodes included.
    private var steps = 0
    /// Commands with steps in it.
    private var touched: [UInt16] = []
    private var samples: [Sample] = []

    init() {
        let count = CommandTable.all.count
        invariant(count < Int(Self.none), "too many commands to be counted")
        for _ in 0..<count { rows.append(Row()) }
        histograms = Array(repeating: LatencyHistogram(), count: count)
        touched.reserveCapacity(64)
        samples.reserveCapacity(256)
    }

    /// CONFIG RESETSTAT.
    mutating func reset() {
        var fresh = CommandStatistics()
        fresh.sliceStart = sliceStart
        self = fresh
    }

    // MARK: Counting

    /// Time goes into the command, which is not answered yet.
    mutating func step(_ command: Int) {
        if rows[command].steps == 0 { touched.append(UInt16(command)) }
        rows[command].steps += 1
        steps += 1
    }

    /// Time goes into other nodes' commands.
    mutating func stepForOthers(_ count: Int = 1) { steps += count }

    /// A command was answered as it was taken up.
    mutating func answeredInPlace(_ command: Int, _ kind: ReplyKind, isProvisional: Bool = false) {
        step(command)
        if isProvisional {
            rows[command].provisional += 1
            if kind != .success { rows[command].provisionalFailures += 1 }
            return
        }
        if kind != .rejection { rows[command].answered += 1 }
        count(command, kind)
    }

    /// A command was refused behind others of its connection; its reply comes later.
    mutating func refusedBehind(_ command: Int) {
        step(command)
        rows[command].rejected += 1
        errors.count(Self.tryAgain.span)
    }

    private static let tryAgain = Array("-TRYAGAIN \r\n".utf8)

    /// A command that was taken up at `since` has its answer.
    mutating func answered(_ command: UInt16, _ kind: ReplyKind, since: Instant, now: Instant) {
        guard command != Self.none else { return }
        step(Int(command))
        count(Int(command), kind)
        if kind != .rejection { histograms[Int(command)].record(now - since) }
    }

    /// A command was executed within another one.
    mutating func answeredWithin(_ command: UInt16, _ kind: ReplyKind) {
        step(Int(command))
        count(Int(command), kind)
    }

    private mutating func count(_ command: Int, _ kind: ReplyKind) {
        guard kind != .rejection else {
            rows[command].rejected += 1
            return
        }
        rows[command].calls += 1
        calls += 1
        if kind == .failure { rows[command].failed += 1 }
    }

    /// Looks at a whole reply, or at its beginning, and counts it if it is an error.
    mutating func judge(_ reply: Span<UInt8>, isProvisional: Bool = false) -> ReplyKind {
        guard !reply.isEmpty, reply[0] == UInt8(ascii: "-") else { return .success }
        if isProvisional {
            provisionalErrors.count(reply)
        } else {
            errors.count(reply)
        }
        return ReplyKind(ofError: reply)
    }

    /// The same for an error's text without the `-`.
    mutating func judge(error: String) -> ReplyKind { judge(Array("-\(error)\r\n".utf8).span) }

    // MARK: Time

    /// The host read its clock: an event begins.
    mutating func advance(to now: Instant) {
        if let sliceStart, now <= sliceStart { return }
        closeSlice(at: now)
        sliceStart = now
    }

    /// The turn's last reading. Whether the leases that its reads relied on hold.
    mutating func endTurn(now: Instant, leasesHold: Bool) {
        closeSlice(at: now)
        sliceStart = nil
        for at in samples.indices { settle(samples[at], now: now, leasesHold: leasesHold) }
        samples.removeAll(keepingCapacity: true)
        guard provisionalErrors.total > 0 else { return }
        if leasesHold { errors.add(provisionalErrors) }
        provisionalErrors.removeAll()
    }

    private mutating func settle(_ sample: Sample, now: Instant, leasesHold: Bool) {
        let command = Int(sample.command)
        if sample.isProvisional {
            guard leasesHold else { return }
            rows[command].calls += Int64(sample.count)
            rows[command].failed += Int64(sample.failures)
            calls += Int64(sample.count)
        }
        guard let since = sample.since else { return }
        histograms[command].record(now - since, times: Int(sample.count))
    }

    private mutating func closeSlice(at now: Instant) {
        guard steps > 0 else { return }
        let elapsed = sliceStart.map { Double(max(0, (now - $0).nanoseconds)) } ?? 0
        let share = elapsed / Double(steps)
        for at in touched.indices { closeSlice(of: touched[at], share: share) }
        touched.removeAll(keepingCapacity: true)
        steps = 0
    }

    private mutating func closeSlice(of command: UInt16, share: Double) {
        var row = rows[Int(command)]
        row.nanoseconds += Int64(share * Double(row.steps))
        if row.answered > 0 {
            samples.append(
                Sample(
                    command: command, isProvisional: false, count: row.answered, failures: 0,
                    since: sliceStart))
        }
        if row.provisional > 0 {
            samples.append(
                Sample(
                    command: command, isProvisional: true, count: row.provisional,
                    failures: row.provisionalFailures, since: sliceStart))
        }
        row.steps = 0
        row.answered = 0
        row.provisional = 0
        row.provisionalFailures = 0
        rows[Int(command)] = row
    }

    // MARK: Reading

    /// Latencies of a command, in microseconds; nil when there are none.
    func latency(of command: Int, shares: [Double]) -> [Double]? {
        guard histograms[command].count > 0 else { return nil }
        return shares.map { histograms[command].percentile($0) }
    }
}

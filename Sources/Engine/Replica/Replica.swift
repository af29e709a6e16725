internal import Bytes
internal import Cluster
internal import Commands
internal import RESP
internal import Raft
internal import Store

/// This node's member of one group: consensus, state, and what is under way.
///
/// The state (keyspace, reply windows, assemblies, log time) changes only in `apply`, by committed
/// entries in order, the same on every replica. Answers are left in `answers` and in
/// `context.reply.bytes`; the engine takes them to sessions and peers.
struct Replica: ~Copyable {
    let group: GroupID
    /// The slots that the group owns; nil for the system group.
    let slots: SlotRange?
    var core: RaftCore
    var effects = RaftEffects()
    var context: CommandContext
    var windows = ReplyWindows()
    var assemblies = Assemblies()
    /// The sessions of clients that number their requests.
    var once = OnceTable()
    /// Seals the ids of those sessions: the cluster's secret seed.
    let onceKey: SipHash
    /// The last entry whose effect is in the state.
    var applied: LogIndex = 0

    /// Answers to be delivered; their bytes lie in `context.reply.bytes`.
    var answers: [Answer] = []
    /// Pieces of large commands that were applied, to be told to their origins.
    var appliedPieces: [AppliedPiece] = []
    /// Of the system group: genesis, as it was applied, and changed by later entries of kind `nodes`.
    var genesis: [UInt8]? { didSet { mapVersion += 1 } }
    /// Rises whenever that may have changed.
    private(set) var mapVersion = 0
    /// No change of members is proposed before.
    var changeRetryAt = Instant(nanoseconds: .min)
    /// Why the last one was refused or failed, for the log, once.
    var lastChangeFailure = ""
    /// Why this replica cannot go on.
    var failure: String?
    /// A snapshot is becoming the state: nothing is applied meanwhile.
    var load: SnapshotLoad?
    /// What the audits applied in this turn came to.
    var auditDigests: [(index: LogIndex, digest: UInt64)] = []
    /// Log that the entries applied since the last snapshot take, about.
    var loggedBytes = 0

    /// Runs that came in this turn, for the next entry.
    var proposals = ByteBuffer()
    /// When the oldest of them was queued at its origin, if that is this node.
    var proposalsQueuedAt: Instant?
    /// The core refused an entry in this turn: nothing behind it may overtake it.
    var refusesProposals = false
    /// Memory for the payload of an entry while it is proposed.
    var payloadBuffer = ByteBuffer()
    var backlog = ReadBacklog()
    /// What a follower asks its leader for, and what it was told.
    var readIndex = FollowerReads()
    /// What followers ask this leader for.
    var indexRequests: [IndexRequest] = []
    /// Reads of this turn relied on the lease.
    var usedLease = false
    /// The newest time entry that this leader has proposed moves the log's time up to here.
    var timeProposed: Int64 = 0
    /// An expiry entry is under way.
    var expiryIndex: LogIndex = 0
    /// An entry with the limits of `once` is under way.
    var onceLimitsIndex: LogIndex = 0
    /// The applier waits for entries from disk.
    var isFetching = false
    /// More is committed than one turn may apply.
    var hasMoreToApply = false
    /// Reads of the backlog wait for nothing but the next turn.
    var hasMoreToServe = false
    /// Times of the entries under way, for INFO.
    var timeline = WriteTimeline()

    private var arguments = ArgumentDecoder()
    /// The origin's limits were judged when the command came in.
    static let anyLength = RESPLimits(
        bulkBytesMax: 1 << 60, argumentsMax: 1 << 60, inlineBytesMax: 1 << 60)
    private var scratch = ByteBuffer()
    private var payload = ByteBuffer()

    /// An answer to a command of some origin.
    struct Answer {
        var origin: Origin
        var sequence: UInt64
        var status: ReplyStatusCode
        /// The origin's queue that the command was in.
        var queue: QueueKind
        var start: Int
        var count: Int
    }

    /// The three queues of an origin for one group.
    enum QueueKind {
        case writes, reads
        /// Reads that the origin answers itself (`NodeState+FollowerReads.swift`).
        case nearReads
    }

    enum ReplyStatusCode { case complete, evicted, moved }

    struct AppliedPiece {
        var origin: Origin
        var command: UInt64
        var upTo: UInt64
    }

    init(
        group: GroupID, slots: SlotRange?, core: consuming RaftCore, onceKey: SipHash,
        context: consuming CommandContext
    ) {
        self.group = group
        self.slots = slots
        self.onceKey = onceKey
        self.core = core
        self.context = context
    }

    /// The digest of the whole state, for comparing replicas at equal `applied`; nil while there is no
    /// whole state.
    func stateHash() -> UInt64? {
        guard load == nil, !lacksState else { return nil }
        var hash = StateHash(seed: UInt64(group.raw))
        hash.feed(context.keyspace.stateHash())
        windows.feed(into: &hash)
        assemblies.feed(into: &hash)
        once.feed(into: &hash)
        return hash.value
    }

    // MARK: Applying

    /// Applies what is committed, as far as it is in memory and `allowance` permits. Returns the first
    /// entry that must be fetched from disk, if that is what stops it.
    mutating func applyCommitted(_ allowance: inout ApplyAllowance) -> LogIndex? {
        hasMoreToApply = false
        guard load == nil, !lacksState else { return nil }
        while applied < core.commit, failure == nil {
            let next = applied + 1
            var work = scratch.take()
            let found = Self.copyEntry(core.log, at: next, into: &work, allowance: &allowance)
            guard case .copied(let kind, let version) = found else {
                scratch = work
                hasMoreToApply = found == .mustWait
                return hasMoreToApply || isFetching ? nil : next
            }
            apply(kind: kind, version: version, index: next, payload: work.readable)
            loggedBytes += work.count + EngineLimits.entryLogOverhead
            work.removeAll()
            scratch = work
            applied = next
        }
        return nil
    }

    private enum NextEntry: Equatable {
        case copied(kind: UInt8, version: UInt8)
        case notInMemory, mustWait
    }

    /// Copies an entry's payload, so that the log and the state are not held at once.
    private static func copyEntry(
        _ log: borrowing RaftLog, at index: LogIndex, into work: inout ByteBuffer,
        allowance: inout ApplyAllowance
    ) -> NextEntry {
        guard let entry = log.entry(at: index) else { return .notInMemory }
        // A piece of a large command is only put to the others: it takes as long as a fraction of its bytes.
        let isPiece = entry.kindRaw == EntryKind.fragment.rawValue
        let cost = isPiece ? entry.payload.count / ApplyAllowance.pieceDivisor : entry.payload.count
        guard allowance.take(cost) else { return .mustWait }
        work.append(entry.payload)
        return .copied(kind: entry.kindRaw, version: entry.version)
    }

    /// Applies one committed entry that was fetched from disk.
    mutating func applyFetched(_ entry: borrowing EntryView) {
        guard failure == nil, load == nil, !lacksState, entry.index == applied + 1,
            entry.index <= core.commit
        else { return }
        guard entry.term == core.log.term(at: entry.index) else {
            failure =
                "entry \(entry.index) of \(group) in the log on disk is of term \(entry.term), and not the one that is committed"
            return
        }
        loggedBytes += entry.payload.count + EngineLimits.entryLogOverhead
        apply(
            kind: entry.kindRaw, version: entry.version, index: entry.index, payload: entry.payload)
        applied = entry.index
    }

    private mutating func apply(
        kind: UInt8, version: UInt8, index: LogIndex, payload: Span<UInt8>
    ) {
        guard version == EntryRecord.formatVersion, let kind = EntryKind(rawValue: kind) else {
            failure =
                "entry \(index) of \(group) has kind \(kind), format \(version): newer than this program"
            return
        }
        do throws(DecodeError) {
            switch kind {
            case .noop: break
            case .genesis: if genesis == nil { genesis = payload.copied }
            case .refoundation: genesis = payload.copied
            case .nodes: try applyNodes(payload)
            // In force since it came into the log: the core's affair.
            case .membership: break
            case .commands: try applyCommands(payload)
            case .time: advance(to: try TimePayload(decoding: payload).time)
            case .expire: try applyExpiry(payload)
            case .fragment: try applyFragment(payload)
            case .audit: auditDigests.append((index, audit(try AuditPayload(decoding: payload))))
            case .configuration:
                once.apply(
                    try ConfigurationPayload(decoding: payload, over: once.limits).once)
            case .guardedEffects, .session, .split, .prepare, .commit, .abort:
                failure =
                    "entry \(index) of \(group) has kind \(kind), which this program does not know"
            }
        } catch {
            failure = "entry \(index) of \(group) can not be read: \(error)"
        }
    }

    /// Log time never goes back, whatever clock the leader has.
    private mutating func advance(to time: Int64) {
        guard time > context.keyspace.logTime else { return }
        context.keyspace.logTime = time
        once.expire(at: time)
    }

    /// The cluster's nodes change. What makes no sense any more changes nothing.
    private mutating func applyNodes(_ payload: Span<UInt8>) throws(DecodeError) {
        let change = try NodeChange(decoding: payload)
        guard let genesis else { throw .invalid("nodes before genesis") }
        guard let map = try ClusterMap(decoding: genesis.span).applying(change) else { return }
        var bytes = ByteBuffer()
        map.encode(into: &bytes)
        self.genesis = bytes.copyBytes()
    }

    private mutating func applyExpiry(_ payload: Span<UInt8>) throws(DecodeError) {
        let expiry = try ExpirePayload(decoding: payload)
        advance(to: expiry.time)
        _ = context.keyspace.expire(upTo: context.keyspace.logTime, atMost: expiry.atMost)
    }

    private mutating func applyFragment(_ payload: Span<UInt8>) throws(DecodeError) {
        let fragment = try FragmentPayload(decoding: payload)
        advance(to: fragment.time)
        let there = assemblies.add(
            fragment.bytes, origin: fragment.origin, command: fragment.command,
            offset: fragment.offset, time: context.keyspace.logTime)
        appliedPieces.append(
            AppliedPiece(origin: fragment.origin, command: fragment.command, upTo: there))
    }

    private mutating func applyCommands(_ payload: Span<UInt8>) throws(DecodeError) {
        var reader = ByteReader(payload)
        try reader.expectVersion()
        advance(to: try reader.read())
        let seed: UInt64 = try reader.read()
        var ordinal: UInt64 = 0
        while reader.remaining > 0 {
            let run = try RunHeader(from: &reader)
            for offset in 0..<run.count {
                let command = try LoggedCommand(from: &reader)
                ordinal += 1
                context.random = SeededGenerator(seed: seed &+ ordinal &* 0x9e37_79b9_7f4a_7c15)
                try apply(command, sequence: run.first + UInt64(offset), run: run)
            }
        }
    }

    private mutating func apply(
        _ command: borrowing LoggedCommand, sequence: UInt64, run: RunHeader
    ) throws(DecodeError) {
        let origin = run.origin
        let start = context.reply.bytes.count
        var status = ReplyStatusCode.complete
        switch windows.arrival(of: sequence, origin: origin, floor: run.floor) {
        case .forgotten:
            status = .evicted
        case .repeated:
            windows.appendReply(of: sequence, origin: origin, to: &context.reply.bytes)
        case .fresh:
            if !command.flags.contains(.abandoned) {
                status = try execute(command, origin: origin)
            } else if command.flags.contains(.large) {
                // Nobody will take the pieces.
                _ = assemblies.take(
                    origin: origin, reference: try LargeReference(decoding: command.arguments))
            }
            windows.record(sequence, origin: origin, reply: context.reply.bytes, from: start)
        }
        answers.append(
            Answer(
                origin: origin, sequence: sequence, status: status, queue: .writes, start: start,
                count: context.reply.bytes.count - start))
    }

    static let givenUpError =
        "TRYAGAIN The pieces of the command were given up, it was not executed"

    /// Executes a command as of the entry's time; the reply is appended to `context.reply`.
    private mutating func execute(
        _ command: borrowing LoggedCommand, origin: Origin
    ) throws(DecodeError) -> ReplyStatusCode {
        context.mode = .apply
        context.database = Int(command.database)
        context.reply.version = command.flags.contains(.resp3) ? .three : .two
        if command.flags.contains(.growthRefused) {
            try refuse(command, origin: origin)
            return .complete
        }
        guard command.flags.contains(.large) else {
            var decoder = ArgumentDecoder()
            swap(&decoder, &arguments)
            defer { swap(&decoder, &arguments) }
            _ = try decoder.decode(command.arguments)
            return run(decoder.request(over: command.arguments))
        }
        let reference = try LargeReference(decoding: command.arguments)
        guard let owner = assemblies.take(origin: origin, reference: reference) else {
            context.reply.error(text: Self.givenUpError)
            return .complete
        }
        // What the pieces make together was not looked at before it came here: only its origin has
        // seen it whole.
        var parser = RequestParser(limits: Self.anyLength)
        guard parser.parse(owner.span) == .request, parser.consumed == owner.count else {
            context.reply.error("ERR unreadable command")
            return .complete
        }
        let request = parser.request(over: owner.span)
        guard Self.isExecutable(request) else {
            context.reply.error("ERR unreadable command")
            return .complete
        }
        context.argumentOwner = owner
        defer { context.argumentOwner = nil }
        return run(request)
    }

    /// Whether a request may stand in the log: whether every replica can execute it.
    static func isExecutable(_ request: Request) -> Bool {
        if LoggedTransaction.isTransaction(request) { return LoggedTransaction.isSound(request) }
        if OnceCall.isOnce(request) { return OnceCall.isSound(request) }
        if OnceCall.isOpening(request) { return OnceCall.window(ofOpening: request) != nil }
        guard case .found(let spec) = CommandTable.resolve(request) else { return false }
        return spec.handler != nil
    }

    private mutating func run(_ request: Request) -> ReplyStatusCode {
        if OnceCall.isOnce(request) { return runOnce(request) }
        if OnceCall.isOpening(request) {
            openOnce(request)
            return .complete
        }
        return Self.run(request, slots: slots, context: &context)
    }

    /// Executes a command, or a transaction.
    static func run(
        _ request: Request, slots: SlotRange?, context: inout CommandContext
    ) -> ReplyStatusCode {
        if LoggedTransaction.isTransaction(request) {
            return LoggedTransaction.run(request, slots: slots, context: &context)
        }
        // Not `!= nil`: comparing a closure allocates in debug builds.
        guard case .found(let spec) = CommandTable.resolve(request), case .some = spec.handler
        else {
            invariantFailed("a command in the log that is not in the table")
        }
        if let slots, slots.count < HashSlot.count, !owns(request, spec, slots) { return .moved }
        let outcome = spec.run(&context, request)
        invariant(outcome == .done, "a command in the log did not finish")
        return .complete
    }

    static func owns(_ request: Request, _ spec: CommandSpec, _ slots: SlotRange) -> Bool {
        guard spec.scope == .keyed else { return true }
        var owned = true
        _ = spec.keys.forEachKey(of: request) { position in
            if !slots.contains(HashSlot.of(key: request[position])) { owned = false }
        }
        return owned
    }

    /// Forgets the answers that were delivered.
    mutating func removeAnswers() {
        answers.removeAll(keepingCapacity: true)
        appliedPieces.removeAll(keepingCapacity: true)
        context.reply.bytes.removeAll(keepingCapacityUpTo: 1 << 20)
    }
}

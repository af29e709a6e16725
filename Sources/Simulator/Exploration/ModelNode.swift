internal import Bytes
internal import Raft

/// One node of a small model: a core, its liveness, and a disk that does what it is told.
final class ModelNode {
    let id: NodeID
    /// How fast its clock runs beside the true time, in parts per million.
    let ratePPM: Int64
    var core: RaftCore
    var liveness: PairLiveness
    var disk = ModelDisk()
    var boot: UInt64 = 1
    var effects = RaftEffects()
    /// The read under way.
    var read: Read?
    /// The follow epoch that it quoted last, to whom, and in which term.
    var quoted: Quoted?
    /// Promises by whom they were given to: the newest of each epoch.
    var promises: [Promise] = []

    struct Read: Equatable {
        var round: UInt64
        var term: Term
        /// What was committed anywhere when it began.
        var mustSee: Int
    }

    struct Quoted: Equatable {
        var leader: Int
        var leaderBoot: UInt64
        var term: Term
        var epoch: UInt64
        /// The leader, or one of a later term, has set it free.
        var isFree = false
    }

    struct Promise: Equatable {
        var to: Int
        var epoch: UInt64
        var until: Instant
    }

    init(_ number: Int, of situation: ModelSituation, now: Instant) {
        id = NodeID(UInt16(number))
        ratePPM = situation.ratesPPM[number - 1]
        liveness = Self.liveness(id, boot: 1, situation, now: now)
        core = RaftCore(
            situation.configuration(of: id), restored: .fresh(), seed: UInt64(number), now: now)
    }

    private static func liveness(
        _ id: NodeID, boot: UInt64, _ situation: ModelSituation, now: Instant
    ) -> PairLiveness {
        PairLiveness(
            node: id, boot: boot, peers: situation.members,
            promise: situation.configuration(of: id).electionTimeout, now: now)
    }

    func clock(at time: Int64) -> Instant {
        Instant(nanoseconds: time + time / 1_000_000 * ratePPM)
    }

    /// A new process on what the disk holds.
    func restart(_ situation: ModelSituation, now: Instant) {
        boot += 1
        liveness = Self.liveness(id, boot: boot, situation, now: now)
        core = RaftCore(
            situation.configuration(of: id), restored: disk.restored(),
            seed: UInt64(id.raw) * 1000 + boot, now: now)
        read = nil
    }

    func encodeState(into buffer: inout ByteBuffer, now: Instant) {
        core.encodeState(into: &buffer, now: now)
        liveness.encodeState(into: &buffer, now: now)
        disk.encodeState(into: &buffer)
        buffer.append(littleEndian: boot)
        if let read {
            // A round counts by how far it is behind the newest, which the core tells.
            buffer.append(littleEndian: read.round)
            buffer.append(littleEndian: read.term)
            buffer.append(littleEndian: read.mustSee)
        }
        buffer.append(read == nil ? 0 : 1)
        if let quoted {
            buffer.append(littleEndian: quoted.leader)
            buffer.append(littleEndian: quoted.leaderBoot)
            buffer.append(littleEndian: quoted.term)
            buffer.append(littleEndian: quoted.epoch)
            buffer.append(quoted.isFree ? 1 : 0)
        }
        for promise in promises where promise.until > now {
            buffer.append(littleEndian: promise.to)
            buffer.append(littleEndian: promise.epoch)
            buffer.append(littleEndian: (promise.until - now).nanoseconds)
        }
    }
}

/// What is durable on a node, and what was only handed to its disk.
struct ModelDisk: Equatable {
    struct Entry: Equatable {
        var term: Term
        var record: [UInt8]
    }

    enum Operation: Equatable {
        case hardState(Term, NodeID?)
        case truncate(LogIndex)
        case append(first: LogIndex, [Entry])
    }

    struct Pending: Equatable {
        var ticket: IOTicket
        var operation: Operation
    }

    private(set) var wasUsed = false
    private(set) var term: Term = 0
    private(set) var vote: NodeID?
    private(set) var entries: [Entry] = []
    private(set) var pending: [Pending] = []

    mutating func submit(_ ticketed: TicketedIO, _ core: borrowing RaftCore) {
        let operation: Operation
        switch ticketed.io {
        case .hardState(let term, let vote): operation = .hardState(term, vote)
        case .truncate(let from): operation = .truncate(from)
        case .start: invariantFailed("a small model has no snapshots")
        case .append(let range):
            var written: [Entry] = []
            for index in range {
                guard let entry = core.log.entry(at: index) else {
                    invariantFailed("entry \(index) left memory before it was written")
                }
                let record = ByteBuffer(copying: entry.record).copyBytes()
                written.append(Entry(term: entry.term, record: record))
            }
            operation = .append(first: range.lowerBound, written)
        }
        pending.append(Pending(ticket: ticketed.ticket, operation: operation))
    }

    /// The oldest operation is durable; its ticket.
    mutating func sync() -> IOTicket? {
        guard !pending.isEmpty else { return nil }
        let done = pending.removeFirst()
        wasUsed = true
        switch done.operation {
        case .hardState(let term, let vote):
            self.term = term
            self.vote = vote
        case .truncate(let from): entries.removeLast(max(0, entries.count - Int(from) + 1))
        case .append(let first, let written):
            // A disk has no opinion about gaps; whoever reads it has.
            entries.removeLast(max(0, entries.count - Int(first) + 1))
            entries += written
        }
        return done.ticket
    }

    /// The process ends. Returns whether something was lost.
    mutating func crash(keeping: Bool) -> Bool {
        if keeping { while sync() != nil {} }
        defer { pending = [] }
        return !pending.isEmpty
    }

    func term(at index: Int) -> Term? {
        index >= 1 && index <= entries.count ? entries[index - 1].term : nil
    }

    func restored() -> RestoredGroup {
        var restored = RestoredGroup()
        restored.directoryWasEmpty = !wasUsed
        restored.term = max(term, entries.last?.term ?? 0)
        restored.vote = restored.term == term ? vote : nil
        restored.lastIndex = LogIndex(entries.count)
        for (position, entry) in entries.enumerated() {
            if restored.termStarts.last?.term != entry.term {
                restored.termStarts.append(
                    TermStart(index: LogIndex(position + 1), term: entry.term))
            }
            restored.tail.append(entry.record.span)
        }
        return restored
    }

    func encodeState(into buffer: inout ByteBuffer) {
        buffer.append(littleEndian: term)
        buffer.append(littleEndian: vote?.raw ?? 0)
        buffer.append(littleEndian: entries.count)
        for entry in entries { buffer.append(littleEndian: entry.term) }
        for waiting in pending {
            switch waiting.operation {
            case .hardState(let term, let vote):
                buffer.append(1)
                buffer.append(littleEndian: term)
                buffer.append(littleEndian: vote?.raw ?? 0)
            case .truncate(let from):
                buffer.append(2)
                buffer.append(littleEndian: from)
            case .append(let first, let written):
                buffer.append(3)
                buffer.append(littleEndian: first)
                for entry in written { buffer.append(littleEndian: entry.term) }
            }
        }
    }
}

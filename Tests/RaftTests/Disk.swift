import Bytes

@testable import Raft

/// One node's disk: what is durable, and what was only handed to it.
struct Disk {
    struct Operation {
        var ticketed: TicketedIO
        var entries: [Entry]
        /// The members where a log begins.
        var members: GroupMembers?
    }
    struct Entry: Equatable {
        var term: Term
        var record: [UInt8]
    }

    /// A state and where it ends.
    struct Snapshot: Equatable {
        var index: LogIndex
        var term: Term
        var state: UInt64
        /// nil: as a host that knows nothing of members.
        var members: GroupMembers?
    }

    var wasUsed = false
    /// Entries that were durable are gone; a replica remembers that until it hears otherwise.
    var lacksEntries = false
    /// Durable snapshots, oldest first.
    var snapshots: [Snapshot] = []
    /// The log begins behind this entry.
    var base: LogIndex = 0
    var baseTerm: Term = 0
    /// The members as of `base`, on a host that keeps them there.
    var baseMembers: GroupMembers?
    var keepsBaseMembers = true
    /// What is left of a replica that was removed and forgotten.
    var removal: RemovedReplica?

    init() {}

    /// All of `disk` is forgotten but what must not be.
    init(forgetting disk: Disk, _ removal: RemovedReplica) {
        self.removal = removal
        wasUsed = true
        term = removal.term
        vote = removal.vote
        restoredTail = disk.restoredTail
        keepsBaseMembers = disk.keepsBaseMembers
    }
    var term: Term = 0
    var vote: NodeID?
    var entries: [Entry] = []
    var pending: [Operation] = []
    /// How many of the newest entries a restart finds in memory.
    var restoredTail = Int.max

    mutating func submit(_ ticketed: TicketedIO, log replica: Replica) {
        var written: [Entry] = []
        if case .append(let range) = ticketed.io {
            for index in range {
                guard let record = recordInMemory(replica.core, at: index),
                    let term = replica.core.log.term(at: index)
                else { fatalError("entry \(index) left memory before it was written") }
                written.append(Entry(term: term, record: record))
            }
        }
        var operation = Operation(ticketed: ticketed, entries: written)
        if case .start(let index, _, _) = ticketed.io, keepsBaseMembers {
            operation.members = replica.core.members(asOf: index)
        }
        pending.append(operation)
    }

    /// Makes operations durable, in order; returns the last ticket.
    mutating func sync(count: Int) -> IOTicket? {
        var ticket: IOTicket?
        for operation in pending.prefix(count) {
            carryOut(operation)
            ticket = operation.ticketed.ticket
        }
        pending.removeFirst(min(count, pending.count))
        return ticket
    }

    private mutating func carryOut(_ operation: Operation) {
        wasUsed = true
        switch operation.ticketed.io {
        case .hardState(let term, let vote):
            precondition(term >= self.term)
            precondition(term > self.term || self.vote == nil || self.vote == vote)
            self.term = term
            self.vote = vote
        case .start(let index, let term, let keepingRest):
            precondition(index >= base, "the log's start goes backwards")
            precondition(term <= self.term, "a start of a term that the disk never heard of")
            if keepingRest {
                precondition(index <= lastIndex, "nothing there to keep")
                precondition(index == base || entry(at: index)!.term == term)
                entries.removeFirst(Int(index - base))
            } else {
                entries = []
            }
            base = index
            baseTerm = term
            baseMembers = operation.members
        case .truncate(let from):
            precondition(from > base, "truncated before the log's start")
            entries.removeLast(max(0, entries.count - Int(from - 1 - base)))
        case .append(let range):
            precondition(range.lowerBound == lastIndex + 1, "a gap on disk")
            entries += operation.entries
        }
    }

    /// The newest entries can not be read any more.
    mutating func lose(_ count: Int) {
        entries.removeLast(min(count, entries.count))
        lacksEntries = true
    }

    var lastIndex: LogIndex { base + LogIndex(entries.count) }

    func entry(at index: LogIndex) -> Entry? {
        guard index > base, index <= lastIndex else { return nil }
        return entries[Int(index - base) - 1]
    }

    mutating func keep(_ snapshot: Snapshot) {
        wasUsed = true
        guard !snapshots.contains(where: { $0.index == snapshot.index }) else { return }
        snapshots.append(snapshot)
        snapshots.sort { $0.index < $1.index }
        if snapshots.count > 2 { snapshots.removeFirst() }
    }

    /// The newest snapshot, if the log goes on from it.
    var usableSnapshot: Snapshot? { snapshots.last.flatMap { $0.index >= base ? $0 : nil } }

    mutating func crash(keeping count: Int) {
        _ = sync(count: count)
        pending = []
    }

    func restore() -> RestoredGroup {
        var restored = removal.map { RestoredGroup.rejoining($0) } ?? RestoredGroup()
        restored.directoryWasEmpty = !wasUsed
        restored.term = term
        restored.vote = vote
        restored.firstIndex = base + 1
        restored.precedingTerm = baseTerm
        restored.lastIndex = lastIndex
        if let snapshot = usableSnapshot {
            restored.snapshotIndex = snapshot.index
            restored.snapshotTerm = snapshot.term
            restored.members = snapshot.members
        }
        restored.members = restored.members ?? baseMembers
        restored.memberEntries = memberEntries
        for (position, entry) in entries.enumerated()
        where position == 0 || entries[position - 1].term != entry.term {
            restored.termStarts.append(
                TermStart(index: base + LogIndex(position + 1), term: entry.term))
        }
        for entry in entries.suffix(restoredTail) { restored.tail.append(entry.record) }
        return restored
    }

    /// What is not in the tail that a restart finds; with some that is.
    private var memberEntries: [GroupMembers] {
        var found: [GroupMembers] = []
        for entry in entries.prefix(max(1, entries.count - restoredTail / 2)) {
            var walk = EntryRecords(entry.record.span)
            guard let view = try? walk.next(), let members = try? GroupMembers(entry: view) else {
                continue
            }
            found.append(members)
        }
        return found
    }

    func read(_ fetch: LogFetch) -> [UInt8] {
        var bytes: [UInt8] = []
        var index = fetch.from
        while index <= fetch.upTo, let record = entry(at: index)?.record {
            if !bytes.isEmpty, bytes.count + record.count > fetch.maxBytes { break }
            bytes += record
            index += 1
        }
        return bytes
    }
}

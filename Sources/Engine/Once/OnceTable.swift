internal import Bytes
internal import DequeModule
internal import Store

/// Exactly once for clients: the sessions that have sent commands to this group, and the answers to
/// their latest requests. Part of the group's state, the same on every replica.
///
/// The idea is that of Raft's client sessions (Ongaro's thesis, 6.3), for a session that many groups
/// serve. It is opened once, in one group, which only counts (`open`); every other group hears of it
/// with its first command. What makes that sound:
///
/// 1. A session that is not in the table is taken in only when its number is greater than that of
///    every session of the same opener that the table ever let go (`horizons`). So a session that was
///    let go is never taken in again, and neither is any late copy of its requests.
/// 2. Within a session, a sequence at or below `floor` is refused: its answer is forgotten, or it never
///    came. Above it, the answers that are kept are exactly the sequences that were executed.
/// 3. Hence a pair (session, sequence) is executed at most once in a group, whatever is lost, late or
///    sent twice; a refused one is not executed by that copy, and by no later one either if it was
///    refused for 1 or 2.
/// 4. Everything here is a function of the log: sessions are let go by log time and by bytes, the ones
///    first that were silent for longest.
///
/// Rejected: an entry for each session in each group at its opening (a group that is down would keep
/// sessions from being opened, and most sessions touch few groups); opening by sequence 1 (a late copy
/// of it would begin a session anew, and execute again).
struct OnceTable {
    /// What the sessions may take, and how long they are kept: two directives, as the log holds them.
    struct Limits: Equatable {
        /// Bytes of all sessions in the group, by `sessionBytes` and `answerBytes`.
        var bytes = 32 << 20
        /// Log time without a request after which a session is let go, in ms.
        var idleMilliseconds: Int64 = 3_600_000
    }

    /// What is to be done with a request.
    enum Admission: Equatable {
        /// Execute it and `record` the answer.
        case fresh
        /// It was executed; this was the answer.
        case repeated([UInt8])
        /// It was executed; the answer was too large to be kept.
        case answerDropped
        /// The sequence was another command's.
        case mismatch
        /// The sequence is behind the session's window.
        case behind
        /// The session was let go, or may have been.
        case expired
    }

    struct Answer: Equatable {
        var sequence: UInt64
        /// Of the command, so that a sequence that is used twice is noticed.
        var digest: UInt64
        /// Nil: it was too large to be kept.
        var reply: [UInt8]?

        var bytes: Int { OnceTable.answerBytes + (reply?.count ?? 0) }
    }

    struct Entry {
        let session: OnceSession
        /// Log time of the last request, ms.
        var lastUsed: Int64
        /// Sequences up to here are refused.
        var floor: UInt64 = 0
        /// Ascending by sequence; all above `floor`.
        var answers = Deque<Answer>()
        var replyBytes = 0
        /// Neighbours by last use; -1: none.
        fileprivate var older = -1
        fileprivate var newer = -1

        init(session: OnceSession, lastUsed: Int64) {
            self.session = session
            self.lastUsed = lastUsed
        }

        var bytes: Int {
            OnceTable.sessionBytes + answers.count * OnceTable.answerBytes + replyBytes
        }
    }

    /// What a session, and an answer beside its reply, take in memory, about. Part of what is logged:
    /// other numbers would let sessions go at other times.
    static let sessionBytes = 200
    static let answerBytes = 56
    /// A session's replies may take this part of all: beyond it its oldest are dropped.
    static let sessionShare = 8
    /// Sessions let go for their age per entry, so that no entry takes long. Whoever is due and still
    /// there is refused all the same.
    static let expirePerEntry = 100

    private(set) var limits = Limits()
    /// The last number given to a session that was opened here.
    private(set) var lastOpened: UInt64 = 0
    /// By opener, ascending: the greatest number of a session that was let go.
    private(set) var horizons: [(opener: UInt32, number: UInt64)] = []
    /// A chain over all that was recorded and let go: two replicas that differ in it have parted.
    private(set) var chain: UInt64 = 0
    private(set) var byteCount = 0

    private var entries: [Entry] = []
    private var free: [Int] = []
    private var places: [OnceSession: Int] = [:]
    private var oldest = -1
    private var newest = -1

    // Since the start of the process, for INFO.
    private(set) var evicted: Int64 = 0
    private(set) var expired: Int64 = 0
    private(set) var repeated: Int64 = 0
    private(set) var refused: Int64 = 0

    init() {}

    var count: Int { places.count }

    // MARK: Sessions

    /// Opens a session: the next number, which is also about the log time in microseconds. So numbers
    /// go on rising even if the log has lost its end (`appendfsync no`), or is that of a backup.
    mutating func open(window: Int, group: UInt32, at time: Int64) -> OnceSession {
        // A clock beyond all reason must leave numbers to go on with.
        let microseconds = min(UInt64(clamping: time), 1 << 52) * 1000
        lastOpened = max(lastOpened + 1, microseconds)
        mix(lastOpened)
        return OnceSession(group: group, number: lastOpened, window: window)
    }

    /// The number up to which sessions of this opener may have been let go.
    func horizon(of opener: UInt32) -> UInt64 {
        horizons.first { $0.opener == opener }?.number ?? 0
    }

    private mutating func raiseHorizon(past session: OnceSession) {
        if let at = horizons.firstIndex(where: { $0.opener >= session.group }) {
            if horizons[at].opener == session.group {
                horizons[at].number = max(horizons[at].number, session.number)
            } else {
                horizons.insert((session.group, session.number), at: at)
            }
        } else {
            horizons.append((session.group, session.number))
        }
    }

    private func isDue(_ at: Int, _ time: Int64) -> Bool {
        time - entries[at].lastUsed >= limits.idleMilliseconds
    }

    /// Log time has moved: lets go of sessions that were silent for too long.
    mutating func expire(at time: Int64) {
        var left = Self.expirePerEntry
        while oldest >= 0, left > 0, isDue(oldest, time) {
            remove(oldest)
            expired += 1
            left -= 1
        }
    }

    /// The directives of the leader, as of this entry.
    mutating func apply(_ limits: Limits) {
        self.limits = limits
        enforceLimit(keeping: -1)
    }

    private mutating func enforceLimit(keeping kept: Int) {
        while byteCount > limits.bytes, oldest >= 0, oldest != kept {
            remove(oldest)
            evicted += 1
        }
    }

    private mutating func remove(_ at: Int) {
        let session = entries[at].session
        raiseHorizon(past: session)
        byteCount -= entries[at].bytes
        unlink(at)
        places[session] = nil
        entries[at].answers = []
        free.append(at)
        mix(session.number)
    }

    // MARK: Requests

    /// Whether a request is known to have been executed. For a leader that judges by its own state.
    func knows(_ session: OnceSession, _ sequence: UInt64) -> Bool {
        guard let at = places[session] else { return false }
        let place = position(of: sequence, in: at)
        return place < entries[at].answers.count
            && entries[at].answers[place].sequence == sequence
    }

    /// Judges a request as of log time `time`. The caller executes what is `fresh`, and records it.
    mutating func admit(
        _ session: OnceSession, _ sequence: UInt64, digest: UInt64, at time: Int64
    ) -> Admission {
        let admission = judge(session, sequence, digest, time)
        switch admission {
        case .fresh: break
        case .repeated, .answerDropped: repeated += 1
        case .mismatch, .behind, .expired: refused += 1
        }
        return admission
    }

    private mutating func judge(
        _ session: OnceSession, _ sequence: UInt64, _ digest: UInt64, _ time: Int64
    ) -> Admission {
        guard let at = place(of: session, time) else { return .expired }
        entries[at].lastUsed = time
        unlink(at)
        linkNewest(at)
        guard sequence > entries[at].floor else { return .behind }
        let place = position(of: sequence, in: at)
        guard place < entries[at].answers.count,
            entries[at].answers[place].sequence == sequence
        else { return .fresh }
        guard entries[at].answers[place].digest == digest else { return .mismatch }
        guard let reply = entries[at].answers[place].reply else { return .answerDropped }
        return .repeated(reply)
    }

    /// Where a session is; taken in if it is new here. Nil: it was let go, or may have been.
    private mutating func place(of session: OnceSession, _ time: Int64) -> Int? {
        if let at = places[session] {
            guard isDue(at, time) else { return at }
            remove(at)
            expired += 1
            return nil
        }
        guard session.number > horizon(of: session.group) else { return nil }
        return insert(Entry(session: session, lastUsed: time))
    }

    private mutating func insert(_ entry: Entry) -> Int {
        let at = free.popLast() ?? entries.count
        if at == entries.count { entries.append(entry) } else { entries[at] = entry }
        places[entry.session] = at
        byteCount += entry.bytes
        linkNewest(at)
        return at
    }

    /// Keeps the answer to a `fresh` request, and lets go of what that leaves no room for: answers
    /// behind the session's window, its oldest replies, the sessions that were silent for longest.
    ///
    /// - Parameter reply: nil when it is too large to be kept.
    mutating func record(
        _ session: OnceSession, _ sequence: UInt64, digest: UInt64, reply: [UInt8]?
    ) {
        guard let at = places[session] else { invariantFailed("an answer without a session") }
        invariant(sequence > entries[at].floor, "an answer behind the window")
        let before = entries[at].bytes
        let place = position(of: sequence, in: at)
        let isKnown =
            place < entries[at].answers.count && entries[at].answers[place].sequence == sequence
        invariant(!isKnown, "a request was executed twice")
        let answer = Answer(sequence: sequence, digest: digest, reply: reply)
        entries[at].answers.insert(answer, at: place)
        entries[at].replyBytes += reply?.count ?? 0
        moveWindow(at)
        boundReplies(at)
        byteCount += entries[at].bytes - before
        mix(sequence ^ digest)
        if let reply {
            var hash = StateHash(seed: chain)
            hash.feed(reply.span)
            chain = hash.value
        }
        enforceLimit(keeping: at)
    }

    /// Who sends number n has the answers to all up to n - window.
    private mutating func moveWindow(_ at: Int) {
        guard let last = entries[at].answers.last else { return }
        let window = UInt64(entries[at].session.window)
        guard last.sequence > window else { return }
        entries[at].floor = max(entries[at].floor, last.sequence - window)
        while let first = entries[at].answers.first, first.sequence <= entries[at].floor {
            entries[at].replyBytes -= first.reply?.count ?? 0
            entries[at].answers.removeFirst()
        }
    }

    private mutating func boundReplies(_ at: Int) {
        var place = 0
        while entries[at].replyBytes > limits.bytes / Self.sessionShare {
            entries[at].replyBytes -= entries[at].answers[place].reply?.count ?? 0
            entries[at].answers[place].reply = nil
            place += 1
        }
    }

    /// The first answer whose sequence is not below.
    private func position(of sequence: UInt64, in at: Int) -> Int {
        var low = 0
        var high = entries[at].answers.count
        while low < high {
            let middle = (low + high) / 2
            if entries[at].answers[middle].sequence < sequence {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }

    private mutating func mix(_ word: UInt64) {
        var hash = StateHash(seed: chain)
        hash.feed(word)
        chain = hash.value
    }

    // MARK: Order of use

    private mutating func unlink(_ at: Int) {
        let (older, newer) = (entries[at].older, entries[at].newer)
        if older >= 0 { entries[older].newer = newer } else { oldest = newer }
        if newer >= 0 { entries[newer].older = older } else { newest = older }
    }

    private mutating func linkNewest(_ at: Int) {
        entries[at].older = newest
        entries[at].newer = -1
        if newest >= 0 { entries[newest].newer = at } else { oldest = at }
        newest = at
    }

    /// Every session, the one first that was silent for longest.
    var byLastUse: [Entry] {
        var found: [Entry] = []
        found.reserveCapacity(count)
        var at = oldest
        while at >= 0 {
            found.append(entries[at])
            at = entries[at].newer
        }
        return found
    }

    // MARK: Images

    /// Puts a session of an image behind the others.
    mutating func restore(_ entry: Entry) -> Bool {
        guard places[entry.session] == nil else { return false }
        _ = insert(entry)
        return true
    }

    init(
        limits: Limits, lastOpened: UInt64, chain: UInt64,
        horizons: [(opener: UInt32, number: UInt64)]
    ) {
        self.limits = limits
        self.lastOpened = lastOpened
        self.chain = chain
        self.horizons = horizons
    }
}

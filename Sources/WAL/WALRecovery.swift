public import Bytes
public import Raft

/// Where recovery reads from: the server's data directory, the simulator's disk, a test's array.
///
/// The host has synced every file and the directory before (R1).
public protocol WALSource: ~Copyable {
    /// The numbers of the segment files, ascending.
    var segments: [UInt64] { get }
    /// Bytes in the segment's file.
    func size(of segment: UInt64) throws(WALError) -> Int
    /// The mark that the last run left, if there is one.
    var mark: WALMark? { get }
    /// What the last run had written, as far as it left word of it (`WALMark.writtenFileName`).
    var writtenMark: WALMark? { get }
    /// The copies of the small state beside the log.
    var stateCopies: WALStateCopies { get }
    /// Appends `count` bytes from `position` on, or what there is up to the end of the file. When it
    /// throws it may have appended what is in front of a place that cannot be read.
    func read(_ position: WALPosition, count: Int, into bytes: inout ByteBuffer) throws(WALError)
}

extension WALSource where Self: ~Copyable {
    /// None: for sources that only live in memory.
    public var mark: WALMark? { nil }
    /// None, likewise.
    public var writtenMark: WALMark? { nil }
    /// None, likewise.
    public var stateCopies: WALStateCopies { .none }
}

/// A snapshot of a group, which stands for all of its log up to an entry.
public struct WALSnapshot: Hashable, Sendable {
    public var group: GroupID
    /// The last entry that is in it.
    public var index: LogIndex
    public var term: Term

    public init(group: GroupID, index: LogIndex, term: Term) {
        self.group = group
        self.index = index
        self.term = term
    }
}

/// What the host chooses for a run of the log.
public struct WALParameters: Sendable {
    /// Size of a segment file in bytes: whole sectors, at least `WALLimits.segmentBytesMin`.
    public var segmentBytes = WALLimits.segmentBytes
    /// Random for every run of the process (W5).
    public var saltSeed: UInt64
    /// Bytes of entries, of all groups together, that recovery keeps for the groups' logs in memory.
    public var tailBytesMax = 16 << 20
    /// The newest whole snapshot of each group that has one: damage in what they stand for is in
    /// nobody's way.
    public var snapshots: [WALSnapshot] = []

    public init(saltSeed: UInt64) { self.saltSeed = saltSeed }
}

/// Reads a log from its oldest needed segment to its end; the rules are in LogRecord.swift.
public enum WALRecovery {
    /// Recovers the log, or says why it must not be used. Changes nothing.
    public static func recover(
        from source: borrowing some WALSource & ~Copyable, _ parameters: WALParameters
    )
        throws(WALError) -> RecoveredLog
    {
        let chain = try SegmentChain(source)
        let copies = source.stateCopies
        guard let newest = chain.headers.last else {
            try chain.refuseLostHeader(in: source, nextBatch: 1)
            if let mark = source.mark { throw chain.contradiction(to: mark, end: 0, expected: 1) }
            if let copy = copies.newest {
                guard copy.cutsDamage, copy.batch == 0 else { throw .missingSegment(1) }
                return RecoveredLog.lost(copy, parameters)
            }
            var log = RecoveredLog.empty(parameters)
            log.spareSegments = chain.blank
            return log
        }
        if let copy = copies.newest, copy.logIdentity != newest.logIdentity {
            throw .foreignSegment(
                newest.segment, reason: "the copy of the state beside it is of another log")
        }
        var replay = LogReplay(chain, tailBytesMax: parameters.tailBytesMax)
        try replay.run(chain, source)
        let tail = try replay.judge(chain, source, parameters.snapshots)
        let trims = try replay.trims(source)
        var log = RecoveredLog(
            replay, newest, copies.newest?.sequence ?? 0, parameters, segments: source.segments)
        log.noteEnd(tornTail: tail, trims: trims, spareSegments: chain.blank)
        if let mark = source.writtenMark, mark.log == newest.logIdentity {
            log.noteWritten(upTo: mark.batch)
        }
        log.beginBehind(parameters.snapshots, whereverIncomplete: true)
        if let copy = copies.unfinishedCut(of: chain, endingWith: log.lastBatch) {
            // The last start did not come further than to cut the damage off, perhaps not so far.
            log.adopt(copy)
        }
        return log
    }
}

extension WALStateCopies {
    /// The copy of a repair that no run of the log has taken over yet.
    ///
    /// Wherever the log ends: while files are set aside one by one, those that are left may form a
    /// log that is whole and ends behind the cut or, when the damage comes and goes, anywhere. Batches
    /// that were durable are missing all the same. Only a run that began with the copy has its
    /// contents in its first batch.
    func unfinishedCut(of chain: SegmentChain, endingWith lastBatch: UInt64) -> WALStateCopy? {
        guard let copy = newest, copy.cutsDamage else { return nil }
        let newest = chain.headers.last { $0.firstBatch <= lastBatch }
        return newest?.stateSequence ?? 0 < copy.sequence ? copy : nil
    }
}

/// What the next batch must say.
struct Expected {
    var number: UInt64
    var chain: UInt32

    init(number: UInt64, chain: UInt32) {
        self.number = number
        self.chain = chain
    }

    /// What the first batch of a segment must say.
    init(_ header: SegmentHeader) { self.init(number: header.firstBatch, chain: header.chain) }
}

/// The replay of a chain of segments, from as far back as it is whole.
struct LogReplay: ~Copyable {
    fileprivate(set) var state: RecoveredState
    fileprivate(set) var expected: Expected
    /// The segments replayed.
    private(set) var segments = LiveSegments()
    /// The end of the newest segment's last whole batch.
    private(set) var end = 0
    /// What stands between the replayed segments and older ones.
    private var obstacle: WALError?
    /// The segment that is being replayed.
    private var open: SegmentHeader?
    private let tailBytesMax: Int

    init(_ chain: SegmentChain, tailBytesMax: Int) {
        state = RecoveredState(tailBytesMax: tailBytesMax)
        expected = Expected(chain.headers[0])
        obstacle = chain.obstacle
        self.tailBytesMax = tailBytesMax
    }

    /// Replays the chain. Damage below the newest segment lets the replay begin again behind it: if
    /// nothing is missing then, it was in nobody's way (R5).
    ///
    /// Without `skippingDamage` it ends at the first damage, with what is before it.
    mutating func run(
        _ chain: SegmentChain, _ source: borrowing some WALSource & ~Copyable,
        skippingDamage: Bool = true
    ) throws(WALError) {
        var scan = SegmentScan(pieceBytes: WALLimits.recoveryPieceBytes)
        for (i, header) in chain.headers.enumerated() {
            let next = i + 1 < chain.headers.count ? chain.headers[i + 1] : nil
            open = header
            do throws(WALError) {
                try scan.replay(
                    header, upTo: next?.previousEnd, from: source, &expected, &end, into: &state)
            } catch {
                guard let next, error.isOfDisk, skippingDamage else { throw error }
                obstacle = error
                state = RecoveredState(tailBytesMax: tailBytesMax)
                expected = Expected(next)
                segments.removeAll()
                continue
            }
            closeSegment()
            guard let next else { break }
            guard next.firstBatch == expected.number, next.chain == expected.chain else {
                throw .damaged(WALPosition(segment: next.segment, offset: 0), .segmentHeader)
            }
        }
    }

    /// The replay failed: takes the segment in which it did among those that count, if a whole batch
    /// of it was found.
    mutating func endEarly() {
        if end > SegmentHeader.size || segments.all.isEmpty {
            closeSegment()
        } else {
            open = nil
            end = segments.all.last?.end ?? 0
        }
    }

    private mutating func closeSegment() {
        guard let header = open else { return }
        open = nil
        segments.append(.init(number: header.segment, firstBatch: header.firstBatch, end: end))
    }

    /// Judges what lies behind the last batch (R3), and whether all that is needed is there (R5).
    func judge(
        _ chain: SegmentChain, _ source: borrowing some WALSource & ~Copyable,
        _ snapshots: [WALSnapshot]
    ) throws(WALError) -> RecoveredLog.TornTail? {
        let newest = chain.headers[chain.headers.count - 1]
        if let copy = source.stateCopies.newest, copy.batch >= expected.number {
            throw .damaged(
                WALPosition(segment: newest.segment, offset: end), .batch(expected.number))
        }
        if let mark = source.mark, mark.log == newest.logIdentity, mark.batch >= expected.number {
            throw chain.contradiction(to: mark, end: end, expected: expected.number)
        }
        let size = try source.size(of: newest.segment)
        let tail = try SegmentScan(pieceBytes: 0).judgeTail(
            of: newest, at: end, size: size, expected, source)
        try chain.refuseLostHeader(in: source, nextBatch: expected.number)
        // The batches of the very first segment begin with nothing.
        let isFromBeginning = state.hasBeginning || expected.number == 1
        guard !isFromBeginning || !state.isComplete(with: snapshots) else { return tail }
        let before = chain.headers[0].segment - 1
        switch (obstacle, tail) {
        // Segments are given up only after a durable record says that they can be. If it is the
        // one that is lost at the end, then what is missing there was no torn tail.
        case (.missingSegment, let tail?), (nil, let tail?):
            throw .damaged(tail.position, .batch(tail.firstLostBatch))
        case (let obstacle?, _): throw obstacle
        case (nil, nil): throw .missingSegment(before)
        }
    }

    /// Files that hold much less than they are long. The newest, too: the next run begins one of its
    /// own, and must find room for it where starts follow each other on a full disk.
    func trims(_ source: borrowing some WALSource & ~Copyable) throws(WALError)
        -> [RecoveredLog.Trim]
    {
        var trims: [RecoveredLog.Trim] = []
        for segment in segments.all {
            let size = try source.size(of: segment.number)
            if size - segment.end > size / 16 {
                trims.append(.init(segment: segment.number, bytes: segment.end))
            }
        }
        return trims
    }
}

/// The segments of a directory, checked against each other by their headers.
struct SegmentChain {
    /// In order, without gaps, up to the newest used one: where the replay may begin.
    private(set) var headers: [SegmentHeader] = []
    /// Preallocated files behind the last used one.
    private(set) var blank: [UInt64] = []
    /// Why the run does not begin further back; nil if there is no need to look there.
    private(set) var obstacle: WALError?

    private enum File {
        case blank
        case used(SegmentHeader)
        case damaged
    }

    init(_ source: borrowing some WALSource & ~Copyable) throws(WALError) {
        var files: [(segment: UInt64, file: File)] = []
        for segment in source.segments {
            do throws(WALError) {
                let header = try SegmentHeader.read(segment, source)
                files.append((segment, header.map { .used($0) } ?? .blank))
            } catch {
                // Damage may be in nobody's way; everything else is for the operator.
                guard case .damaged = error else { throw error }
                files.append((segment, .damaged))
            }
        }
        let used = files.lastIndex { if case .used = $0.file { true } else { false } }
        try takeSpares(files[(used.map { $0 + 1 } ?? 0)...])
        if let used { try takeRun(files[...used]) }
    }

    /// The runs of whole headers, each without gaps and as long as it can be, from the first segment
    /// on that the newest whole one says was needed: what a repair of a damaged log can choose from.
    /// The oldest first.
    static func runs(of source: borrowing some WALSource & ~Copyable) throws(WALError)
        -> [SegmentChain]
    {
        var files: [SegmentHeader] = []
        for segment in source.segments {
            do throws(WALError) {
                if let header = try SegmentHeader.read(segment, source) { files.append(header) }
            } catch {
                guard error.isOfDisk else { throw error }
            }
        }
        guard let newest = files.last else { return [] }
        var runs: [SegmentChain] = []
        var last: UInt64?
        for header in files where header.segment >= max(1, newest.oldest) {
            guard header.logIdentity == newest.logIdentity else {
                throw .foreignSegment(header.segment, reason: "it was written by another log")
            }
            if last.map({ $0 + 1 }) != header.segment { runs.append(SegmentChain()) }
            runs[runs.count - 1].headers.append(header)
            last = header.segment
        }
        return runs
    }

    private init() {}

    /// Files behind the newest used one: preallocated, one after the other.
    private mutating func takeSpares(_ files: ArraySlice<(segment: UInt64, file: File)>)
        throws(WALError)
    {
        for (segment, file) in files {
            guard case .blank = file else {
                throw .damaged(WALPosition(segment: segment, offset: 0), .segmentHeader)
            }
            blank.append(segment)
        }
    }

    /// Goes back from the newest used one, which comes last.
    private mutating func takeRun(_ files: ArraySlice<(segment: UInt64, file: File)>)
        throws(WALError)
    {
        guard case .used(let newest)? = files.last?.file else { return }
        for (segment, file) in files {
            guard case .used(let header) = file, header.logIdentity != newest.logIdentity else {
                continue
            }
            throw .foreignSegment(segment, reason: "it was written by another log")
        }
        if let spare = blank.enumerated().first(where: {
            $0.element != newest.segment + UInt64($0.offset) + 1
        }) {
            throw .missingSegment(newest.segment + UInt64(spare.offset) + 1)
        }
        var next = newest.segment
        for (segment, file) in files.reversed() where next >= max(1, newest.oldest) {
            guard segment == next else { break }
            guard case .used(let header) = file else {
                obstacle = .damaged(WALPosition(segment: segment, offset: 0), .segmentHeader)
                break
            }
            headers.append(header)
            next -= 1
        }
        headers.reverse()
        if obstacle == nil, next >= max(1, newest.oldest) { obstacle = .missingSegment(next) }
    }

    /// What must be wrong where the replay ended, at `end` of the newest used segment, if batch
    /// `expected` was durable.
    func contradiction(to mark: WALMark, end: Int, expected: UInt64) -> WALError {
        let newest = headers.last?.segment ?? 0
        if newest >= mark.segment {
            return .damaged(WALPosition(segment: newest, offset: end), .batch(expected))
        }
        let lost = newest > 0 ? newest + 1 : mark.segment
        return blank.contains(lost)
            ? .damaged(WALPosition(segment: lost, offset: 0), .segmentHeader)
            : .missingSegment(lost)
    }

    /// Finds a used segment whose header sector was zeroed: a batch in it has a mark at or above
    /// the first batch that the segment can hold, so its first sync had returned.
    func refuseLostHeader(in source: borrowing some WALSource & ~Copyable, nextBatch: UInt64)
        throws(WALError)
    {
        for segment in blank {
            var lost = false
            try SegmentScan.forEachSector(of: segment, from: 0, source) { _, header in
                if header.segment == segment, header.mark >= nextBatch { lost = true }
            }
            if lost { throw .damaged(WALPosition(segment: segment, offset: 0), .segmentHeader) }
        }
    }
}

internal import Bytes
public import Raft

/// Looks at a log without starting on it: for `skein check`, and for choosing the best of several
/// damaged directories.
public enum WALCheck {
    /// Reads all segments, each by itself and all together. Changes nothing, and goes on behind
    /// damage; what cannot be read is part of the report.
    ///
    /// Reads everything twice; memory stays small. The source has to be synced, or the directory of a
    /// stopped node, as for recovery.
    public static func check(_ source: borrowing some WALSource & ~Copyable) -> WALReport {
        var report = WALReport()
        report.examineSegments(source)
        report.examineLog(source)
        return report
    }
}

/// What `WALCheck` has found.
public struct WALReport: Sendable {
    public enum Contents: Equatable, Sendable {
        /// Prepared, or given up; never used under this number.
        case blank
        /// Holds the batches `first..<next`, which end at byte `end`.
        case batches(first: UInt64, next: UInt64, end: Int)
        /// Holds the batches `first..<next` up to where it is damaged or cannot be read.
        case damaged(first: UInt64?, next: UInt64, WALError)
    }

    public struct Segment: Equatable, Sendable {
        public var number: UInt64
        /// Length of the file; 0 if that cannot be found out.
        public var fileBytes: Int
        public var contents: Contents
        /// Whether no group needs it: it could be removed.
        public var isObsolete = false
    }

    public struct Group: Equatable, Sendable {
        public var group: GroupID
        public var term: Term
        /// 0: none.
        public var vote: UInt16
        public var firstIndex: LogIndex
        public var precedingTerm: Term
        /// `firstIndex - 1` if there are no entries.
        public var lastIndex: LogIndex
        public var lastTerm: Term
        /// Whether all entries `firstIndex...lastIndex` are there.
        public var isComplete: Bool
    }

    /// In order.
    public fileprivate(set) var segments: [Segment] = []
    /// Why a node would not start; nil: it would.
    public fileprivate(set) var refusal: WALError?
    /// What a start would drop at the end.
    public fileprivate(set) var tornTail: RecoveredLog.TornTail?
    /// The number of the last batch up to which the log is whole from its beginning.
    public fileprivate(set) var lastBatch: UInt64 = 0
    /// The groups as of `lastBatch`.
    public fileprivate(set) var groups: [Group] = []
    /// What the newest readable batch anywhere, also behind damage, knows of terms, votes and ranges:
    /// what the node may have promised. Equal to `groups` for a sound log.
    public fileprivate(set) var lastKnown: [Group] = []
    /// The node's own records that the newest readable batch knows of.
    public fileprivate(set) var nodeRecords: [[UInt8]] = []
    /// The newest entry of each group in any readable batch, also behind damage: what the node may
    /// have acknowledged. Groups without entries are left out.
    public fileprivate(set) var lastSeen: [(group: GroupID, index: LogIndex)] = []
    /// A repair has cut the log behind `lastBatch`; the next start takes what is lost from the peers.
    public fileprivate(set) var isCut = false
    /// Bytes of the segments that a start keeps.
    public fileprivate(set) var liveBytes = 0

    /// Damage and unreadable places in the order of the segments, also where nobody needs what is
    /// there; each segment's first.
    public var damages: [WALError] {
        segments.compactMap {
            if case .damaged(_, _, let error) = $0.contents { error } else { nil }
        }
    }
}

extension WALReport {
    /// Reads each segment by itself: its own checkpoint stands for what was before.
    fileprivate mutating func examineSegments(_ source: borrowing some WALSource & ~Copyable) {
        var headers: [UInt64: SegmentHeader] = [:]
        var unreadable: [UInt64: WALError] = [:]
        let numbers = source.segments
        for number in numbers {
            do throws(WALError) { headers[number] = try SegmentHeader.read(number, source) } catch {
                unreadable[number] = error
            }
        }
        for number in numbers {
            let size = (try? source.size(of: number)) ?? 0
            let contents: Contents
            if let error = unreadable[number] {
                contents = .damaged(first: nil, next: 0, error)
            } else if let header = headers[number] {
                contents = examine(header, before: headers[number + 1], size: size, source)
            } else {
                contents = .blank
            }
            segments.append(Segment(number: number, fileBytes: size, contents: contents))
        }
    }

    private mutating func examine(
        _ header: SegmentHeader, before next: SegmentHeader?, size: Int,
        _ source: borrowing some WALSource & ~Copyable
    ) -> Contents {
        var state = RecoveredState(tailBytesMax: 0)
        var expected = Expected(header)
        var scan = SegmentScan(pieceBytes: WALLimits.recoveryPieceBytes)
        let contents: Contents
        var end = 0
        do throws(WALError) {
            try scan.replay(
                header, upTo: next?.previousEnd, from: source, &expected, &end, into: &state)
            if next == nil {
                _ = try scan.judgeTail(of: header, at: end, size: size, expected, source)
            }
            contents = .batches(first: header.firstBatch, next: expected.number, end: end)
        } catch {
            contents = .damaged(first: header.firstBatch, next: expected.number, error)
            lookBehindDamage(in: header, at: end, source)
        }
        for group in state.groups { see(group.group, group.lastIndex) }
        if state.hasBeginning {
            lastKnown = state.groups.map { Group($0) }
            nodeRecords = state.nodeRecords.all.map(\.bytes)
        }
        return contents
    }

    private mutating func see(_ group: GroupID, _ index: LogIndex) {
        guard index > 0 else { return }
        if let at = lastSeen.firstIndex(where: { $0.group == group }) {
            lastSeen[at].index = max(lastSeen[at].index, index)
        } else {
            lastSeen.append((group, index))
        }
    }

    /// Notes the entries in whole batches behind damage. They were written by the run that wrote the
    /// segment; whether all before them are there does not matter here.
    private mutating func lookBehindDamage(
        in segment: SegmentHeader, at end: Int, _ source: borrowing some WALSource & ~Copyable
    ) {
        var batches: [(offset: Int, header: BatchHeader)] = []
        _ = try? SegmentScan.forEachSector(of: segment.segment, from: end, source) {
            offset, header in
            if header.salt == segment.salt { batches.append((offset, header)) }
        }
        for (offset, header) in batches {
            var body = ByteBuffer()
            let place = WALPosition(segment: segment.segment, offset: offset + BatchHeader.size)
            try? source.read(place, count: header.bodyLength, into: &body)
            guard body.count == header.bodyLength,
                CRC32C.checksum(body.readable) == header.bodyChecksum
            else { continue }
            var from = 0
            while from < body.count, body.readable[from] != 0,
                let record = try? RecordHeader.decode(body.readable.extracting(from...))
            {
                if record.kind == .entries { see(record.group, record.b) }
                from += RecordHeader.size + record.length
            }
        }
    }

    /// Reads the log as a start does; behind a refusal, up to the first damage that matters.
    fileprivate mutating func examineLog(_ source: borrowing some WALSource & ~Copyable) {
        do throws(WALError) {
            var parameters = WALParameters(saltSeed: 0)
            parameters.tailBytesMax = 0
            var log = try WALRecovery.recover(from: source, parameters)
            tornTail = log.tornTail
            lastBatch = log.lastBatch
            groups = log.groups.map { Group($0) }
            lastKnown = groups
            for obsolete in log.obsoleteSegments {
                for at in segments.indices where segments[at].number == obsolete {
                    segments[at].isObsolete = true
                }
            }
            isCut = log.wasCut
            liveBytes = log.takeWriter().liveBytes
            return
        } catch {
            refusal = error
            note(error)
        }
        let copies = source.stateCopies
        guard let chain = try? SegmentChain(source), !chain.headers.isEmpty else {
            isCut = copies.newest?.cutsDamage ?? false
            return
        }
        var replay = LogReplay(chain, tailBytesMax: 0)
        try? replay.run(chain, source, skippingDamage: false)
        lastBatch = replay.expected.number - 1
        groups = replay.state.groups.map { Group($0) }
        liveBytes = replay.segments.bytes
        isCut = copies.unfinishedCut(of: chain, endingWith: lastBatch) != nil
    }
}

extension WALReport {
    /// Notes damage that shows only in the light of the whole log, or of its mark: a header that
    /// became all zero, a last batch that is not the last.
    private mutating func note(_ refusal: WALError) {
        guard case .damaged(let position, _) = refusal else { return }
        for at in segments.indices where segments[at].number == position.segment {
            switch segments[at].contents {
            case .blank: segments[at].contents = .damaged(first: nil, next: 0, refusal)
            case .batches(let first, let next, _):
                segments[at].contents = .damaged(first: first, next: next, refusal)
            case .damaged: break
            }
        }
    }
}

extension WALReport.Group {
    fileprivate init(_ recovered: RecoveredGroup) {
        group = recovered.group
        term = recovered.term
        vote = recovered.hardState.vote
        firstIndex = recovered.firstIndex
        precedingTerm = recovered.precedingTerm
        lastIndex = recovered.lastIndex
        lastTerm = recovered.termStarts.last?.term ?? recovered.precedingTerm
        isComplete = recovered.isComplete
    }
}

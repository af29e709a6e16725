public import Bytes
internal import Raft

/// Where recovery reads from: the server's data directory, the simulator's disk, a test's array.
///
/// The host has synced every file and the directory before (R1).
public protocol WALSource: ~Copyable {
    /// The numbers of the segment files, ascending.
    var segments: [UInt64] { get }
    /// Bytes in the segment's file.
    func size(of segment: UInt64) throws(WALError) -> Int
    /// Appends `count` bytes from `position` on, or what there is up to the end of the file.
    func read(_ position: WALPosition, count: Int, into bytes: inout ByteBuffer) throws(WALError)
}

/// What the host chooses for a run of the log.
public struct WALParameters: Sendable {
    /// Size of a segment file in bytes: whole sectors, at least `WALLimits.segmentBytesMin`.
    public var segmentBytes = WALLimits.segmentBytes
    /// Random for every run of the process (W5).
    public var saltSeed: UInt64
    /// Bytes of entries, of all groups together, that recovery keeps for the groups' logs in memory.
    public var tailBytesMax = 16 << 20

    public init(saltSeed: UInt64) { self.saltSeed = saltSeed }
}

/// Reads a log from its oldest segment to its end; the rules are in LogRecord.swift.
public enum WALRecovery {
    /// Recovers the log, or says why it must not be used. Changes nothing.
    public static func recover(
        from source: borrowing some WALSource & ~Copyable, _ parameters: WALParameters
    )
        throws(WALError) -> RecoveredLog
    {
        let chain = try SegmentChain(source)
        guard let oldest = chain.headers.first, let newest = chain.headers.last else {
            try chain.refuseLostHeader(in: source, nextBatch: 1)
            var log = RecoveredLog.empty(parameters)
            log.spareSegments = chain.blank
            return log
        }
        var state = RecoveredState(tailBytesMax: parameters.tailBytesMax)
        var expected = Expected(number: oldest.firstBatch, chain: oldest.chain)
        var scan = SegmentScan(pieceBytes: WALLimits.recoveryPieceBytes)
        var end = 0
        var trims: [RecoveredLog.Trim] = []
        for (i, header) in chain.headers.enumerated() {
            let size = try source.size(of: header.segment)
            let next = i + 1 < chain.headers.count ? chain.headers[i + 1] : nil
            end = try scan.replay(
                header, upTo: next?.previousEnd, from: source, &expected, into: &state)
            guard let next else { break }
            guard next.firstBatch == expected.number, next.chain == expected.chain else {
                let start = WALPosition(segment: next.segment, offset: 0)
                throw .damaged(start, .segmentHeader)
            }
            if size > end { trims.append(.init(segment: header.segment, bytes: end)) }
        }
        let size = try source.size(of: newest.segment)
        let tail = try scan.judgeTail(of: newest, at: end, size: size, expected, source)
        try chain.refuseLostHeader(in: source, nextBatch: expected.number)
        let start = WALWriter.Start(
            logIdentity: newest.logIdentity, saltSeed: parameters.saltSeed,
            segmentBytes: parameters.segmentBytes, nextBatch: expected.number,
            nextSegment: newest.segment + 1, oldestSegment: newest.oldest, previousEnd: end,
            chain: expected.chain, indexes: state.indexes)
        return RecoveredLog(
            nodeRecords: state.nodeRecords, groups: state.groups, writer: WALWriter(start),
            lastBatch: expected.number - 1, tornTail: tail, trims: trims,
            spareSegments: chain.blank, obsoleteSegments: chain.obsolete)
    }
}

/// What the next batch must say.
struct Expected {
    var number: UInt64
    var chain: UInt32
}

/// The segments of a directory, checked against each other by their headers.
struct SegmentChain {
    /// In order, without gaps, from the oldest that is needed.
    private(set) var headers: [SegmentHeader] = []
    /// Preallocated files behind the last used one.
    private(set) var blank: [UInt64] = []
    /// Files below the oldest needed one.
    private(set) var obsolete: [UInt64] = []

    init(_ source: borrowing some WALSource & ~Copyable) throws(WALError) {
        var sector = ByteBuffer()
        for segment in source.segments {
            let start = WALPosition(segment: segment, offset: 0)
            sector.removeAll()
            try source.read(start, count: SegmentHeader.size, into: &sector)
            switch SegmentHeader.read(sector.readable) {
            case .blank: blank.append(segment)
            case .damaged: throw .damaged(start, .segmentHeader)
            case .otherVersion(let version): throw .unknownVersion(segment: segment, version)
            case .header(let header):
                // A blank header below a used one was used too (W2).
                if let lost = blank.first {
                    throw .damaged(WALPosition(segment: lost, offset: 0), .segmentHeader)
                }
                guard header.segment == segment else {
                    throw .foreignSegment(segment, reason: "its header has another number")
                }
                headers.append(header)
            }
        }
        try checkOrder()
    }

    private mutating func checkOrder() throws(WALError) {
        guard let newest = headers.last else { return }
        let needed = headers.partitionPoint { $0.segment >= newest.oldest }
        obsolete = headers[..<needed].map(\.segment)
        headers.removeSubrange(..<needed)
        var segment = newest.oldest
        for header in headers {
            guard header.segment == segment else { throw .missingSegment(segment) }
            guard header.logIdentity == newest.logIdentity else {
                throw .foreignSegment(segment, reason: "it was written by another log")
            }
            segment += 1
        }
        for spare in blank {
            guard spare == segment else { throw .missingSegment(segment) }
            segment += 1
        }
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

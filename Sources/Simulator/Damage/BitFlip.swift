internal import Bytes
internal import Snapshot
internal import WAL

/// What a flipped bit is aimed at in a node's files.
public enum DamagePlace: String, CaseIterable, Sendable {
    // In the log.
    case entries, batchHeader, vote, nodeRecord, start, checkpoint, padding, segmentHeader
    /// Any part of the last batch that the node has acknowledged.
    case lastBatch
    /// What a file that is used again held before.
    case oldRecords
    // Beside the log.
    case stateCopy, mark
    case snapshotHeader, snapshotChunk, snapshotFooter
    /// Any byte that is in use, in any of the files.
    case anywhere

    var isOfLog: Bool {
        switch self {
        case .stateCopy, .mark, .snapshotHeader, .snapshotChunk, .snapshotFooter: false
        default: true
        }
    }

    fileprivate var parts: [WALLayout.Part] {
        switch self {
        case .entries: [.entries]
        case .batchHeader: [.batchHeader]
        case .vote: [.vote]
        case .nodeRecord: [.nodeRecord]
        case .start: [.start, .truncation]
        case .checkpoint: [.checkpoint]
        case .padding: [.padding]
        case .segmentHeader: [.segmentHeader]
        case .oldRecords: [.oldRecords]
        default: []
        }
    }
}

/// One bit of one file.
struct BitFlip: Equatable {
    enum File: Equatable {
        case segment(UInt64)
        case stateCopy(Int)
        case mark
        case snapshot(SnapshotID)
    }

    var file: File
    var offset: Int
    var bit: Int

    var isOfLog: Bool { if case .segment = file { true } else { false } }
}

extension BitFlip: CustomStringConvertible {
    var description: String {
        let name =
            switch file {
            case .segment(let number): segmentFileName(number)
            case .stateCopy(let slot): WALStateCopy.fileName(slot)
            case .mark: WALMark.fileName
            case .snapshot(let id): id.fileName
            }
        return "bit \(bit) of byte \(offset) in \(name)"
    }
}

extension SimulatedNode {
    /// A bit at such a place; nil when the node's files have none.
    func aim(at place: DamagePlace, _ random: inout SeededGenerator) -> BitFlip? {
        var stretches: [(file: BitFlip.File, offset: Int, bytes: Int)] = []
        if place.isOfLog, let layout = try? WALLayout(DiskSource(disk: disk)) {
            for found in layout.places where isAimed(at: found, place, layout) {
                stretches.append(
                    (.segment(found.position.segment), found.position.offset, found.bytes))
            }
        }
        if place == .stateCopy || place == .anywhere {
            for slot in 0..<WALStateCopy.slots where disk.stateFileBytes(slot) > 0 {
                stretches.append((.stateCopy(slot), 0, disk.stateFileBytes(slot)))
            }
        }
        if place == .mark, disk.mark != nil { stretches.append((.mark, 0, WALMark.fileBytes)) }
        for id in snapshots.ids { stretches += snapshotStretches(id, place) }
        // Of few large places and many small ones, all are hit: the kinds are told apart above.
        guard !stretches.isEmpty else { return nil }
        let stretch =
            place == .anywhere
            ? pickByLength(stretches, &random) : random.pick(stretches)
        return BitFlip(
            file: stretch.file, offset: stretch.offset + random.integer(0...(stretch.bytes - 1)),
            bit: random.integer(0...7))
    }

    private func isAimed(at found: WALLayout.Place, _ place: DamagePlace, _ layout: WALLayout)
        -> Bool
    {
        switch place {
        case .lastBatch: found.batch > 0 && found.batch == disk.mark?.batch ?? layout.lastBatch
        case .anywhere: found.part != .unused
        default: place.parts.contains(found.part)
        }
    }

    private func snapshotStretches(_ id: SnapshotID, _ place: DamagePlace)
        -> [(file: BitFlip.File, offset: Int, bytes: Int)]
    {
        let ends = 64
        let size = snapshots.size(of: id)
        guard size > 2 * ends else { return [] }
        switch place {
        case .snapshotHeader: return [(.snapshot(id), 0, ends)]
        case .snapshotChunk: return [(.snapshot(id), ends, size - 2 * ends)]
        case .snapshotFooter: return [(.snapshot(id), size - ends, ends)]
        case .anywhere: return [(.snapshot(id), 0, size)]
        default: return []
        }
    }

    private func pickByLength(
        _ stretches: [(file: BitFlip.File, offset: Int, bytes: Int)],
        _ random: inout SeededGenerator
    ) -> (file: BitFlip.File, offset: Int, bytes: Int) {
        var at = random.integer(0...(stretches.reduce(0) { $0 + $1.bytes } - 1))
        for stretch in stretches {
            if at < stretch.bytes { return stretch }
            at -= stretch.bytes
        }
        invariantFailed("a place behind all places")
    }

    /// Flips it, durably. Of the mark it is known that no flipped one is believed: it is gone.
    func flip(_ flip: BitFlip) {
        switch flip.file {
        case .segment(let number): disk.flipBit(number, offset: flip.offset, bit: flip.bit)
        case .stateCopy(let slot):
            disk.syncStateFiles()
            disk.flipStateBit(slot, offset: flip.offset, bit: flip.bit)
        case .mark: disk.mark = nil
        case .snapshot(let id): snapshots.flipBit(of: id, offset: flip.offset, bit: flip.bit)
        }
    }

    /// The byte with the bit in it; nil when the file is gone.
    func byte(at flip: BitFlip) -> UInt8? {
        switch flip.file {
        case .segment(let number): disk.read(number, offset: flip.offset, count: 1)?.first
        case .stateCopy(let slot): disk.stateByte(slot, offset: flip.offset)
        case .mark: nil
        case .snapshot(let id): snapshots.byte(of: id, offset: flip.offset)
        }
    }
}

public import Bytes
public import WAL

/// The data directory of one node: segment files by number.
///
/// Creating and removing a file is durable at once (the log thread syncs the directory before it
/// reports), or lost with the operation that was under way when the power went.
public struct VirtualDisk {
    private var files: [UInt64: VirtualFile] = [:]
    /// What the log thread knows to be durable; survives a kill, and a loss of power by chance.
    public var mark: WALMark?
    /// The copies of the log's small state beside it.
    private var stateFiles = [VirtualFile](
        repeating: VirtualFile(size: 0), count: WALStateCopy.slots)

    public init() {}

    public var stateCopies: WALStateCopies {
        WALStateCopies { slot in
            let file = stateFiles[slot]
            return ByteBuffer(copying: file.read(offset: 0, count: file.size).span)
        }
    }

    /// Durable after `syncStateFiles`.
    public mutating func write(_ copy: WALStateCopy) {
        let bytes = copy.encode().copyBytes()
        stateFiles[copy.slot].write(offset: 0, bytes: bytes.span)
    }

    public mutating func syncStateFiles() {
        for slot in stateFiles.indices { stateFiles[slot].sync() }
    }

    /// Bytes of a copy's file; 0 before it was written.
    public func stateFileBytes(_ slot: Int) -> Int { stateFiles[slot].size }

    func stateByte(_ slot: Int, offset: Int) -> UInt8? {
        stateFiles[slot].read(offset: offset, count: 1).first
    }

    /// Flips one bit of a copy, durably.
    public mutating func flipStateBit(_ slot: Int, offset: Int, bit: Int) {
        stateFiles[slot].flipBit(offset: offset, bit: bit)
    }

    /// What a start has to do on a damaged log. In the server a crash can come between any two of the
    /// steps: `steps` says after how many of them it does.
    /// - Returns: whether all of them were done.
    public mutating func carryOut(_ repair: WALRepair, steps: Int = .max) -> Bool {
        guard steps > 0 else { return false }
        write(repair.intent)
        syncStateFiles()
        guard steps > 1 else { return false }
        mark = nil
        for (number, segment) in repair.setAside.enumerated() {
            guard steps > number + 2 else { return false }
            remove(segment)
        }
        return true
    }

    /// The segments that exist, ascending.
    public var segments: [UInt64] { files.keys.sorted() }

    public var isEmpty: Bool { files.isEmpty }

    public func size(of segment: UInt64) -> Int? { files[segment]?.size }

    /// Creates a file of `bytes` zeros, in place of one that may be there.
    public mutating func create(_ segment: UInt64, bytes: Int) {
        files[segment] = VirtualFile(size: bytes)
    }

    /// Gives the file of a segment to another one: its first sector durably becomes zeros, the rest of
    /// its contents stays.
    public mutating func recycle(_ old: UInt64, as segment: UInt64) {
        invariant(files[segment] == nil, "a file would be lost")
        guard var file = files.removeValue(forKey: old) else {
            invariantFailed("segment \(old), to be used again, does not exist")
        }
        file.write(offset: 0, bytes: [UInt8](repeating: 0, count: VirtualFile.sectorBytes).span)
        file.sync()
        files[segment] = file
    }

    public mutating func remove(_ segment: UInt64) { files[segment] = nil }

    public mutating func write(_ segment: UInt64, offset: Int, bytes: Span<UInt8>) {
        invariant(files[segment] != nil, "a write to segment \(segment), which does not exist")
        files[segment]?.write(offset: offset, bytes: bytes)
    }

    public mutating func sync(_ segment: UInt64) {
        invariant(files[segment] != nil, "a sync of segment \(segment), which does not exist")
        files[segment]?.sync()
    }

    /// Nil when the file does not exist; short at its end.
    public func read(_ segment: UInt64, offset: Int, count: Int) -> [UInt8]? {
        files[segment]?.read(offset: offset, count: count)
    }

    /// The power goes. A process that is only killed loses nothing: the system keeps its cache.
    /// - Parameter keepsMark: by chance; it was written back before.
    /// - Returns: how many sectors lost what was written to them.
    public mutating func powerCut(
        survival: Double, keepsMark: Bool = false, random: inout SeededGenerator
    ) -> Int {
        var lost = 0
        if !random.happens(survival), !keepsMark { mark = nil }
        for slot in stateFiles.indices {
            lost += stateFiles[slot].powerCut(survival: survival, random: &random)
        }
        for segment in segments {
            lost += files[segment]?.powerCut(survival: survival, random: &random) ?? 0
        }
        return lost
    }

    /// Sectors written and not yet synced.
    public var dirtySectors: Int {
        var count = 0
        for segment in segments { count += files[segment]?.dirty.count ?? 0 }
        for file in stateFiles { count += file.dirty.count }
        return count
    }

    /// Flips one bit, durably.
    public mutating func flipBit(_ segment: UInt64, offset: Int, bit: Int) {
        files[segment]?.flipBit(offset: offset, bit: bit)
    }

    /// A hash over all files, for comparing runs.
    public var checksum: UInt32 {
        var crc: UInt32 = 0
        for segment in segments {
            var word = ByteBuffer()
            word.append(littleEndian: segment)
            word.append(littleEndian: files[segment]?.checksum ?? 0)
            crc = CRC32C.checksum(word.readable, continuing: crc)
        }
        for file in stateFiles {
            var word = ByteBuffer()
            word.append(littleEndian: file.checksum)
            crc = CRC32C.checksum(word.readable, continuing: crc)
        }
        return crc
    }
}

import Bytes
import WAL

/// A disk with a page cache: writes are unsynced until `sync`; a power cut keeps any subset of the
/// unsynced sectors, in any order; a killed process keeps all of them, the last one perhaps in part.
final class VirtualDisk: WALSource {
    struct File {
        var number: UInt64
        var durable: [UInt8]
        var current: [UInt8]
        /// Unsynced writes in sectors, oldest first.
        var unsynced: [(offset: Int, bytes: [UInt8])] = []
        /// Whether the file's creation was synced.
        var exists = false
    }

    private(set) var files: [File] = []
    /// Changes of the directory that are not synced, oldest first.
    private var unsyncedNames: [NameChange] = []

    private enum NameChange {
        case removed(File)
        case renamed(from: UInt64, to: UInt64)
    }

    var mark: WALMark?
    var writtenMark: WALMark?
    /// The copies of the small state, as files that are written over.
    private(set) var stateFiles = [File](
        repeating: File(number: 0, durable: [], current: [], exists: true), count: 2)
    /// The state file that was there before a rename that is not synced.
    private var renamedState: (slot: Int, before: File)?

    var stateCopies: WALStateCopies {
        WALStateCopies { slot in
            let bytes = stateFiles[slot].current
            return ByteBuffer(copying: bytes.span)
        }
    }

    /// Writes a copy over its file; unsynced.
    func write(_ copy: WALStateCopy) {
        let bytes = copy.encode().copyBytes()
        let missing = bytes.count - stateFiles[copy.slot].current.count
        if missing > 0 {
            let zeros = [UInt8](repeating: 0, count: missing)
            stateFiles[copy.slot].current += zeros
            stateFiles[copy.slot].durable += zeros
        }
        for start in stride(from: 0, to: bytes.count, by: 512) {
            let part = Array(bytes[start..<min(start + 512, bytes.count)])
            stateFiles[copy.slot].unsynced.append((start, part))
            stateFiles[copy.slot].current.replaceSubrange(
                start..<start + part.count, with: part)
        }
    }

    func syncStateFiles() {
        for slot in stateFiles.indices {
            stateFiles[slot].durable = stateFiles[slot].current
            stateFiles[slot].unsynced = []
        }
    }

    /// Puts a whole, synced file of a copy in the place of the old one; durable with the directory.
    func replaceState(_ copy: WALStateCopy) {
        let bytes = copy.encode().copyBytes()
        renamedState = (copy.slot, stateFiles[copy.slot])
        stateFiles[copy.slot] = File(number: 0, durable: bytes, current: bytes, exists: true)
    }

    func flipState(_ slot: Int, _ offset: Int) { stateFiles[slot].current[offset] ^= 16 }
    /// Set by a test: the next reads fail.
    var readError: WALError?
    /// Sectors that the disk cannot read at present: EIO for every read that touches one.
    var badSectors: Set<WALPosition> = []

    var segments: [UInt64] { files.map(\.number) }

    func size(of segment: UInt64) throws(WALError) -> Int { self[segment].current.count }

    func read(_ position: WALPosition, count: Int, into bytes: inout ByteBuffer) throws(WALError) {
        if let readError { throw readError }
        for bad in badSectors
        where bad.segment == position.segment && bad.offset < position.offset + count
            && bad.offset + 512 > position.offset
        {
            throw .unreadable(position, errno: 5)
        }
        let file = self[position.segment].current
        let end = min(file.count, position.offset + count)
        if position.offset < end { bytes.append(Array(file[position.offset..<end])) }
    }

    subscript(_ number: UInt64) -> File {
        get { files[files.firstIndex { $0.number == number }!] }
        // In place: a getter and a setter would copy the file for every sector.
        _modify { yield &files[files.firstIndex { $0.number == number }!] }
    }

    func contains(_ number: UInt64) -> Bool { files.contains { $0.number == number } }

    /// Creates a file of zeros; a second step, `syncCreation`, makes it durable.
    func create(_ number: UInt64, bytes: Int) {
        if contains(number) {
            let missing = bytes - self[number].current.count
            if missing > 0 {
                self[number].current += [UInt8](repeating: 0, count: missing)
                self[number].durable += [UInt8](repeating: 0, count: missing)
            }
        } else {
            let zeros = [UInt8](repeating: 0, count: bytes)
            files.append(File(number: number, durable: zeros, current: zeros))
            files.sort { $0.number < $1.number }
        }
    }

    /// Makes created, renamed and removed names durable.
    func syncDirectory() {
        for i in files.indices { files[i].exists = true }
        unsyncedNames = []
        renamedState = nil
    }

    /// Gives a file another number.
    func rename(_ number: UInt64, to other: UInt64) {
        invariant(!contains(other), "a file would be lost")
        self[number].number = other
        files.sort { $0.number < $1.number }
        unsyncedNames.append(.renamed(from: number, to: other))
    }

    func write(_ position: WALPosition, _ bytes: [UInt8]) {
        var offset = 0
        while offset < bytes.count {
            let at = position.offset + offset
            let step = min(512 - at % 512, bytes.count - offset)
            let part = Array(bytes[offset..<offset + step])
            self[position.segment].unsynced.append((at, part))
            self[position.segment].current.replaceSubrange(at..<at + step, with: part)
            offset += step
        }
    }

    func sync(_ number: UInt64) {
        self[number].durable = self[number].current
        self[number].unsynced = []
    }

    /// What a start does before recovery (R1).
    func syncAll() {
        syncDirectory()
        for file in files { sync(file.number) }
        syncStateFiles()
    }

    /// Loses power: every unsynced sector survives or not.
    func cutPower(_ random: inout SeededGenerator) {
        if random.below(2) == 0 { mark = nil }
        for change in unsyncedNames.reversed() where random.below(2) == 0 { undo(change) }
        unsyncedNames = []
        files.removeAll { !$0.exists && random.below(2) == 0 }
        let odds = random.below(4)
        for i in files.indices {
            files[i].unsynced.shuffle(using: &random)
            for sector in files[i].unsynced where random.below(4) > odds {
                files[i].durable.replaceSubrange(
                    sector.offset..<sector.offset + sector.bytes.count, with: sector.bytes)
            }
            files[i].unsynced = []
            files[i].current = files[i].durable
        }
    }

    /// Loses power, with a choice: of the unsynced sectors, counted over all files, those survive for
    /// which `keeps` says so, and the one named in `torn` only in its first bytes.
    func cutPower(
        keepingNames: Bool, torn: (sector: Int, bytes: Int)? = nil, keeps: (Int) -> Bool
    ) {
        if !keepingNames {
            for change in unsyncedNames.reversed() { undo(change) }
            files.removeAll { !$0.exists }
        }
        unsyncedNames = []
        var number = 0
        for i in files.indices {
            for sector in files[i].unsynced {
                let bytes = sector.bytes.prefix(number == torn?.sector ? torn!.bytes : 512)
                if keeps(number) {
                    files[i].durable.replaceSubrange(
                        sector.offset..<sector.offset + bytes.count, with: bytes)
                }
                number += 1
            }
            files[i].unsynced = []
            files[i].current = files[i].durable
        }
        if !keepingNames, let renamedState { stateFiles[renamedState.slot] = renamedState.before }
        for i in stateFiles.indices {
            for sector in stateFiles[i].unsynced {
                if keeps(number) {
                    stateFiles[i].durable.replaceSubrange(
                        sector.offset..<sector.offset + sector.bytes.count, with: sector.bytes)
                }
                number += 1
            }
            stateFiles[i].unsynced = []
            stateFiles[i].current = stateFiles[i].durable
        }
        syncAll()
    }

    /// Offsets of the unsynced sectors, counted over all files.
    var unsyncedOffsets: [Int] { files.flatMap { $0.unsynced.map(\.offset) } }

    var unsyncedCount: Int { (files + stateFiles).reduce(0) { $0 + $1.unsynced.count } }

    /// A copy with what is unsynced.
    func clone() -> VirtualDisk {
        let disk = VirtualDisk()
        disk.mark = mark
        disk.files = files
        disk.unsyncedNames = unsyncedNames
        disk.stateFiles = stateFiles
        disk.renamedState = renamedState
        return disk
    }

    private func undo(_ change: NameChange) {
        switch change {
        case .removed(let file):
            guard !contains(file.number) else { return }
            files.append(file)
        case .renamed(let from, let to):
            guard contains(to), !contains(from) else { return }
            self[to].number = from
        }
        files.sort { $0.number < $1.number }
    }

    /// Kills the process: the page cache survives, the last write only up to some byte.
    func kill(_ random: inout SeededGenerator) {
        guard let i = files.indices.last(where: { !files[$0].unsynced.isEmpty }) else { return }
        guard let last = files[i].unsynced.popLast(), random.below(2) == 0 else { return }
        files[i].current = files[i].durable
        for sector in files[i].unsynced {
            files[i].current.replaceSubrange(
                sector.offset..<sector.offset + sector.bytes.count, with: sector.bytes)
        }
        let kept = Array(last.bytes.prefix(Int(random.below(UInt64(last.bytes.count + 1)))))
        files[i].unsynced.append((last.offset, kept))
        files[i].current.replaceSubrange(last.offset..<last.offset + kept.count, with: kept)
    }

    func remove(_ number: UInt64) {
        unsyncedNames += files.filter { $0.number == number }.map { .removed($0) }
        files.removeAll { $0.number == number }
    }

    func trim(_ number: UInt64, to bytes: Int) {
        self[number].current.removeSubrange(bytes...)
        self[number].durable = self[number].current
    }

    func flip(_ segment: UInt64, _ offset: Int, bit: Int = 0) {
        self[segment].current[offset] ^= 1 << UInt8(bit)
    }

    /// A copy with the same contents, all of it durable.
    func copy() -> VirtualDisk {
        let disk = VirtualDisk()
        disk.files = files.map {
            File(number: $0.number, durable: $0.current, current: $0.current, exists: true)
        }
        disk.stateFiles = stateFiles.map {
            File(number: 0, durable: $0.current, current: $0.current, exists: true)
        }
        return disk
    }
}

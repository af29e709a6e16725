import Bytes
import WAL

/// A log directory in memory. What is here is durable: a batch gets here when the test says so.
final class MemoryDisk: WALSource {
    private var files: [UInt64: [UInt8]] = [:]

    var segments: [UInt64] { files.keys.sorted() }

    /// The directory as it is now.
    func copy() -> MemoryDisk {
        let copy = MemoryDisk()
        copy.files = files
        return copy
    }

    func size(of segment: UInt64) throws(WALError) -> Int { files[segment]?.count ?? 0 }

    func read(_ position: WALPosition, count: Int, into bytes: inout ByteBuffer) throws(WALError) {
        bytes.append(read(position, count: count))
    }

    func read(_ position: WALPosition, count: Int) -> [UInt8] {
        guard let file = files[position.segment] else { return [] }
        let end = min(file.count, position.offset + count)
        return position.offset < end ? Array(file[position.offset..<end]) : []
    }

    func execute(_ batch: StoredBatch) {
        if let opens = batch.opens {
            var file = files[opens.segment] ?? []
            file += [UInt8](repeating: 0, count: max(0, opens.capacity - file.count))
            files[opens.segment] = file
        }
        let end = batch.position.offset + batch.bytes.count
        files[batch.position.segment]?.replaceSubrange(
            batch.position.offset..<end, with: batch.bytes)
    }

    func remove(_ segment: UInt64) { files[segment] = nil }
}

/// A sealed batch on its way to the disk.
struct StoredBatch {
    let number: UInt64
    let position: WALPosition
    let opens: WALBatch.Opening?
    let bytes: [UInt8]

    init(_ batch: borrowing WALBatch) {
        number = batch.number
        position = batch.position
        opens = batch.opens
        bytes = batch.bytes.copyBytes()
    }
}

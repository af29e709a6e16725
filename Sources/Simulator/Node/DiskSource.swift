internal import Bytes
internal import WAL

/// The virtual disk as recovery reads it.
struct DiskSource: WALSource {
    let disk: VirtualDisk

    var segments: [UInt64] { disk.segments }
    var mark: WALMark? { disk.mark }
    var stateCopies: WALStateCopies { disk.stateCopies }

    func size(of segment: UInt64) throws(WALError) -> Int { disk.size(of: segment) ?? 0 }

    func read(_ position: WALPosition, count: Int, into bytes: inout ByteBuffer) throws(WALError) {
        let read = disk.read(position.segment, offset: position.offset, count: count) ?? []
        bytes.append(read)
    }
}

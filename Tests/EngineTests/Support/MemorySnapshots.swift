import Bytes
import Snapshot

/// The snapshot files of one machine, in memory, and whoever executes the engine's commands on them.
/// A file is its stream: compression and checksums are the file format's affair, tested with it.
final class MemorySnapshots {
    struct File {
        var header: SnapshotHeader
        var bytes: [UInt8]
    }

    /// Durable: survives the process.
    var files: [SnapshotID: File] = [:]
    /// Whose bytes are not what was written once.
    var damaged: Set<SnapshotID> = []
    /// Which the system refuses to read for now; their bytes are as they were.
    var refused: Set<SnapshotID> = []
    /// No room for new files.
    var isFull = false
    /// Bytes that followers were given.
    var bytesRead = 0

    private var parts: [SnapshotID: File] = [:]
    private var chunks: [SnapshotID: Int] = [:]
    private var incoming: [SnapshotID: [UInt8]] = [:]
    private var loading: [SnapshotID: Int] = [:]

    var ids: [SnapshotID] { files.keys.sorted(by: >) }

    /// What the host of the next process finds.
    func listing() -> [SnapshotSummary] { ids.map { summary($0) } }

    /// The process is gone, with all that it had begun.
    func processDied() {
        parts = [:]
        incoming = [:]
        loading = [:]
    }

    private func summary(_ id: SnapshotID) -> SnapshotSummary {
        let file = files[id]!
        let count = file.bytes.count
        return SnapshotSummary(
            header: file.header, chunks: (count + size - 1) / size, rawBytes: count,
            fileBytes: count, rawChecksum: CRC32C.checksum(file.bytes.span))
    }

    private let size = SnapshotLimits.chunkBytes

    func execute(_ command: SnapshotCommand) -> [SnapshotEvent] {
        switch command {
        case .begin(let header):
            guard !isFull else { return [.failed(header.id, "no space left on device")] }
            parts[header.id] = File(header: header, bytes: [])
            chunks[header.id] = 0
            return []
        case .chunk(let id, let bytes):
            guard parts[id] != nil else { return [] }
            parts[id]!.bytes += bytes.copied
            chunks[id]! += 1
            return [.written(id, chunks: chunks[id]!)]
        case .finish(let id):
            guard let part = parts.removeValue(forKey: id) else { return [] }
            files[id] = part
            damaged.remove(id)
            return [.durable(summary(id))]
        case .abandon(let id):
            parts[id] = nil
            incoming[id] = nil
            loading[id] = nil
            return [.abandoned(id)]
        case .receive(let id, let offset, let bytes, let isLast):
            return receive(id, offset, bytes.copied, isLast)
        case .load(let id):
            loading[id] = 0
            return next(id)
        case .loadMore(let id): return next(id)
        case .read(let id, let offset, let count):
            let nothing = SnapshotEvent.read(id, offset: offset, nil, fileBytes: 0)
            if files[id] != nil, refused.contains(id) {
                return [.unreadable(id, "Input/output error", isLoad: false), nothing]
            }
            guard let file = files[id], !damaged.contains(id) else {
                return [nothing]
            }
            let end = min(file.bytes.count, offset + count)
            bytesRead += end - offset
            return [
                .read(
                    id, offset: offset, SharedBytes(Array(file.bytes[offset..<end])),
                    fileBytes: file.bytes.count)
            ]
        case .remove(let id):
            files[id] = nil
            return [.removed(id, error: nil)]
        }
    }

    private func receive(
        _ id: SnapshotID, _ offset: Int, _ bytes: [UInt8], _ isLast: Bool
    ) -> [SnapshotEvent] {
        var have = incoming[id] ?? []
        guard offset == have.count else { return [.received(id, upTo: have.count)] }
        have += bytes
        guard isLast else {
            incoming[id] = have
            return [.received(id, upTo: have.count)]
        }
        incoming[id] = nil
        damaged.remove(id)
        files[id] = File(
            header: SnapshotHeader(id: id, clusterHigh: 0, clusterLow: 0), bytes: have)
        files[id]!.header = headerOfCluster(id)
        return [.received(id, upTo: have.count), .durable(summary(id))]
    }

    /// The file says which cluster it is of; this one is of the same as all others here.
    var cluster: (high: UInt64, low: UInt64) = (0, 0)

    /// What the files of all nodes say of themselves.
    var headers: [SnapshotID: SnapshotHeader] = [:]

    private func headerOfCluster(_ id: SnapshotID) -> SnapshotHeader {
        headers[id] ?? SnapshotHeader(id: id, clusterHigh: cluster.high, clusterLow: cluster.low)
    }

    private func next(_ id: SnapshotID) -> [SnapshotEvent] {
        guard let position = loading[id] else { return [] }
        guard !refused.contains(id) else {
            loading[id] = nil
            return [
                .unreadable(
                    id, "\(id.fileName) can not be read: Input/output error", isLoad: true)
            ]
        }
        guard let file = files[id], !damaged.contains(id) else {
            loading[id] = nil
            return [.loadFailed(id, "chunk 0 at offset 512: wrong checksum")]
        }
        let end = min(file.bytes.count, position + size)
        let isLast = end == file.bytes.count
        loading[id] = isLast ? nil : end
        return [.loaded(id, SharedBytes(Array(file.bytes[position..<end])), isLast: isLast)]
    }
}

extension SharedBytes {
    convenience init(_ bytes: [UInt8]) {
        var buffer = ByteBuffer()
        buffer.append(bytes.span)
        self.init(buffer)
    }

    var copied: [UInt8] {
        let span = span
        return (0..<span.count).map { span[$0] }
    }
}

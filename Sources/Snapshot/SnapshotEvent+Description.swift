internal import Bytes

/// One line each, for traces; the bytes are told by their number.
extension SnapshotEvent: CustomStringConvertible {
    public var description: String {
        switch self {
        case .written(let id, let chunks): "written \(id) chunks=\(chunks)"
        case .durable(let summary):
            "durable \(summary.id) bytes=\(summary.rawBytes) file-bytes=\(summary.fileBytes)"
        case .failed(let id, let reason): "failed \(id) reason=\"\(reason)\""
        case .received(let id, let upTo): "received \(id) up-to=\(upTo)"
        case .damaged(let id, let reason): "damaged \(id) reason=\"\(reason)\""
        case .loaded(let id, let bytes, let isLast):
            "loaded \(id) bytes=\(bytes.count) last=\(isLast)"
        case .loadFailed(let id, let reason): "load-failed \(id) reason=\"\(reason)\""
        case .unreadable(let id, let reason, let isLoad):
            "unreadable \(id) load=\(isLoad) reason=\"\(reason)\""
        case .read(let id, let offset, let bytes, let fileBytes):
            "read \(id) offset=\(offset) bytes=\(bytes?.count ?? 0) of=\(fileBytes)"
        case .abandoned(let id): "abandoned \(id)"
        case .removed(let id, let error): "removed \(id)" + (error.map { " error=\"\($0)\"" } ?? "")
        }
    }
}

extension SnapshotCommand: CustomStringConvertible {
    public var description: String {
        switch self {
        case .begin(let header): "begin \(header.id)"
        case .chunk(let id, let bytes): "chunk \(id) bytes=\(bytes.count)"
        case .finish(let id): "finish \(id)"
        case .abandon(let id): "abandon \(id)"
        case .receive(let id, let offset, let bytes, let isLast):
            "receive \(id) offset=\(offset) bytes=\(bytes.count) last=\(isLast)"
        case .load(let id): "load \(id)"
        case .loadMore(let id): "load-more \(id)"
        case .read(let id, let offset, let count): "read \(id) offset=\(offset) count=\(count)"
        case .remove(let id): "remove \(id)"
        }
    }

    /// Bytes of payload that the command keeps in memory.
    public var payloadBytes: Int {
        switch self {
        case .chunk(_, let bytes), .receive(_, _, let bytes, _): bytes.count
        default: 0
        }
    }

    /// Whether it asks for a piece of a file.
    public var isRead: Bool {
        if case .read = self { true } else { false }
    }

    /// The same command with its bytes left out: for a queue that has no room for them.
    public func withoutPayload() -> SnapshotCommand {
        let nothing = { SharedBytes(ByteBuffer()) }
        return switch self {
        case .chunk(let id, _): .chunk(id, nothing())
        case .receive(let id, let offset, _, let isLast):
            .receive(id, offset: offset, nothing(), isLast: isLast)
        default: self
        }
    }
}

internal import Bytes

/// Executes snapshot commands on files: the same code on the server's snapshot thread and on the
/// simulator's disk. One command is one bounded step, so the commands of many snapshots interleave.
///
/// An error of one file ends the work on that file, with an event; nothing here is fatal, and
/// nothing that was durable before is touched.
public struct SnapshotExecutor<Files: SnapshotFiles & ~Copyable>: ~Copyable {
    var files: Files
    /// What is under way, at most `underWayMax` of each. Arrays, because there are few.
    var writings: [SnapshotWriting] = []
    var receivings: [SnapshotReceiving] = []
    var loadings: [SnapshotLoading] = []
    /// Open for followers; the one used last is at the end.
    var sendings: [SnapshotSending] = []
    /// For what is to be written, and reused.
    var output = ByteBuffer()

    public init(_ files: consuming Files) { self.files = files }

    /// Executes one command; `report` is called for what became of it, in order.
    public mutating func execute(
        _ command: SnapshotCommand, report: (SnapshotEvent) -> Void
    ) {
        switch command {
        case .begin(let header): begin(header, report)
        case .chunk(let id, let bytes): write(bytes, of: id, report)
        case .finish(let id): finish(id, report)
        case .abandon(let id):
            forgetUnfinished(id)
            endLoading(id)
            report(.abandoned(id))
        case .receive(let id, let offset, let bytes, let isLast):
            receive(bytes, at: offset, of: id, isLast: isLast, report)
        case .load(let id): load(id, report)
        case .loadMore(let id): loadMore(id, report)
        case .read(let id, let offset, let count): read(id, at: offset, count: count, report)
        case .remove(let id): remove(id, report)
        }
    }

    /// Answers a command that its queue has no room for.
    public mutating func refuse(_ command: SnapshotCommand, report: (SnapshotEvent) -> Void) {
        switch command {
        case .chunk(let id, _):
            guard writings.contains(where: { $0.id == id }) else { return }
            forgetUnfinished(id)
            report(.failed(id, "\(id.fileName) is given up: the disk does not keep up"))
        case .receive(let id, _, _, _):
            let upTo = receivings.first { $0.id == id }?.offset ?? 0
            report(.received(id, upTo: upTo))
        case .read(let id, let offset, _): report(.read(id, offset: offset, nil, fileBytes: 0))
        default: execute(command, report: report)
        }
    }

    /// Closes everything and removes what is unfinished: before a clean end.
    public mutating func stop() {
        for id in writings.map(\.id) + receivings.map(\.id) { forgetUnfinished(id) }
        for id in loadings.map(\.id) { endLoading(id) }
        for sending in sendings { files.close(sending.file) }
        sendings = []
    }

    /// Ends the writing and the receiving of `id` and removes their files. An error is of no
    /// consequence: the next start removes what is left.
    mutating func forgetUnfinished(_ id: SnapshotID) {
        if let at = writings.firstIndex(where: { $0.id == id }) {
            files.close(writings.remove(at: at).file)
            try? files.remove(id.partName)
        }
        if let at = receivings.firstIndex(where: { $0.id == id }) {
            files.close(receivings.remove(at: at).file)
            try? files.remove(id.incomingName)
        }
    }

    /// Makes a whole file durable under its name (F1).
    mutating func publish(_ file: SnapshotFileHandle, _ name: String, as id: SnapshotID)
        throws(SnapshotFileError)
    {
        try files.sync(file)
        try files.rename(name, to: id.fileName)
        // A reader of the file that was replaced goes on with the old one, which holds the same.
        try files.syncNames()
    }

    private mutating func remove(_ id: SnapshotID, _ report: (SnapshotEvent) -> Void) {
        endLoading(id)
        endSending(id)
        do throws(SnapshotFileError) {
            try files.remove(id.fileName)
            try files.syncNames()
            report(.removed(id, error: nil))
        } catch {
            report(.removed(id, error: error.description))
        }
    }
}

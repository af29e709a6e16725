internal import Bytes

/// What a start does before anything else, and what an offline check does.
extension SnapshotExecutor where Files: ~Copyable {
    /// Lists the snapshots, checking headers and footers, and removes what a dead process left
    /// unfinished. To be called before the first command.
    public mutating func list() throws(SnapshotFileError) -> SnapshotListing {
        var listing = SnapshotListing()
        let names = try files.names()
        for name in names where SnapshotID.isUnfinished(fileName: name) {
            try files.remove(name)
            listing.leftovers += 1
        }
        // Also for names that the last run gave and did not get to sync: whoever reads the listing
        // will rely on them.
        try files.syncNames()
        for id in names.compactMap({ SnapshotID(fileName: $0) }).sorted(
            by: SnapshotID.isListedBefore)
        {
            do throws(SnapshotReadError) {
                listing.snapshots.append(try summary(of: id))
            } catch {
                listing.damaged.append(.init(id: id, reason: error.text(id)))
            }
        }
        return listing
    }

    /// Reads a whole snapshot. Throws the text of what is wrong with it.
    public mutating func verify(_ id: SnapshotID) throws(SnapshotFileError) -> SnapshotSummary {
        switch examine(id) {
        case .whole(let summary): return summary
        case .damaged(let reason), .unreadable(let reason): throw SnapshotFileError(reason)
        }
    }

    /// Reads a whole snapshot and says what it is.
    public mutating func examine(_ id: SnapshotID) -> SnapshotFinding {
        do throws(SnapshotReadError) {
            let loading = try openLoading(id)
            defer { files.close(loading.file) }
            var chunk = ByteBuffer()
            while try advance(loading, into: &chunk) == .chunk { chunk.removeAll() }
            guard loading.reader.summary == loading.summary else {
                throw .damage(loading.reader.contradiction)
            }
            return .whole(loading.summary)
        } catch {
            switch error {
            case .damage: return .damaged(error.text(id))
            case .file: return .unreadable(error.text(id))
            }
        }
    }

    /// The newest snapshot of every group that is whole from its first byte to its last. Reads all of
    /// them.
    public mutating func newestWhole() throws(SnapshotFileError) -> [SnapshotSummary] {
        var newest: [SnapshotSummary] = []
        let ids = try files.names().compactMap { SnapshotID(fileName: $0) }
        for id in ids.sorted(by: SnapshotID.isListedBefore)
        where !newest.contains(where: { $0.id.group == id.group }) {
            if let summary = try? verify(id) { newest.append(summary) }
        }
        return newest
    }

    private mutating func summary(of id: SnapshotID) throws(SnapshotReadError) -> SnapshotSummary {
        let file: SnapshotFileHandle
        do throws(SnapshotFileError) { file = try files.open(id.fileName) } catch {
            throw .file(error)
        }
        defer { files.close(file) }
        return try summary(of: id, file).summary
    }
}

extension SnapshotID {
    /// By group, the newest first.
    fileprivate static func isListedBefore(_ one: SnapshotID, _ other: SnapshotID) -> Bool {
        one.group == other.group ? one > other : one.group < other.group
    }
}

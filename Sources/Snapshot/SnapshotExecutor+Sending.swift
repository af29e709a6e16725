internal import Bytes

extension SnapshotExecutor where Files: ~Copyable {
    mutating func read(
        _ id: SnapshotID, at offset: Int, count: Int, _ report: (SnapshotEvent) -> Void
    ) {
        invariant(offset >= 0 && count >= 0, "a read of \(count) bytes at \(offset)")
        let nothing = SnapshotEvent.read(id, offset: offset, nil, fileBytes: 0)
        do throws(SnapshotReadError) {
            guard let sending = try sending(id), offset < sending.summary.fileBytes else {
                report(nothing)
                return
            }
            let count = min(count, SnapshotLimits.pieceBytesMax)
            let piece = try sending.read(at: offset, count: count, from: &files)
            report(
                .read(
                    id, offset: offset, SharedBytes(piece), fileBytes: sending.summary.fileBytes))
        } catch {
            endSending(id)
            switch error {
            case .file: report(.unreadable(id, error.text(id), isLoad: false))
            case .damage: report(.damaged(id, error.text(id)))
            }
            report(nothing)
        }
    }

    mutating func endSending(_ id: SnapshotID) {
        guard let at = sendings.firstIndex(where: { $0.id == id }) else { return }
        files.close(sendings.remove(at: at).file)
    }

    /// The open file, which becomes the one used last; nil if it cannot be opened. (It may be gone,
    /// or this process out of descriptors: neither says that it is damaged.)
    private mutating func sending(_ id: SnapshotID) throws(SnapshotReadError) -> SnapshotSending? {
        if let at = sendings.firstIndex(where: { $0.id == id }) {
            let sending = sendings.remove(at: at)
            sendings.append(sending)
            return sending
        }
        guard let file = try? files.open(id.fileName) else { return nil }
        do throws(SnapshotReadError) {
            let (summary, headerChecksum) = try summary(of: id, file)
            if sendings.count == SnapshotLimits.openReadsMax {
                files.close(sendings.removeFirst().file)
            }
            let sending = SnapshotSending(summary, headerChecksum: headerChecksum, file)
            sendings.append(sending)
            return sending
        } catch {
            files.close(file)
            throw error
        }
    }
}

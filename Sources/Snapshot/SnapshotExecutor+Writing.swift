internal import Bytes

/// A snapshot of this node's own, on its way into a file.
struct SnapshotWriting {
    let file: SnapshotFileHandle
    var writer: SnapshotFileWriter
    var id: SnapshotID { writer.header.id }
}

extension SnapshotExecutor where Files: ~Copyable {
    mutating func begin(_ header: SnapshotHeader, _ report: (SnapshotEvent) -> Void) {
        let id = header.id
        forgetUnfinished(id)
        guard writings.count < SnapshotLimits.underWayMax else {
            report(.failed(id, "too many snapshots are being written"))
            return
        }
        output.removeAll(keepingCapacityUpTo: 2 * SnapshotLimits.chunkBytesMax)
        let writer = SnapshotFileWriter(header, into: &output)
        do throws(SnapshotFileError) {
            let file = try files.create(id.partName, isReadSoon: false)
            writings.append(SnapshotWriting(file: file, writer: writer))
            try files.append(output, to: file)
        } catch {
            forgetUnfinished(id)
            report(.failed(id, error.description))
        }
    }

    mutating func write(
        _ chunk: SharedBytes, of id: SnapshotID, _ report: (SnapshotEvent) -> Void
    ) {
        guard let at = writings.firstIndex(where: { $0.id == id }) else { return }
        output.removeAll(keepingCapacityUpTo: 2 * SnapshotLimits.chunkBytesMax)
        writings[at].writer.append(chunk.span, to: &output)
        do throws(SnapshotFileError) {
            try files.append(output, to: writings[at].file)
            report(.written(id, chunks: writings[at].writer.chunks))
        } catch {
            forgetUnfinished(id)
            report(.failed(id, error.description))
        }
    }

    mutating func finish(_ id: SnapshotID, _ report: (SnapshotEvent) -> Void) {
        guard let at = writings.firstIndex(where: { $0.id == id }) else { return }
        output.removeAll(keepingCapacityUpTo: 2 * SnapshotLimits.chunkBytesMax)
        let summary = writings[at].writer.finish(into: &output)
        do throws(SnapshotFileError) {
            try files.append(output, to: writings[at].file)
            try publish(writings[at].file, id.partName, as: id)
            files.close(writings.remove(at: at).file)
            report(.durable(summary))
        } catch {
            forgetUnfinished(id)
            report(.failed(id, error.description))
        }
    }
}

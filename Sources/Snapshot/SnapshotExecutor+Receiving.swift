internal import Bytes

/// A peer's snapshot, on its way into a file.
final class SnapshotReceiving {
    let id: SnapshotID
    let file: SnapshotFileHandle
    /// Bytes of the file that are there, all of them read by `reader`.
    var offset = 0
    var reader: SnapshotFileReader

    init(_ id: SnapshotID, _ file: SnapshotFileHandle) {
        self.id = id
        self.file = file
        reader = SnapshotFileReader(of: id)
    }
}

/// A received file is verified while it comes, and durable before it counts. Where its bytes come
/// from may change between two pieces: the chain of checksums does not let two files mix.
extension SnapshotExecutor where Files: ~Copyable {
    mutating func receive(
        _ bytes: SharedBytes, at offset: Int, of id: SnapshotID, isLast: Bool,
        _ report: (SnapshotEvent) -> Void
    ) {
        do throws(SnapshotReadError) {
            guard let receiving = try receiving(id, beginsAt: offset) else {
                report(.received(id, upTo: 0))
                return
            }
            // What is there already is skipped; behind a gap nothing can be used.
            let known = receiving.offset - offset
            if known < 0 || known > bytes.count || (known == bytes.count && !isLast) {
                report(.received(id, upTo: receiving.offset))
                return
            }
            let isWhole = try take(bytes.span.extracting(known...), for: receiving)
            if isWhole {
                try complete(receiving, report)
            } else if isLast {
                throw SnapshotReadError.damage(receiving.reader.truncation)
            } else {
                report(.received(id, upTo: receiving.offset))
            }
        } catch {
            forgetUnfinished(id)
            switch error {
            case .file(let error): report(.failed(id, error.description))
            case .damage(let damage):
                report(.damaged(id, "the peer's \(id.fileName) is damaged \(damage)"))
            }
        }
    }

    private mutating func receiving(_ id: SnapshotID, beginsAt offset: Int)
        throws(SnapshotReadError) -> SnapshotReceiving?
    {
        if let known = receivings.first(where: { $0.id == id }) { return known }
        guard offset == 0 else { return nil }
        do throws(SnapshotFileError) {
            guard receivings.count < SnapshotLimits.underWayMax else {
                throw SnapshotFileError("too many snapshots are being received")
            }
            let file = try files.create(id.incomingName, isReadSoon: true)
            let receiving = SnapshotReceiving(id, file)
            receivings.append(receiving)
            return receiving
        } catch { throw .file(error) }
    }

    /// Verifies and writes the file's next bytes; true when they were its last.
    private mutating func take(_ bytes: Span<UInt8>, for receiving: SnapshotReceiving)
        throws(SnapshotReadError) -> Bool
    {
        receiving.reader.feed(bytes)
        output.removeAll(keepingCapacityUpTo: 2 * SnapshotLimits.chunkBytesMax)
        var step = SnapshotFileReader.Step.chunk
        do throws(SnapshotDamage) {
            while step == .chunk {
                step = try receiving.reader.next(into: &output)
                output.removeAll()
            }
        } catch { throw .damage(error) }
        output.append(bytes)
        do throws(SnapshotFileError) {
            try files.append(output, to: receiving.file)
        } catch { throw .file(error) }
        receiving.offset += bytes.count
        return step == .end
    }

    private mutating func complete(
        _ receiving: SnapshotReceiving, _ report: (SnapshotEvent) -> Void
    ) throws(SnapshotReadError) {
        guard let summary = receiving.reader.summary else {
            invariantFailed("a whole snapshot without a footer")
        }
        let id = receiving.id
        do throws(SnapshotFileError) {
            try publish(receiving.file, id.incomingName, as: id)
        } catch { throw .file(error) }
        files.close(receiving.file)
        receivings.removeAll { $0.id == id }
        report(.durable(summary))
    }
}

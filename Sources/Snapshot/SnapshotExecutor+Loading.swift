internal import Bytes

/// A durable snapshot on its way into memory.
final class SnapshotLoading {
    let id: SnapshotID
    let file: SnapshotFileHandle
    let summary: SnapshotSummary
    /// Bytes of the file that were read.
    var offset = 0
    var reader: SnapshotFileReader

    init(_ summary: SnapshotSummary, _ file: SnapshotFileHandle) {
        id = summary.id
        self.summary = summary
        self.file = file
        reader = SnapshotFileReader(of: summary.id)
    }
}

extension SnapshotExecutor where Files: ~Copyable {
    mutating func load(_ id: SnapshotID, _ report: (SnapshotEvent) -> Void) {
        endLoading(id)
        guard loadings.count < SnapshotLimits.underWayMax else {
            report(.unreadable(id, "too many snapshots are being loaded", isLoad: true))
            return
        }
        do throws(SnapshotReadError) {
            loadings.append(try openLoading(id))
            loadMore(id, report)
        } catch {
            report(error.failureOfLoading(id))
        }
    }

    /// Delivers the next chunk; with the last one, only when the whole file was found right.
    mutating func loadMore(_ id: SnapshotID, _ report: (SnapshotEvent) -> Void) {
        guard let loading = loadings.first(where: { $0.id == id }) else { return }
        var chunk = ByteBuffer(minimumCapacity: loading.summary.header.chunkBytes)
        do throws(SnapshotReadError) {
            var step = try advance(loading, into: &chunk)
            let isLast = loading.reader.chunks >= loading.summary.chunks
            if isLast, step == .chunk { step = try advance(loading, into: &chunk) }
            guard isLast == (step == .end) else { throw .damage(loading.reader.contradiction) }
            if isLast { endLoading(id) }
            report(.loaded(id, SharedBytes(chunk), isLast: isLast))
        } catch {
            endLoading(id)
            report(error.failureOfLoading(id))
        }
    }

    mutating func endLoading(_ id: SnapshotID) {
        guard let at = loadings.firstIndex(where: { $0.id == id }) else { return }
        files.close(loadings.remove(at: at).file)
    }

    mutating func openLoading(_ id: SnapshotID) throws(SnapshotReadError)
        -> SnapshotLoading
    {
        let file: SnapshotFileHandle
        do throws(SnapshotFileError) { file = try files.open(id.fileName) } catch {
            throw .file(error)
        }
        do throws(SnapshotReadError) {
            return SnapshotLoading(try summary(of: id, file).summary, file)
        } catch {
            files.close(file)
            throw error
        }
    }

    /// Reads on until a chunk is whole, or the file.
    mutating func advance(_ loading: SnapshotLoading, into chunk: inout ByteBuffer)
        throws(SnapshotReadError) -> SnapshotFileReader.Step
    {
        while true {
            let step: SnapshotFileReader.Step
            do throws(SnapshotDamage) { step = try loading.reader.next(into: &chunk) } catch {
                throw .damage(error)
            }
            guard step == .needsBytes else { return step }
            output.removeAll(keepingCapacityUpTo: 2 * SnapshotLimits.chunkBytesMax)
            do throws(SnapshotFileError) {
                try files.read(
                    loading.file, at: loading.offset, count: loading.summary.header.chunkBytes,
                    into: &output)
            } catch { throw .file(error) }
            guard !output.isEmpty else { throw .damage(loading.reader.truncation) }
            loading.offset += output.count
            loading.reader.feed(output.readable)
        }
    }

    /// What header and footer say of an open file, when they are right and fit each other.
    mutating func summary(of id: SnapshotID, _ file: SnapshotFileHandle)
        throws(SnapshotReadError) -> (summary: SnapshotSummary, headerChecksum: UInt32)
    {
        var bytes = ByteBuffer()
        let headerBytes = SnapshotFormat.headerBytes
        let footerBytes = SnapshotFormat.footerBytes
        var size = 0
        do throws(SnapshotFileError) {
            size = try files.size(file)
            if size >= headerBytes + footerBytes {
                try files.read(file, at: 0, count: headerBytes, into: &bytes)
            }
        } catch { throw .file(error) }
        guard bytes.count == headerBytes else {
            throw .damage(SnapshotDamage(at: size, .truncated))
        }
        var length = 0
        do throws(SnapshotDamage) {
            length = try SnapshotHeader.length(from: bytes.readable)
        } catch { throw .damage(error) }
        do throws(SnapshotFileError) {
            if size >= length + footerBytes {
                if length > headerBytes {
                    try files.read(
                        file, at: headerBytes, count: length - headerBytes, into: &bytes)
                }
                try files.read(file, at: size - footerBytes, count: footerBytes, into: &bytes)
            }
        } catch { throw .file(error) }
        do throws(SnapshotDamage) {
            guard bytes.count == length + footerBytes else {
                throw SnapshotDamage(at: size, .truncated)
            }
            let (header, checksum) = try SnapshotHeader.decode(
                bytes.readable.extracting(0..<length))
            guard header.id == id else { throw SnapshotDamage(at: 0, .otherSnapshot(header.id)) }
            let end = size - footerBytes
            let footer = try SnapshotFooter.decode(
                bytes.readable.extracting(length...), at: end)
            guard footer.headerChecksum == checksum, footer.fileBytes == size else {
                throw SnapshotDamage(at: end, .footer("not of this file"))
            }
            return (footer.summary(header), checksum)
        } catch { throw .damage(error) }
    }
}

extension SnapshotReadError {
    /// Damage condemns the file; an error of the system does not.
    fileprivate func failureOfLoading(_ id: SnapshotID) -> SnapshotEvent {
        switch self {
        case .file: .unreadable(id, text(id), isLoad: true)
        case .damage: .loadFailed(id, text(id))
        }
    }
}

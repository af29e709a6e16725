import Bytes
import Foundation
import WAL

/// The log of a stopped node as `WALLayout` reads it.
struct LogFiles: WALSource {
    let folder: URL
    let segments: [UInt64]

    init(_ folder: URL) throws {
        self.folder = folder
        segments = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            .compactMap(segmentNumber(ofFile:)).sorted()
    }

    func url(of segment: UInt64) -> URL { folder.appending(path: segmentFileName(segment)) }

    func size(of segment: UInt64) throws(WALError) -> Int {
        do {
            let values = try FileManager.default.attributesOfItem(atPath: url(of: segment).path)
            return values[.size] as? Int ?? 0
        } catch { throw .missingSegment(segment) }
    }

    func read(_ position: WALPosition, count: Int, into bytes: inout ByteBuffer) throws(WALError) {
        do {
            let handle = try FileHandle(forReadingFrom: url(of: position.segment))
            try handle.seek(toOffset: UInt64(position.offset))
            bytes.append([UInt8](try handle.read(upToCount: count) ?? Data()))
            try handle.close()
        } catch { throw .missingSegment(position.segment) }
    }
}

/// Flips one bit of a file, as a bad disk does it.
func flipBit(_ file: URL, at offset: Int, bit: Int) throws {
    let handle = try FileHandle(forUpdating: file)
    try handle.seek(toOffset: UInt64(offset))
    guard let byte = try handle.read(upToCount: 1)?.first else { return }
    try handle.seek(toOffset: UInt64(offset))
    try handle.write(contentsOf: Data([byte ^ (1 << UInt8(bit))]))
    try handle.close()
}

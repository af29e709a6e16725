internal import Bytes
internal import RESP
internal import Store

// What HSCAN, SSCAN and ZSCAN share.
extension CommandContext {
    /// The cursor argument, which Redis looks at before the key. Nil for a wrong one, which is
    /// replied.
    mutating func scanCursor(_ request: borrowing Request) -> UInt64? {
        if let cursor = ScanOptions.cursor(request[2]) { return cursor }
        reply.error("ERR invalid cursor")
        return nil
    }

    /// Writes the reply around what `body` writes; it returns the next cursor and how many values.
    mutating func replyScan(_ body: (inout CommandContext) -> (next: UInt64, written: Int)) {
        // The cursor stands before the elements and is known after them.
        var elements = ByteBuffer()
        swap(&elements, &reply.bytes)
        let (next, written) = body(&self)
        swap(&elements, &reply.bytes)
        reply.array(2)
        reply.bulk(decimal: Int64(next))
        reply.array(written)
        reply.raw(elements.readable)
    }
}

extension ScanOptions {
    /// Whether an element passes MATCH.
    func matches(_ request: borrowing Request, _ element: Span<UInt8>) -> Bool {
        guard let pattern else { return true }
        return Glob.matches(request[pattern], element)
    }
}

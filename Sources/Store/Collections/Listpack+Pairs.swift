internal import Bytes

/// A listpack of field, value, field, value: a small hash.
extension Listpack {
    /// The offset of `field`; nil when it is not there.
    func offset(ofField field: Span<UInt8>) -> Int? {
        var offset = 0
        while offset < byteCount {
            if holds(field, at: offset) { return offset }
            offset = self.offset(after: self.offset(after: offset))
        }
        return nil
    }

    /// Lends the value of `field`; nil when it is not there.
    func withValue<R>(ofField field: Span<UInt8>, _ body: (Span<UInt8>) -> R) -> R? {
        guard let offset = offset(ofField: field) else { return nil }
        return body(self[self.offset(after: offset)])
    }

    /// Gives `field` a value, in place or behind all others. True when the field is new.
    mutating func setValue(ofField field: Span<UInt8>, _ value: Span<UInt8>) -> Bool {
        if let offset = offset(ofField: field) {
            replace(at: self.offset(after: offset), with: value)
            return false
        }
        append(field)
        append(value)
        return true
    }

    /// Removes `field` with its value; false when it is not there.
    mutating func remove(field: Span<UInt8>) -> Bool {
        guard let offset = offset(ofField: field) else { return false }
        let end = self.offset(after: self.offset(after: offset))
        remove(from: offset, upTo: end, entries: 2)
        return true
    }

    /// Lends all pairs in order, until `body` returns false.
    func forEachPair(_ body: (Span<UInt8>, Span<UInt8>) -> Bool) {
        var offset = 0
        while offset < byteCount {
            let second = self.offset(after: offset)
            if !body(self[offset], self[second]) { return }
            offset = self.offset(after: second)
        }
    }

    /// Lends pair number `index`.
    func withPair<R>(at index: Int, _ body: (Span<UInt8>, Span<UInt8>) -> R) -> R {
        let offset = offset(ofEntry: index * 2)
        return body(self[offset], self[self.offset(after: offset)])
    }
}

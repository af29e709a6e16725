extension ContentOrder {
    /// Whether both hold the same bytes; lengths are compared first.
    static func equal(_ one: Span<UInt8>, _ other: Span<UInt8>) -> Bool {
        one.count == other.count && compare(one, other) == .equal
    }
}

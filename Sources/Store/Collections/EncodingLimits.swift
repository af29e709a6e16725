/// Up to where small collections stay compact, under Redis's directive names and defaults (7.0).
///
/// They shape applied state, so within a cluster they are changed by configuration entries, never
/// by one node. Lowering a limit changes a value when it is next written, as in Redis; no encoding
/// ever turns back.
public struct EncodingLimits: Sendable, Equatable {
    /// `hash-max-listpack-entries`: fields of a hash.
    public var hashMaxListpackEntries = 512
    /// `hash-max-listpack-value`: bytes of a field or value.
    public var hashMaxListpackValue = 64
    /// `set-max-intset-entries`: members of a set of integers.
    public var setMaxIntsetEntries = 512
    /// `zset-max-listpack-entries`: members of a sorted set.
    public var zsetMaxListpackEntries = 128
    /// `zset-max-listpack-value`: bytes of a member.
    public var zsetMaxListpackValue = 64

    public init() {}
}

/// What one turn may still apply, all groups of the node together: a turn answers nobody else.
///
/// The groups take turns in being first, so that a busy one does not use up what the others need.
struct ApplyAllowance {
    /// Pieces of large commands are copied, not executed: so many of their bytes count as one.
    static let pieceDivisor = 8

    /// The group that applies first in this turn.
    private(set) var first = 0
    /// Bytes of entries' payloads; of pieces a fraction.
    private var left: Int
    private let most: Int

    init(bytesPerTurn: Int) {
        most = bytesPerTurn
        left = bytesPerTurn
    }

    /// An entry that counts as `bytes` is to be applied; false when it must wait for the next turn.
    /// A turn's first entry never waits.
    mutating func take(_ bytes: Int) -> Bool {
        guard bytes <= left || left == most else { return false }
        left -= bytes
        return true
    }

    /// A new turn begins, in a node with `groups` groups.
    mutating func renew(groups: Int) {
        left = most
        first = first + 1 < groups ? first + 1 : 0
    }
}

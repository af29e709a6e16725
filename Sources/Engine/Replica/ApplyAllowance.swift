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
    private var hasApplied = false
    /// Bytes that this turn took up and that have not made it longer yet.
    private var input = 0

    init(bytesPerTurn: Int) {
        most = bytesPerTurn
        left = bytesPerTurn
    }

    /// The turn takes up `bytes` from clients and peers. With each `applyInputStep` of them it may apply as much
    /// again: else a node that has much to read and to refuse would do little else.
    mutating func tookUp(_ bytes: Int) {
        input += bytes
        left += input / EngineLimits.applyInputStep * most
        input %= EngineLimits.applyInputStep
    }

    /// An entry that counts as `bytes` is to be applied; false when it must wait for the next turn.
    /// A turn's first entry never waits.
    mutating func take(_ bytes: Int) -> Bool {
        guard bytes <= left || !hasApplied else { return false }
        left -= bytes
        hasApplied = true
        return true
    }

    /// A new turn begins, in a node with `groups` groups.
    mutating func renew(groups: Int) {
        left = most
        hasApplied = false
        input = 0
        first = first + 1 < groups ? first + 1 : 0
    }
}

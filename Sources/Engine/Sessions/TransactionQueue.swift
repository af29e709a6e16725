internal import Bytes
internal import Commands
internal import RESP

/// The commands between MULTI and EXEC, in the binary form in which they will be logged.
///
/// A transaction is one logged command, `EXEC` with the queued commands as its arguments: it takes
/// effect at one place in the group's order, on every replica, and its reply is one reply.
final class TransactionQueue {
    private(set) var commands: [[UInt8]] = []
    /// Their places in the command table.
    private(set) var tableIDs: [UInt16] = []
    private(set) var byteCount = 0
    /// A command was refused: EXEC will refuse them all.
    var isSpoiled = false
    /// The one group (index) that owns all keys so far; nil before the first key.
    private(set) var group: Int?
    /// Keys of several groups were named.
    private(set) var crossesGroups = false

    /// Adds a command; `group` is that of its keys, if it has any. False, and nothing is added, if the
    /// commands would have more than `bytesMax` bytes together.
    func append(_ request: Request, _ spec: CommandSpec, group: Int?, bytesMax: Int) -> Bool {
        guard byteCount + encodedArgumentsCount(of: request) <= bytesMax else { return false }
        var encoded = ByteBuffer()
        encodeArguments(of: request, into: &encoded)
        byteCount += encoded.count
        commands.append(encoded.copyBytes())
        tableIDs.append(UInt16(spec.id))
        guard let group else { return true }
        if self.group == nil { self.group = group }
        if self.group != group { crossesGroups = true }
        return true
    }

    /// The request that is logged.
    var request: [[UInt8]] { [Array("EXEC".utf8)] + commands }
}

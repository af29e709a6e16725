internal import Bytes
internal import PeerProtocol

/// The answer to the oldest command of a queue, as far as its pieces have come.
///
/// Pieces make one answer when they came over one link: there they are in order, and a second copy begins
/// with its first piece. Over two links come the answers of two leaders, which may have read before and after
/// a write, and are cut at the same places.
struct PartialReply: ~Copyable {
    private var link: LinkID?
    private var sequence: UInt64 = 0
    private var bytes = ByteBuffer()

    /// Adds a piece if it continues what is there, or begins anew; false when it does neither.
    mutating func add(_ piece: borrowing ReplyRecord, from link: LinkID) -> Bool {
        if piece.offset == 0 {
            removeAll()
            self.link = link
            sequence = piece.sequence
        }
        guard self.link == link, sequence == piece.sequence, piece.offset == bytes.count else {
            return false
        }
        bytes.append(piece.bytes)
        return true
    }

    /// The whole answer, after its last piece.
    mutating func take() -> ByteBuffer {
        link = nil
        return bytes.take()
    }

    mutating func removeAll() {
        link = nil
        bytes.removeAll(keepingCapacityUpTo: 0)
    }
}

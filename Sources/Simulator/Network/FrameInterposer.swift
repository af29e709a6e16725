internal import Bytes

/// Faults on single frames of a peer link, per frame. All zero: bytes pass untouched.
public struct FrameFaults: Equatable, Sendable {
    public var drop = 0.0
    public var duplicate = 0.0
    public var reorder = 0.0

    public init(drop: Double = 0, duplicate: Double = 0, reorder: Double = 0) {
        self.drop = drop
        self.duplicate = duplicate
        self.reorder = reorder
    }

    var isNone: Bool { drop == 0 && duplicate == 0 && reorder == 0 }
}

/// Stands in one direction of a peer link and knows where frames begin and end.
///
/// A stream is an optional preamble of eight bytes (`SKEINPR1`), then frames of
/// `[u32 length, little-endian][length bytes]`. TCP neither loses nor reorders within a connection;
/// the protocol defends itself against both all the same (a relay, a bug, a retry at a higher
/// layer), and this is where those defences are tested. The first frame of a stream, the
/// handshake, is left alone: without it there is no link to test.
struct FrameInterposer {
    private var partial: [UInt8] = []
    private var started = false
    private var framesSeen = 0
    /// A frame held back, and how many frames overtake it first.
    private var held: (frame: [UInt8], overtakers: Int)?

    /// Frames of these kinds are set aside, for a scenario to deliver when it sees fit.
    var stashedKinds: Set<UInt8> = []
    private(set) var stash: [[UInt8]] = []
    /// Where the kind stands in a frame: behind length and checksum.
    static let kindOffset = 8
    static let raftKind: UInt8 = 3
    /// Added to a type of Raft message: only frames with such a message.
    static let ofRaft: UInt8 = 0x80

    static let preamble: [UInt8] = Array("SKEIN".utf8)
    static let preambleBytes = 8
    /// Longer than any frame of the peer protocol (64 KiB and a header).
    static let frameBytesMax = 1 << 20

    /// Takes bytes as the sender wrote them and returns those that go on their way, in order.
    mutating func pass(
        _ bytes: [UInt8], faults: FrameFaults, random: inout SeededGenerator,
        counts: inout FaultCounts
    ) -> [[UInt8]] {
        partial.append(contentsOf: bytes)
        var out: [[UInt8]] = []
        var position = 0
        if !started {
            guard partial.count >= Self.preambleBytes else { return [] }
            started = true
            if partial.starts(with: Self.preamble) {
                out.append(Array(partial[..<Self.preambleBytes]))
                position = Self.preambleBytes
            }
        }
        while let frame = nextFrame(from: position) {
            position = frame.endIndex
            if isStashed(frame) {
                stash.append(Array(frame))
                continue
            }
            deliver(Array(frame), faults: faults, random: &random, counts: &counts, out: &out)
        }
        partial.removeFirst(position)
        return out
    }

    private func isStashed(_ frame: ArraySlice<UInt8>) -> Bool {
        guard frame.count > Self.kindOffset else { return false }
        let kind = frame[frame.startIndex + Self.kindOffset]
        if stashedKinds.contains(kind) { return true }
        // Behind the kind: the group, in one byte as scenarios have them, and the type of message.
        guard kind == Self.raftKind, frame.count > Self.kindOffset + 2 else { return false }
        return stashedKinds.contains(
            Self.ofRaft | frame[frame.startIndex + Self.kindOffset + 2])
    }

    private func nextFrame(from position: Int) -> ArraySlice<UInt8>? {
        guard partial.count - position >= 4 else { return nil }
        var length = 0
        for i in 0..<4 { length |= Int(partial[position + i]) << (8 * i) }
        invariant(
            length <= Self.frameBytesMax, "a peer sent a frame of \(length) bytes, beyond its limit"
        )
        guard partial.count - position >= 4 + length else { return nil }
        return partial[position..<position + 4 + length]
    }

    private mutating func deliver(
        _ frame: [UInt8], faults: FrameFaults, random: inout SeededGenerator,
        counts: inout FaultCounts, out: inout [[UInt8]]
    ) {
        framesSeen += 1
        if framesSeen > 1, random.happens(faults.drop) {
            counts.add(.frameDropped)
        } else if framesSeen > 1, held == nil, random.happens(faults.reorder) {
            held = (frame, random.integer(1...4))
            counts.add(.frameReordered)
            return
        } else {
            out.append(frame)
            if framesSeen > 1, random.happens(faults.duplicate) {
                counts.add(.frameDuplicated)
                // The second copy comes at once, or after others have overtaken it.
                if held == nil, random.happens(0.5) {
                    held = (frame, random.integer(1...16))
                    return
                }
                out.append(frame)
            }
        }
        guard var waiting = held else { return }
        waiting.overtakers -= 1
        held = waiting
        if waiting.overtakers <= 0 {
            out.append(waiting.frame)
            held = nil
        }
    }

    /// The frame held back, when its stream has gone quiet: it arrives late, not never.
    mutating func releaseHeld() -> [UInt8]? {
        defer { held = nil }
        return held?.frame
    }

    mutating func takeStash() -> [[UInt8]] {
        defer { stash = [] }
        return stash
    }

    var isHolding: Bool { held != nil }
}

internal import Bytes
internal import Store

/// What a command's arrival in the log means to its origin's history.
enum Arrival: Equatable {
    /// Not seen before: execute it.
    case fresh
    /// Seen before; the reply is still there.
    case repeated
    /// Seen before; the reply is gone. Nobody waits for it, or it was too large to keep.
    case forgotten
}

/// Exactly once by origin: for each origin node the last sequence that took effect, and the replies
/// that the origin has not confirmed yet.
///
/// Part of the group's state: every replica keeps the same windows, whoever leads, so a new leader
/// answers a repeated command as the old one did. Commands of one origin reach the log in order, and
/// a repetition starts at the oldest unanswered one; therefore a sequence at or below the last one
/// is a repetition (or was abandoned), and is never executed.
///
/// Bounded: a window holds at most `EngineLimits.replyWindowBytesMax`; the oldest replies go first.
struct ReplyWindows {
    private struct Window {
        var origin: Origin
        /// The last sequence that took effect.
        var last: UInt64 = 0
        /// The sequence whose reply is first in `lengths`.
        var firstKept: UInt64 = 1
        /// Length of each kept reply; `evicted` where the reply was dropped.
        var lengths: [Int32] = []
        /// Where the kept lengths begin in `lengths` (a queue that is compacted now and then).
        var head = 0
        var start = 0
        var bytes: [UInt8] = []
        /// Where the reply after the one that was looked up last begins, as an index of `lengths` and
        /// of `bytes`: repetitions come in order, and one must not walk over all before it.
        var next = (index: 0, start: 0)

        /// Lets go of all replies.
        mutating func clear() {
            lengths.removeAll(keepingCapacity: true)
            head = 0
            bytes.removeAll(keepingCapacity: true)
            start = 0
            next = (0, 0)
        }
    }

    private static let evicted: Int32 = -1

    /// Sorted by node; few.
    private var windows: [Window] = []
    private(set) var duplicates = 0

    private func position(of node: UInt16) -> Int? {
        for at in windows.indices where windows[at].origin.node == node { return at }
        return nil
    }

    /// The newest process start that the log has seen of a node.
    func boot(of node: UInt16) -> UInt64? { position(of: node).map { windows[$0].origin.boot } }

    /// Tells whether a command is new. `stale` origins (an earlier start of the process) are
    /// `forgotten`: nobody is left who waits.
    mutating func arrival(of sequence: UInt64, origin: Origin, floor: UInt64) -> Arrival {
        let at: Int
        if let known = position(of: origin.node) {
            at = known
            if windows[at].origin.boot > origin.boot { return .forgotten }
            if windows[at].origin.boot < origin.boot { windows[at] = Window(origin: origin) }
        } else {
            at = windows.firstIndex { $0.origin.node > origin.node } ?? windows.endIndex
            windows.insert(Window(origin: origin), at: at)
        }
        confirm(below: floor, at: at)
        if sequence > windows[at].last { return .fresh }
        duplicates += 1
        guard sequence >= windows[at].firstKept else { return .forgotten }
        let index = windows[at].head + Int(sequence - windows[at].firstKept)
        return windows[at].lengths[index] == Self.evicted ? .forgotten : .repeated
    }

    /// Drops the replies that the origin has received.
    private mutating func confirm(below floor: UInt64, at: Int) {
        while windows[at].firstKept < floor, windows[at].head < windows[at].lengths.count {
            dropOldest(at: at)
        }
        if windows[at].head == windows[at].lengths.count { windows[at].clear() }
    }

    private mutating func dropOldest(at: Int) {
        let length = windows[at].lengths[windows[at].head]
        if length > 0 { windows[at].start += Int(length) }
        windows[at].head += 1
        windows[at].firstKept += 1
        if windows[at].head > 1024, windows[at].head * 2 > windows[at].lengths.count {
            windows[at].lengths.removeFirst(windows[at].head)
            windows[at].head = 0
            windows[at].next = (0, 0)
        }
        if windows[at].start > 1 << 16, windows[at].start * 2 > windows[at].bytes.count {
            windows[at].bytes.removeFirst(windows[at].start)
            windows[at].start = 0
            windows[at].next = (0, 0)
        }
    }

    /// Records that `sequence` took effect with this reply.
    ///
    /// The reply is what `buffer` holds from `start` on.
    mutating func record(
        _ sequence: UInt64, origin: Origin, reply buffer: borrowing ByteBuffer, from start: Int
    ) {
        let reply = buffer.readable.extracting(start..<buffer.count)
        guard let at = position(of: origin.node), windows[at].origin == origin else {
            invariantFailed("a reply of an origin without a window")
        }
        invariant(sequence > windows[at].last, "sequence \(sequence) took effect twice")
        let kept = windows[at].lengths.count - windows[at].head
        if kept == 0 || sequence != windows[at].firstKept + UInt64(kept) {
            // A gap: the origin gave sequences up that were never sent. Nothing before it is asked
            // for again, since repetitions start at the floor and gaps only lie below it.
            windows[at].clear()
            windows[at].firstKept = sequence
        }
        windows[at].last = sequence
        let limit = EngineLimits.replyWindowBytesMax
        if reply.count > limit / 4 {
            windows[at].lengths.append(Self.evicted)
            return
        }
        while windows[at].bytes.count - windows[at].start + reply.count > limit {
            dropOldest(at: at)
        }
        windows[at].lengths.append(Int32(reply.count))
        unsafe reply.withUnsafeBufferPointer { unsafe windows[at].bytes.append(contentsOf: $0) }
    }

    /// Appends the kept reply of a repeated command.
    mutating func appendReply(of sequence: UInt64, origin: Origin, to output: inout ByteBuffer) {
        guard let at = position(of: origin.node), sequence >= windows[at].firstKept else {
            invariantFailed("the reply was forgotten")
        }
        let index = windows[at].head + Int(sequence - windows[at].firstKept)
        var known = (index: windows[at].head, start: windows[at].start)
        let next = windows[at].next
        if next.index > known.index, next.index <= index { known = next }
        for length in windows[at].lengths[known.index..<index] where length > 0 {
            known.start += Int(length)
        }
        let end = known.start + Int(windows[at].lengths[index])
        windows[at].next = (index + 1, end)
        let bytes = windows[at].bytes
        output.append(bytes.span.extracting(known.start..<end))
    }

    // MARK: Images

    /// Appends everything that replicas must agree on.
    func encode(into image: inout ByteBuffer) {
        image.append(varint: UInt64(windows.count))
        for window in windows {
            image.append(varint: UInt64(window.origin.node))
            image.append(varint: window.origin.boot)
            image.append(varint: window.last)
            image.append(varint: window.firstKept)
            image.append(varint: UInt64(window.lengths.count - window.head))
            for length in window.lengths[window.head...] {
                image.append(littleEndian: UInt32(bitPattern: length))
            }
            image.append(window.bytes.span.extracting(window.start..<window.bytes.count))
        }
    }

    init() {}

    init(decoding reader: inout ByteReader) throws(DecodeError) {
        for _ in 0..<(try reader.readCount()) {
            guard let node = UInt16(exactly: try reader.readVarint()),
                windows.last.map({ $0.origin.node < node }) ?? true
            else { throw .invalid("origin") }
            var window = Window(origin: Origin(node: node, boot: try reader.readVarint()))
            window.last = try reader.readVarint()
            window.firstKept = try reader.readVarint()
            var bytes = 0
            for _ in 0..<(try reader.readCount()) {
                let length = Int32(bitPattern: try reader.read())
                guard length >= Self.evicted else { throw .invalid("reply length") }
                window.lengths.append(length)
                bytes += Int(max(0, length))
            }
            window.bytes = try reader.readBytes(bytes).copied
            windows.append(window)
        }
    }

    /// Feeds everything that replicas must agree on.
    func feed(into hash: inout StateHash) {
        for window in windows {
            hash.feed(UInt64(window.origin.node))
            hash.feed(window.origin.boot)
            hash.feed(window.last)
            hash.feed(window.firstKept)
            for length in window.lengths[window.head...] {
                hash.feed(UInt64(bitPattern: Int64(length)))
            }
            hash.feed(window.bytes.span.extracting(window.start..<window.bytes.count))
        }
    }
}

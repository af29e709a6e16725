internal import Bytes

/// Error replies by their code, the word before the first blank, for INFO errorstats.
struct ErrorCounts {
    struct Code {
        let name: [UInt8]
        var count: Int64
    }

    /// Codes counted each for itself; the errors of further codes count in `total` only.
    static let codesMax = 128
    /// As Redis does: a code is looked for in so many bytes, else it is ERR.
    private static let codeBytesMax = 32
    private static let noCode = Array("ERR".utf8)

    /// In the order of their bytes, in which INFO lists them.
    private(set) var codes: [Code] = []
    private(set) var total: Int64 = 0

    /// Counts a reply that begins with `-`. Allocates only for a code that was not seen before.
    mutating func count(_ reply: Span<UInt8>) {
        let code = Self.code(of: reply)
        if code.isEmpty { return add(1, of: Self.noCode.span) }
        add(1, of: code)
    }

    mutating func add(_ other: ErrorCounts) {
        for at in other.codes.indices {
            let name = other.codes[at].name
            add(other.codes[at].count, of: name.span)
        }
    }

    mutating func removeAll() {
        codes.removeAll(keepingCapacity: true)
        total = 0
    }

    private mutating func add(_ count: Int64, of name: Span<UInt8>) {
        total += count
        var at = 0
        while at < codes.count {
            let known = codes[at].name
            if !Self.precedes(known.span, name) {
                if Self.precedes(name, known.span) { break }
                codes[at].count += count
                return
            }
            at += 1
        }
        guard codes.count < Self.codesMax else { return }
        codes.insert(Code(name: name.copied, count: count), at: at)
    }

    private static func precedes(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Bool {
        for at in 0..<min(left.count, right.count) where left[at] != right[at] {
            return left[at] < right[at]
        }
        return left.count < right.count
    }

    /// The code of an error reply, without the `-`; empty when there is none.
    @_lifetime(copy reply)
    static func code(of reply: Span<UInt8>) -> Span<UInt8> {
        var at = 1
        while at < min(reply.count, codeBytesMax) {
            if reply[at] == UInt8(ascii: " ") { return reply.extracting(1..<at) }
            at += 1
        }
        return reply.extracting(0..<0)
    }
}

/// What a reply says about its command.
enum ReplyKind: Equatable {
    case success
    /// Executed, and the reply is an error; or nobody knows whether it was executed.
    case failure
    /// Not executed.
    case rejection

    /// Codes of errors that say that the command was not executed, in our words and in Redis's.
    private static let rejections: [[UInt8]] = [
        "BUSY", "CLUSTERDOWN", "CROSSSLOT", "DENIED", "LOADING", "MASTERDOWN", "MISCONF", "NOAUTH",
        "NOPERM", "NOREPLICAS", "ONCEDONE", "ONCEEXPIRED", "ONCEMISMATCH", "OOM", "READONLY",
        "TRYAGAIN",
    ].map { Array($0.utf8) }

    init(ofError reply: Span<UInt8>) {
        let code = ErrorCounts.code(of: reply)
        self = .failure
        for rejection in Self.rejections where rejection.count == code.count {
            var at = 0
            while at < code.count, code[at] == rejection[at] { at += 1 }
            if at == code.count { self = .rejection }
        }
    }
}

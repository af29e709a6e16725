internal import Bytes

/// The elements of a reply that is an array, one after the other, each as its bytes. For counting
/// what the commands of a transaction came to: the reply was written by this program's own code, so
/// what can not be read ends the walk and nothing more.
struct ReplyElements: ~Escapable {
    private let bytes: Span<UInt8>
    private var position = 0
    private var left: Int

    @_lifetime(copy reply)
    init(of reply: Span<UInt8>) {
        bytes = reply
        left = 0
        guard !reply.isEmpty, reply[0] == UInt8(ascii: "*"), let line = Self.line(reply, from: 0)
        else { return }
        position = line.end
        left = line.number
    }

    /// The next element; nil behind the last.
    @_lifetime(copy self)
    mutating func next() -> Span<UInt8>? {
        guard left > 0 else { return nil }
        left -= 1
        let start = position
        // What is still to be passed: an element, and the elements in it.
        var pending = 1
        while pending > 0 {
            guard position < bytes.count, let line = Self.line(bytes, from: position) else {
                left = 0
                return nil
            }
            let kind = bytes[position]
            position = line.end
            pending -= 1
            switch kind {
            case UInt8(ascii: "$"), UInt8(ascii: "="), UInt8(ascii: "!"):
                if line.number >= 0 { position += line.number + 2 }
            case UInt8(ascii: "*"), UInt8(ascii: "~"), UInt8(ascii: ">"):
                pending += max(0, line.number)
            case UInt8(ascii: "%"): pending += 2 * max(0, line.number)
            case UInt8(ascii: "|"): pending += 2 * max(0, line.number) + 1
            default: break
            }
        }
        guard position <= bytes.count else {
            left = 0
            return nil
        }
        return bytes.extracting(start..<position)
    }

    /// The number behind the type of the line at `start`, 0 if there is none, and where the next line
    /// begins.
    private static func line(_ bytes: Span<UInt8>, from start: Int) -> (number: Int, end: Int)? {
        var at = start + 1
        var number = 0
        var sign = 1
        var isNumber = true
        while at + 1 < bytes.count {
            let byte = bytes[at]
            if byte == UInt8(ascii: "\r"), bytes[at + 1] == UInt8(ascii: "\n") {
                return (isNumber ? sign * number : 0, at + 2)
            }
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9") where number < 1 << 50:
                number = number * 10 + Int(byte &- UInt8(ascii: "0"))
            case UInt8(ascii: "-") where at == start + 1: sign = -1
            default: isNumber = false
            }
            at += 1
        }
        return nil
    }
}

import Bytes
import Testing

@testable import Store

/// The order that all tests iterate in.
let testOrder = SipHash(key0: 0x0706_0504_0302_0100, key1: 0x0f0e_0d0c_0b0a_0908)

/// Text as bytes.
func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// Bytes as an array, to keep or compare.
func array(_ span: Span<UInt8>) -> [UInt8] {
    var copy: [UInt8] = []
    copy.reserveCapacity(span.count)
    for index in span.indices { copy.append(span[index]) }
    return copy
}

extension [UInt8] {
    /// memcmp order, then length.
    func precedes(_ other: [UInt8]) -> Bool { lexicographicallyPrecedes(other) }
}

extension SeededGenerator {
    mutating func int(below bound: Int) -> Int { Int(below(UInt64(bound))) }

    /// Random bytes; short alphabets make equal strings and common prefixes likely.
    mutating func text(lengthBelow bound: Int, alphabet: UInt64 = 3) -> [UInt8] {
        (0..<int(below: bound)).map { _ in UInt8(97 + below(alphabet)) }
    }
}

extension ListValue {
    var elements: [[UInt8]] {
        var all: [[UInt8]] = []
        forEach {
            all.append(array($0))
            return true
        }
        return all
    }
}

extension HashValue {
    var pairs: [[UInt8]] {
        var all: [[UInt8]] = []
        forEach {
            all.append(array($0))
            all.append(array($1))
            return true
        }
        return all
    }
}

extension SetValue {
    var members: [[UInt8]] {
        var all: [[UInt8]] = []
        forEach {
            all.append(array($0))
            return true
        }
        return all
    }
}

extension SortedSetValue {
    func members(in ranks: Range<Int>, descending: Bool = false) -> [[UInt8]] {
        var all: [[UInt8]] = []
        forEach(in: ranks, descending: descending) { member, _ in
            all.append(array(member))
            return true
        }
        return all
    }
}

/// Compares two values worked out from spans or noncopyable owners, which #expect cannot take apart.
func expectEqual<Value: Equatable>(
    _ one: Value, _ other: Value, sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(one == other, sourceLocation: sourceLocation)
}

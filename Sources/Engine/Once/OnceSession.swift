internal import Bytes
internal import RESP

/// A client's session for SKEIN.ONCE, as its id names it.
///
///     <group> - <number> - <window> - <seal>      1-1700000000000001-64-9f86d081884c7d65
///
/// `number` was given by the log of the group `group` (`OnceTable.open`), so no two sessions are equal.
/// The seal is a keyed hash over the rest, under the cluster's secret seed: groups that have never
/// heard of a session can tell that it was really opened, and nobody can make up a number that would
/// pass for newer than all sessions to come.
struct OnceSession: Hashable {
    /// The group that opened it.
    var group: UInt32
    var number: UInt64
    /// Requests that it may have outstanding.
    var window: Int

    /// No id is longer.
    static let bytesMax = 64
    /// Requests that a session may have outstanding, unless it asks for another number.
    static let windowDefault = 64
    static let windowMax = 1024

    private static let domain: StaticString = "SKEIN.ONCE"

    private func seal(_ key: SipHash) -> UInt64 {
        var bytes = ByteBuffer(minimumCapacity: 32)
        bytes.append(Self.domain)
        bytes.append(littleEndian: group)
        bytes.append(littleEndian: number)
        bytes.append(littleEndian: UInt32(window))
        return key.hash(bytes.readable)
    }

    /// Appends the id.
    func write(_ key: SipHash, into bytes: inout ByteBuffer) {
        bytes.append(decimal: Int64(group))
        bytes.append(UInt8(ascii: "-"))
        bytes.append(decimal: Int64(number))
        bytes.append(UInt8(ascii: "-"))
        bytes.append(decimal: Int64(window))
        bytes.append(UInt8(ascii: "-"))
        let seal = seal(key)
        for shift in stride(from: 60, through: 0, by: -4) {
            let digit = UInt8(truncatingIfNeeded: seal >> UInt64(shift)) & 0xf
            bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }

    init(group: UInt32, number: UInt64, window: Int) {
        invariant(number <= UInt64(Int64.max), "a session's number is too large")
        self.group = group
        self.number = number
        self.window = window
    }

    /// Reads an id; nil for one that this cluster has not given. There is one spelling of each.
    init?(_ id: Span<UInt8>, _ key: SipHash) {
        guard id.count <= Self.bytesMax else { return nil }
        var at = 0
        guard let group = Self.number(id, &at).flatMap({ UInt32(exactly: $0) }),
            let number = Self.number(id, &at).flatMap({ UInt64(exactly: $0) }),
            let window = Self.number(id, &at), window >= 1, window <= Int64(Self.windowMax)
        else { return nil }
        self.init(group: group, number: number, window: Int(window))
        var expected = ByteBuffer(minimumCapacity: Self.bytesMax)
        write(key, into: &expected)
        guard expected.count == id.count else { return nil }
        for i in 0..<id.count where expected.readable[i] != id[i] { return nil }
    }

    /// The number at `at`, and passes the dash behind it.
    private static func number(_ id: Span<UInt8>, _ at: inout Int) -> Int64? {
        let start = at
        while at < id.count, id[at] != UInt8(ascii: "-") { at += 1 }
        guard at < id.count else { return nil }
        defer { at += 1 }
        return IntegerText.parse(id.extracting(start..<at)).flatMap { $0 >= 0 ? $0 : nil }
    }
}

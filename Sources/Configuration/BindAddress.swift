/// An address to listen on, as in Redis's `bind`.
public struct BindAddress: Sendable, Equatable {
    /// As written: `-` before an address allows it to be missing, `*` is every IPv4 address and
    /// `::*` every IPv6 address.
    public let text: String

    public static let loopback = BindAddress(unchecked: "127.0.0.1")

    private init(unchecked text: String) { self.text = text }

    /// Throws unless `text` is a numeric address: names could resolve to something else tomorrow.
    init(parsing text: String) throws(ValueError) {
        self.init(unchecked: text)
        guard Self.isIPv4(address) || Self.isIPv6(address) else {
            throw ValueError("'\(text)' is not an IPv4 or IPv6 address")
        }
    }

    /// Whether a machine without this address may start all the same.
    public var isOptional: Bool { text.hasPrefix("-") }

    /// The numeric address.
    public var address: String {
        let address = isOptional ? String(text.dropFirst()) : text
        switch address {
        case "*": return "0.0.0.0"
        case "::*": return "::"
        default: return address
        }
    }

    /// Whether only this machine can reach it.
    public var isLoopback: Bool { address.hasPrefix("127.") || address == "::1" }

    private static func isIPv4(_ text: String) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy { strictInteger($0).map { (0...255).contains($0) } ?? false }
    }

    /// A sketch of one: the operating system has the last word when it binds.
    private static func isIPv6(_ text: String) -> Bool {
        text.contains(":") && text.utf8.count <= 45
            && text.utf8.allSatisfy {
                $0 &- 0x30 < 10 || $0 | 0x20 &- 0x61 < 6 || $0 == 0x3A || $0 == 0x2E
            }
    }
}

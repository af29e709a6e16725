internal import Bytes
internal import UV

/// The addresses of the `bind` directive.
struct BindAddresses: Sendable {
    /// One word of `bind`: a minus in front means that the machine need not have the address.
    struct Entry: Equatable, Sendable {
        var address: Address
        var isOptional: Bool
    }

    let entries: [Entry]

    /// Reads `bind`'s words: addresses, host names, `*` for all of IPv4, `::*` for all of IPv6.
    init(_ words: [String], on loop: Loop) throws(UVError) {
        var entries: [Entry] = []
        for word in words {
            let isOptional = word.hasPrefix("-")
            let host = isOptional ? String(word.dropFirst()) : word
            do throws(UVError) {
                let address = try Self.address(of: host, on: loop)
                entries.append(Entry(address: address, isOptional: isOptional))
            } catch {
                if !isOptional { throw error }
            }
        }
        self.entries = entries
    }

    private static func address(of host: String, on loop: Loop) throws(UVError) -> Address {
        switch host {
        case "*": return try Address(host: "0.0.0.0", port: 0)
        case "::*": return try Address(host: "::", port: 0)
        default: break
        }
        if let address = try? Address(host: host, port: 0) { return address }
        return try lookUp(host, on: loop)
    }

    /// Waits for the resolver: only while the node starts.
    private static func lookUp(_ host: String, on loop: Loop) throws(UVError) -> Address {
        var answer: Result<[Address], UVError>?
        let lookup = try NameLookup(loop, host: host, port: 0) { answer = $0 }
        while answer == nil { loop.runOnce() }
        _ = lookup
        switch answer {
        case .success(let addresses):
            guard let first = addresses.first else {
                throw UVError(code: -22, operation: "look up \(host): no address")
            }
            return first
        case .failure(let error): throw error
        case nil: invariantFailed("a lookup ended without an answer")
        }
    }

    /// Listens on `port` of every address.
    func listen(
        port: UInt16, on loop: Loop, onConnection: @escaping (TCPStream) -> Void,
        onFailure: @escaping (UVError) -> Void
    ) throws(UVError) -> [TCPListener] {
        var listeners: [TCPListener] = []
        for entry in entries {
            do throws(UVError) {
                listeners.append(
                    try TCPListener(
                        loop, address: entry.address.with(port: port),
                        onConnection: onConnection, onFailure: onFailure))
            } catch {
                let isAbsent = error.name == "EADDRNOTAVAIL" || error.name == "EAFNOSUPPORT"
                if entry.isOptional, isAbsent { continue }
                for listener in listeners { listener.close() }
                throw error
            }
        }
        return listeners
    }

    /// Where a connection to `remote` leaves from: the first address of its family that is one of the
    /// node's own, so that a firewall can tell nodes apart by it. Nil: the system chooses.
    func source(for remote: Address) -> Address? {
        let candidates = entries.map(\.address).filter { $0.isIPv6 == remote.isIPv6 }
        guard let first = candidates.first, !first.isWildcard else { return nil }
        // From a loopback address nothing leaves the machine.
        if first.isLoopback, !remote.isLoopback {
            return candidates.first { !$0.isLoopback && !$0.isWildcard }
        }
        return first
    }
}

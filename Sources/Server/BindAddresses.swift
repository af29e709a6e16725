internal import Bytes
internal import Configuration
internal import UV

/// The addresses of the `bind` directive, read.
struct BindAddresses: Sendable {
    private struct Entry: Sendable {
        var address: Address
        /// The machine need not have it.
        var isOptional: Bool
    }

    private let entries: [Entry]

    /// Throws for what is no address after all.
    init(_ words: [BindAddress]) throws(UVError) {
        var entries: [Entry] = []
        for word in words {
            entries.append(
                Entry(
                    address: try Address(host: word.address, port: 0), isOptional: word.isOptional))
        }
        self.entries = entries
    }

    /// Listens on `port` of every address; nothing is accepted before the loop turns.
    func listen(port: UInt16, backlog: Int, on loop: Loop) throws(UVError) -> [TCPListener] {
        var listeners: [TCPListener] = []
        for entry in entries {
            do throws(UVError) {
                listeners.append(
                    try TCPListener(
                        loop, address: entry.address.with(port: port),
                        backlog: Int32(clamping: backlog)))
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

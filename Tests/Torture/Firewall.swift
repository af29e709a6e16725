/// Cuts between members, by rules of the kernel's packet filter.
///
/// Each member has an address of its own (127.0.0.1 to 127.0.0.5), which its links to peers leave from as
/// well, so a rule on both addresses meets exactly the packets of one direction of one pair. Clients come
/// from another address and are never cut off.
struct Firewall {
    /// Packets from one member to another are dropped. Members by number, from 1.
    struct Cut: Hashable {
        var from: Int
        var to: Int
    }

    private static let table = "skein_torture"
    private(set) var cuts: Set<Cut> = []

    /// Makes the table; throws where this process may not.
    init() throws {
        try shell(
            "nft -f -",
            input: """
                add table ip \(Self.table)
                delete table ip \(Self.table)
                add table ip \(Self.table)
                add chain ip \(Self.table) cuts { type filter hook input priority 0; policy accept; }
                """)
    }

    /// Puts further cuts in force, all at once.
    mutating func add(_ more: some Sequence<Cut>) throws {
        cuts.formUnion(more)
        try install()
    }

    /// Lets everybody reach everybody again.
    mutating func heal() throws {
        guard !cuts.isEmpty else { return }
        cuts = []
        try install()
    }

    /// Takes the table away.
    func remove() { _ = try? shell("nft delete table ip \(Self.table)") }

    private func install() throws {
        var rules = ["flush chain ip \(Self.table) cuts"]
        for cut in cuts {
            rules.append(
                "add rule ip \(Self.table) cuts ip saddr \(Member.address(cut.from)) "
                    + "ip daddr \(Member.address(cut.to)) drop")
        }
        try shell("nft -f -", input: rules.joined(separator: "\n") + "\n")
    }
}

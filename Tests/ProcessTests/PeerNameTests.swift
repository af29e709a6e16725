import Foundation
import Testing

extension ProcessTests {
    /// Peers by name: nodes that see an `/etc/hosts` of the test's own, in a mount namespace.
    @Suite(.enabled(if: Hosts.mayBeReplaced, "mount namespaces are not allowed here"))
    struct PeerNames {
        @Test func `a peer that comes back at another address is found there by its name`() throws {
            let cluster = try TestCluster(nodes: 3)
            let hosts = try Hosts(["one": "127.0.0.1", "two": "127.0.0.2", "three": "127.0.0.3"])
            let names = ["one", "two", "three"]
            for (at, node) in cluster.nodes.enumerated() {
                node.launcher = hosts.launcher
                try node.rewriteConfiguration { text in
                    var lines = text.split(separator: "\n").map(String.init)
                    for (at, name) in names.enumerated() {
                        lines = lines.map {
                            $0.replacing("n\(at + 1)=127.0.0.1:", with: "n\(at + 1)=\(name).test:")
                        }
                    }
                    // Peers by the first address, the test's clients by the second.
                    let addresses = at == 0 ? "127.0.0.1" : "127.0.0.\(at + 1) 127.0.0.1"
                    return (lines + ["bind \(addresses)"]).joined(separator: "\n") + "\n"
                }
            }
            try cluster.start()
            let moved = cluster.nodes[1]
            #expect(try moved.client().call("SET", "a", "1") == .simple("OK"))

            #expect(moved.stop() == 0)
            try moved.rewriteConfiguration {
                $0.replacing("bind 127.0.0.2", with: "bind 127.0.0.12")
            }
            try hosts.write(["one": "127.0.0.1", "two": "127.0.0.12", "three": "127.0.0.3"])
            let started = ContinuousClock.now
            try moved.start()
            #expect(eventually(within: .seconds(10)) { try cluster.acceptsWrites(moved) })
            record(
                "a moved peer is found after",
                "\(Int(milliseconds(ContinuousClock.now - started))) ms")
            // The lower id dials: one must have looked two up anew, and two three.
            for lonely in [2, 0] {
                cluster.nodes[lonely].kill()
                #expect(
                    eventually(within: .seconds(10)) { try cluster.acceptsWrites(moved) },
                    "without \(cluster.nodes[lonely].name): \(moved.log.suffix(2000))")
                try cluster.nodes[lonely].start()
                #expect(
                    eventually(within: .seconds(10)) {
                        try cluster.acceptsWrites(cluster.nodes[lonely])
                    })
            }
        }
    }
}

/// A hosts file of the test's own, which processes started by `launcher` see in place of the system's.
private final class Hosts {
    private let folder = TestFolder()
    private var path: String { folder.url.appending(path: "hosts").path }

    init(_ addresses: [String: String]) throws {
        try FileManager.default.createDirectory(
            at: folder.url, withIntermediateDirectories: true)
        try write(addresses)
    }

    /// Writes it in place, so that it changes where it is mounted, too.
    func write(_ addresses: [String: String]) throws {
        let lines = addresses.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key).test" }
        try (["127.0.0.1 localhost"] + lines).joined(separator: "\n").appending("\n")
            .write(toFile: path, atomically: false, encoding: .utf8)
    }

    var launcher: [String] {
        [
            "/usr/bin/env", "unshare", "--mount", "sh", "-c",
            "mount --bind '\(path)' /etc/hosts && exec \"$@\"", "server",
        ]
    }

    static var mayBeReplaced: Bool {
        if Binary.environment["SKEIN_REQUIRE_ALL"] == "1" { return true }
        let isAllowed =
            (try? shell("unshare --mount sh -c 'mount --bind /etc/hostname /etc/hosts'").code) == 0
        if !isAllowed { print("skipped: peers by name: mount namespaces are not allowed here") }
        return isAllowed
    }
}

extension NodeProcess {
    fileprivate func rewriteConfiguration(_ change: (String) -> String) throws {
        let text = try String(contentsOf: configuration, encoding: .utf8)
        try change(text).write(to: configuration, atomically: true, encoding: .utf8)
    }
}

import Engine
import Testing

/// Programs of different versions in one cluster.
@Suite struct `Versions` {
    private static func versions(_ cluster: EngineCluster) -> [UInt32?] {
        cluster.nodes.map { $0.process?.engine.clusterVersion }
    }

    private static func formed(_ versions: [ClosedRange<UInt32>]) throws -> EngineCluster {
        let cluster = try EngineCluster(nodes: versions.count, versions: versions)
        #expect(cluster.run(until: { cluster.isServing() }), "\(cluster.lines.suffix(20))")
        return cluster
    }

    private static func restart(
        _ cluster: EngineCluster, _ node: Int, speaking versions: ClosedRange<UInt32>
    ) throws {
        cluster.stop(node)
        cluster.nodes[node].versions = versions
        try cluster.start(node)
        #expect(cluster.run(until: { cluster.isServing() }))
    }

    @Test func `an upgrade one node after the other raises the version after the last one`() throws
    {
        let cluster = try Self.formed([1...1, 1...1, 1...1])
        for node in 0..<3 {
            #expect(Self.versions(cluster) == [1, 1, 1])
            let client = try cluster.open((node + 1) % 3)
            #expect(cluster.expect("+OK\r\n", to: "SET k \(node)\r\n", client) == nil)
            try Self.restart(cluster, node, speaking: 1...2)
            cluster.run(milliseconds: 500)
        }
        #expect(cluster.run(until: { Self.versions(cluster) == [2, 2, 2] }))
        let client = try cluster.open(0)
        #expect(cluster.expect("$1\r\n2\r\n", to: "GET k\r\n", client) == nil)
        #expect(cluster.lines.contains { $0.contains("cluster-version version=2") })
        // What is logged stays: after a restart of all, too.
        for node in 0..<3 { cluster.stop(node) }
        for node in 0..<3 { try cluster.start(node) }
        #expect(cluster.run(until: { cluster.isServing() }))
        #expect(Self.versions(cluster) == [2, 2, 2])
    }

    @Test func `a program goes back until the last one is upgraded, and not afterwards`() throws {
        let cluster = try Self.formed([1...2, 1...1, 1...1])
        try Self.restart(cluster, 0, speaking: 1...1)
        for node in 0..<3 { try Self.restart(cluster, node, speaking: 1...2) }
        #expect(cluster.run(until: { Self.versions(cluster) == [2, 2, 2] }))
        cluster.stop(1)
        cluster.nodes[1].versions = 1...1
        let error = #expect(throws: StartError.version(cluster: 2, spoken: 1...1)) {
            try cluster.start(1)
        }
        #expect(error?.description.contains("version 2") == true)
        cluster.nodes[1].versions = 2...3
        try cluster.start(1)
        #expect(cluster.run(until: { cluster.isServing() }))
    }

    @Test func `a founder without a version in common is refused, and told why`() throws {
        let cluster = try EngineCluster(nodes: 3, versions: [3...4, 1...2, 1...2])
        cluster.run(milliseconds: 3000)
        #expect(!cluster.isServing())
        for text in [
            "it speaks versions 1 to 2 of the peer protocol, this node versions 3 to 4",
            "it speaks versions 3 to 4 of the peer protocol, this node versions 1 to 2",
        ] {
            #expect(cluster.lines.contains { $0.contains(text) }, "\(cluster.lines)")
        }
        try Self.restart(cluster, 0, speaking: 2...3)
        #expect(Self.versions(cluster) == [2, 2, 2])
    }

    @Test func `a node that is met must speak the version that the cluster has come to`() throws {
        let cluster = try Self.formed([1...2, 1...3, 2...3])
        #expect(Self.versions(cluster) == [2, 2, 2])
        let old = try cluster.addNode(versions: 1...1)
        let client = try cluster.open(0)
        #expect(
            cluster.expect("+OK\r\n", to: "CLUSTER MEET 10.0.0.4 7000 17000\r\n", client) == nil)
        #expect(
            cluster.run(until: {
                cluster.lines.contains {
                    $0.contains("meet-failed")
                        && $0.contains("the cluster has come to version 2")
                        || $0.contains("meet-failed") && $0.contains("it speaks version 1 of")
                }
            }), "\(cluster.lines.suffix(10))")
        cluster.stop(old)
        cluster.nodes[old].versions = 2...2
        try cluster.start(old)
        _ = cluster.expect("+OK\r\n", to: "CLUSTER MEET 10.0.0.4 7000 17000\r\n", client)
        #expect(cluster.run(until: { cluster.nodes[old].process?.engine.muteReason == nil }))
        #expect(cluster.run(until: { Self.versions(cluster) == [2, 2, 2, 2] }))
    }
}

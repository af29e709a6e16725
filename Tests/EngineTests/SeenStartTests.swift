import Bytes
import PeerProtocol
import Testing

@testable import Engine

/// Which directories have forgotten a start of theirs that a member has seen.
@Suite struct SeenStartTests {
    /// A start of node 2 whose directory knows the processes of the starts before, newest first.
    private func hello(_ boot: UInt64, _ process: UInt64, after earlier: [UInt64]) -> Hello {
        Hello(
            name: "n2", node: 2, incarnation: Incarnation(5), boot: boot, membership: .bound,
            cluster0: 1, cluster1: 2, clientHost: "10.0.0.2", clientPort: 7000, admitted: [],
            process: process, earlierProcesses: earlier)
    }

    private let seen = SeenStart(node: 2, boot: 10, process: 110)

    @Test func `who went on from the start that was seen has not forgotten it`() {
        #expect(!seen.isForgotten(by: hello(10, 110, after: [109, 108])))
        #expect(!seen.isForgotten(by: hello(11, 111, after: [110, 109])))
        #expect(!seen.isForgotten(by: hello(13, 113, after: [112, 111, 110, 109])))
        #expect(!seen.isForgotten(by: hello(12, 112, after: [111, 110])))
    }

    @Test func `a copy has forgotten it, however often it was started since`() {
        #expect(seen.isForgotten(by: hello(9, 109, after: [108])))
        #expect(seen.isForgotten(by: hello(10, 210, after: [109, 108])))
        var earlier: [UInt64] = [210, 109, 108]
        for boot in 11...(10 + UInt64(Hello.earlierStartsMax)) {
            let process = 200 + boot
            #expect(seen.isForgotten(by: hello(boot, process, after: earlier)))
            earlier = Array(([process] + earlier).prefix(Hello.earlierStartsMax))
        }
        // Nobody remembers further back.
        let boot = 11 + UInt64(Hello.earlierStartsMax)
        #expect(!seen.isForgotten(by: hello(boot, 200 + boot, after: earlier)))
    }

    @Test func `who does not tell its starts is judged by the numbers alone`() {
        #expect(!seen.isForgotten(by: hello(11, 211, after: [])))
        #expect(!seen.isForgotten(by: hello(12, 212, after: [211])))
        #expect(seen.isForgotten(by: hello(10, 210, after: [])))
        #expect(seen.isForgotten(by: hello(9, 110, after: [])))
    }

    @Test func `the records of older programs say nothing about the starts before`() throws {
        for record: NodeRecord in [
            .boot(7, syncMode: 1, machine: 3, mayLackEntries: true, processes: []),
            .stopped(7, processes: []),
        ] {
            // Without the count of what they did not have.
            let bytes = record.encode().copyBytes().dropLast()
            #expect(try NodeRecord(decoding: Array(bytes).span) == record)
        }
    }

    @Test func `records with more starts than there can be are refused`() {
        for (boot, count) in [(100, 65), (3, 4), (0, 1)] {
            let processes = (0..<UInt64(count)).map { $0 }
            for record: NodeRecord in [
                .boot(
                    UInt64(boot), syncMode: 0, machine: 1, mayLackEntries: false,
                    processes: processes),
                .stopped(UInt64(boot), processes: processes),
            ] {
                #expect(throws: DecodeError.self) {
                    try NodeRecord(decoding: record.encode().copyBytes().span)
                }
            }
        }
    }

    /// Isolated, it starts so often. Everything that it sends is held back.
    private func startApart(_ cluster: EngineCluster, _ node: Int, times: Int) throws {
        cluster.isolate(node)
        for _ in 0..<times {
            try cluster.start(node)
            #expect(cluster.run(until: { cluster.nodes[node].process!.engine.node.isStarted }))
            cluster.stop(node)
        }
        cluster.heal()
    }

    @Test(arguments: [1, 2, 5, 64])
    func `a copy that was started where nobody saw it is refused`(times: Int) throws {
        let cluster = try EngineCluster.formed()
        let client = try cluster.open(0)
        cluster.stop(2)
        let copy = cluster.nodes[2].disk.copy()
        try cluster.start(2)
        #expect(cluster.run(until: { cluster.isServing() && cluster.isConverged() }))
        #expect(cluster.expect("+OK\r\n", to: "SET a 1\r\n", client) == nil)
        cluster.stop(2)
        cluster.nodes[2].disk = copy
        try startApart(cluster, 2, times: times)
        try cluster.start(2)
        #expect(cluster.run(until: { cluster.nodes[2].process!.engine.muteReason != nil }))
        #expect(cluster.nodes[2].process!.engine.muteReason!.contains("older copy"))
        #expect(cluster.expect("$1\r\n1\r\n", to: "GET a\r\n", client) == nil)
    }

    @Test(arguments: [2, 64, 65, 66])
    func `a node that was started where nobody saw it is welcome`(times: Int) throws {
        let cluster = try EngineCluster.formed()
        let client = try cluster.open(0)
        cluster.stop(2)
        try startApart(cluster, 2, times: times)
        #expect(cluster.expect("+OK\r\n", to: "SET a 1\r\n", client) == nil)
        try cluster.start(2)
        #expect(cluster.run(until: { cluster.isConverged() }))
        #expect(cluster.nodes[2].process?.engine.muteReason == nil)
        let there = try cluster.open(2)
        #expect(cluster.expect("$1\r\n1\r\n", to: "GET a\r\n", there) == nil)
    }

    /// Nobody had met anybody anew since the cluster was founded: the links are older than it.
    @Test(arguments: [1, 3])
    func `a copy that was made before the cluster was founded is refused`(times: Int) throws {
        let cluster = try EngineCluster()
        for node in 0..<3 {
            cluster.stop(node)
            cluster.wipe(node)
        }
        // Alone, it can only write down who it is.
        try startApart(cluster, 2, times: 1)
        let copy = cluster.nodes[2].disk.copy()
        for node in 0..<3 { try cluster.start(node) }
        #expect(cluster.run(until: { cluster.isServing() && cluster.isConverged() }))
        let client = try cluster.open(0)
        #expect(cluster.expect("+OK\r\n", to: "SET a 1\r\n", client) == nil)
        cluster.stop(2)
        cluster.nodes[2].disk = copy
        try startApart(cluster, 2, times: times - 1)
        try cluster.start(2)
        #expect(
            cluster.run(
                seconds: 5, until: { cluster.nodes[2].process!.engine.muteReason != nil }),
            "\(cluster.lines.suffix(20).joined(separator: "\n"))")
        #expect(cluster.nodes[2].process!.engine.muteReason?.contains("older copy") == true)
        // It remembers, and says so, where it reaches nobody.
        cluster.stop(2)
        cluster.isolate(2)
        try cluster.start(2)
        #expect(cluster.nodes[2].process!.engine.muteReason?.contains("older copy") == true)
    }
}

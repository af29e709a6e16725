import Bytes
import Commands
import Configuration
import RESP
import Raft
import Store
import Testing

@testable import Engine

/// Replicas are compared while they work; one that differs is built anew.
@Suite struct AuditTests {
    /// A bit flips in a node's memory: one of its keys changes, and nobody hears of it.
    static func corrupt(_ cluster: EngineCluster, _ node: Int) {
        guard let process = cluster.nodes[node].process else { return }
        let reply = SingleReply()
        reply.execute("SET key:7 flipped", on: &process.engine.node.replicas[1].context)
    }

    static func cluster() throws -> EngineCluster {
        let cluster = try EngineCluster.formed()
        try SnapshotTests.fill(cluster, 0, 0..<50)
        #expect(cluster.run(until: cluster.isConverged))
        return cluster
    }

    @Test func `replicas that agree are left alone, and an idle cluster is not audited for ever`()
        throws
    {
        let cluster = try Self.cluster()
        cluster.run(milliseconds: 30_000)
        let quiet = try #require(cluster.replica(0)).lastIndex
        cluster.run(milliseconds: 30_000)
        #expect(cluster.replica(0)?.lastIndex == quiet)
        #expect(quiet > 55)
        for node in cluster.nodes {
            #expect(!node.lines.contains { $0.hasPrefix("state-diverged") })
        }
    }

    @Test(arguments: [true, false]) func `a replica that differs is found, and built anew`(
        isLeader: Bool
    ) throws {
        let cluster = try Self.cluster()
        let leader = try #require(cluster.leader())
        let odd = isLeader ? leader : cluster.follower()
        Self.corrupt(cluster, odd)
        #expect(!cluster.isConverged())
        // Something must happen, or there is nothing new to compare.
        try SnapshotTests.fill(cluster, cluster.follower(), 50..<52)
        #expect(
            cluster.run(seconds: 60) {
                cluster.nodes[odd].lines.contains { $0.hasPrefix("snapshot-loaded") }
            })
        #expect(cluster.run { cluster.isConverged() && cluster.isServing() })
        #expect(cluster.nodes[odd].lines.contains { $0.hasPrefix("state-lost") })
        try SnapshotTests.read(cluster, odd, 0..<52)
        for node in 0..<3 where node != odd {
            #expect(!cluster.nodes[node].lines.contains { $0.hasPrefix("state-lost") })
        }
    }
}

/// Executes a command on a replica's state behind its log's back.
struct SingleReply {
    func execute(_ text: String, on context: inout CommandContext) {
        var bytes = ByteBuffer()
        bytes.append(Array((text + "\r\n").utf8).span)
        var parser = RequestParser()
        guard parser.parse(bytes.readable) == .request else { return }
        let request = parser.request(over: bytes.readable)
        guard case .found(let spec) = CommandTable.resolve(request) else { return }
        let before = context.reply.bytes.count
        context.mode = .apply
        context.database = 0
        _ = spec.run(&context, request)
        context.reply.bytes.truncate(to: before)
    }
}

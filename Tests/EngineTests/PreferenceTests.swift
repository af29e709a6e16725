import Bytes
import Configuration
import Engine
import Raft
import Testing

/// `leader-priority`: leadership goes to the preferred member when all is calm, and stays.
@Suite struct PreferenceTests {
    private func formed() throws -> EngineCluster {
        try EngineCluster.formed { $0.clusterPort = 17000 }
    }

    private func priority(_ cluster: EngineCluster, _ node: Int, _ priority: Int) throws {
        let client = try cluster.open(node)
        #expect(cluster.ask("CONFIG SET leader-priority \(priority)\r\n", client) == "+OK\r\n")
    }

    @Test func `a leader hands over to a preferred member that has been well for a while`() throws {
        let cluster = try formed()
        let leader = cluster.leader()!
        let preferred = cluster.follower()
        let before = cluster.now.boot
        try priority(cluster, preferred, 200)
        #expect(cluster.run(seconds: 30) { cluster.leader() == preferred })
        #expect(cluster.now.boot - before > .seconds(5))
        let term = cluster.replica(preferred)!.term
        let client = try cluster.open(leader)
        #expect(cluster.ask("SET a 1\r\n", client) == "+OK\r\n")
        #expect(cluster.ask("INFO raft\r\n", client).contains("priority=200,clock=ok"))
        // It stays there, also when others are preferred equally.
        try priority(cluster, leader, 200)
        cluster.run(milliseconds: 40_000)
        #expect(cluster.leader() == preferred)
        #expect(cluster.replica(preferred)!.term == term)
        #expect(cluster.replica(preferred, 0)!.role == .leader)
    }

    @Test func `nobody is preferred who is down, cut off, or lags`() throws {
        let cluster = try formed()
        let leader = cluster.leader()!
        let preferred = cluster.follower()
        try priority(cluster, preferred, 1000)
        cluster.nodes[preferred].configuration.leaderPriority = 1000
        for _ in 0..<8 {
            // Well for six seconds, away for one: never calm for long enough.
            cluster.run(milliseconds: 6000)
            cluster.isolate(preferred)
            cluster.breakWires(preferred, leader)
            cluster.run(milliseconds: 1000)
            cluster.heal()
            #expect(cluster.leader() == leader)
        }
        cluster.stop(preferred)
        cluster.run(milliseconds: 15_000)
        #expect(cluster.leader() == leader)
        try cluster.start(preferred)
        #expect(cluster.run(seconds: 30) { cluster.leader() == preferred })
    }

    @Test func `a member of priority 0 leads only while nobody else can`() throws {
        let cluster = try formed()
        let leader = cluster.leader()!
        try priority(cluster, leader, 0)
        #expect(cluster.run(seconds: 30) { (cluster.leader() ?? leader) != leader })
        let next = cluster.leader()!
        let third = cluster.nodes.indices.first { $0 != leader && $0 != next }!
        cluster.nodes[leader].configuration.leaderPriority = 0
        cluster.stop(next)
        cluster.stop(third)
        cluster.run(milliseconds: 1000)
        try cluster.start(third)
        #expect(cluster.run(seconds: 20) { cluster.leader() != nil })
        try cluster.start(next)
        #expect(cluster.run(seconds: 60) { (cluster.leader() ?? leader) != leader })
    }
}

import Bytes
import Engine
import Testing

/// What a cluster does when the hosts say that disks are short of room.
@Suite struct FullDiskTests {
    private static let full = "-MISCONF Errors writing to the AOF file: No space left on device\r\n"

    private func space(_ cluster: EngineCluster, _ node: Int, _ space: LogSpace) {
        cluster.nodes[node].process?.engine.logSpaceChanged(to: space, now: cluster.now)
        cluster.run(milliseconds: 200)
    }

    @Test func `one short of room hands over, and nobody notices`() throws {
        let cluster = try EngineCluster.formed()
        let leader = try #require(cluster.leader())
        let client = try cluster.open(cluster.follower())
        #expect(cluster.expect("+OK\r\n", to: "SET a 1\r\n", client) == nil)
        space(cluster, leader, .low)
        #expect(cluster.expect("+OK\r\n", to: "SET a 2\r\n", client) == nil)
        #expect(cluster.run { cluster.leader() != leader })
        // Full is no worse for the others.
        space(cluster, leader, .full)
        let there = try cluster.open(leader)
        #expect(cluster.expect("+OK\r\n$1\r\n3\r\n", to: "SET a 3\r\nGET a\r\n", there) == nil)
    }

    @Test func `a majority short of room refuses growth and lets data be removed`() throws {
        let cluster = try EngineCluster.formed()
        let leader = try #require(cluster.leader())
        let client = try cluster.open(cluster.follower())
        #expect(cluster.expect("+OK\r\n", to: "SET a 1\r\n", client) == nil)
        for node in 0..<3 where node != leader { space(cluster, node, .low) }
        #expect(
            cluster.expect(
                Self.full + "$1\r\n1\r\n:1\r\n", to: "SET a 2\r\nGET a\r\nDEL a\r\n", client)
                == nil)
        #expect(
            cluster.expect(
                "+OK\r\n+QUEUED\r\n-EXECABORT Transaction discarded because of: "
                    + Self.full.dropFirst(),
                to: "MULTI\r\nSET a 2\r\nEXEC\r\n", client) == nil)
        for node in 0..<3 where node != leader { space(cluster, node, .ample) }
        #expect(cluster.expect("+OK\r\n", to: "SET a 3\r\n", client) == nil)
    }

    @Test func `refusals take no place in the log`() throws {
        let cluster = try EngineCluster.formed()
        let client = try cluster.open(0)
        #expect(cluster.expect("+OK\r\n", to: "SET a 1\r\n", client) == nil)
        for node in 0..<3 { space(cluster, node, .low) }
        cluster.run(milliseconds: 3000)
        func batches() -> Int? {
            cluster.ask("INFO persistence\r\n", client).split(separator: "\r\n")
                .first { $0.hasPrefix("wal_last_batch:") }.flatMap { Int($0.dropFirst(15)) }
        }
        let before = try #require(batches())
        for _ in 0..<100 {
            #expect(cluster.expect(Self.full, to: "SET a 2\r\n", client) == nil)
        }
        #expect(try #require(batches()) < before + 10)
    }

    @Test func `a majority that cannot write refuses all writes and serves reads`() throws {
        let cluster = try EngineCluster.formed()
        let client = try cluster.open(0)
        #expect(cluster.expect("+OK\r\n", to: "SET a 1\r\n", client) == nil)
        for node in 0..<3 { space(cluster, node, .full) }
        #expect(
            cluster.expect(
                Self.full + Self.full + Self.full + "$1\r\n1\r\n",
                to: "SET a 2\r\nDEL a\r\nFLUSHALL\r\nGET a\r\n", client) == nil)
        for node in 0..<3 { space(cluster, node, .ample) }
        #expect(cluster.expect(":1\r\n", to: "DEL a\r\n", client) == nil)
    }
}

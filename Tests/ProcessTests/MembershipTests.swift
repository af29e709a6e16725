import Foundation
import Testing

extension ProcessTests {
    @Suite struct Membership {
        /// Whether `node` sees so many members, all of them voters of every group.
        private func consists(of count: Int, through node: NodeProcess) -> Bool {
            guard let reply = try? node.client(timeout: .seconds(3)).call("SKEIN.NODES"),
                case .array(let lines) = reply
            else { return false }
            return lines.count == count
                && lines.allSatisfy { line in
                    guard case .array(let fields) = line else { return false }
                    return fields.contains(.text("member"))
                }
        }

        private func settles(_ count: Int, through nodes: [NodeProcess]) -> Bool {
            eventually(within: .seconds(30)) {
                nodes.allSatisfy { consists(of: count, through: $0) }
            }
        }

        /// `skein node ...`, asked of a member.
        private func tool(
            _ arguments: String, through node: NodeProcess
        ) throws -> (code: Int32, output: String) {
            let path = URL(filePath: Binary.path).deletingLastPathComponent()
                .appending(path: "skein").path
            return try shell("'\(path)' node \(arguments) --port \(node.port) 2>&1")
        }

        @Test func `three nodes become five under load, and lose nothing when two are killed`()
            throws
        {
            let cluster = try TestCluster.running()
            let writers = (0..<3).map {
                writingClient(port: cluster.nodes[$0].port, prefix: "grow\($0)")
            }
            for _ in 0..<2 {
                let new = try cluster.addNode()
                let run = try tool(
                    "add 127.0.0.1:\(new.port) --cluster-port \(new.clusterPort)",
                    through: cluster.nodes[1])
                #expect(run.code == 0, "\(run.output)")
            }
            #expect(settles(5, through: cluster.nodes))
            usleep(300_000)
            let written = writers.map { $0.stopAndJoin() }
            record("writes while 3 nodes became 5", "\(written.map(\.count))")
            cluster.nodes[0].kill()
            cluster.nodes[1].kill()
            #expect(
                eventually(within: .seconds(15)) { try cluster.acceptsWrites(cluster.nodes[4]) })
            for keys in written {
                #expect(keys.count > 10)
                #expect(try missing(keys, through: cluster.nodes[3]) == [])
            }
            // All of them know their cluster when they start again.
            for node in cluster.nodes { node.kill() }
            try cluster.start()
            #expect(settles(5, through: cluster.nodes))
        }

        @Test func `the leader is forgotten under load, says so, and stays out`() throws {
            let cluster = try TestCluster.running()
            let leader = try #require(cluster.leader())
            let rest = cluster.followers()
            let writing = writingClient(port: rest[0].port, prefix: "forget")
            usleep(300_000)
            let run = try tool("remove \(leader.name)", through: rest[1])
            #expect(run.code == 0, "\(run.output)")
            #expect(settles(2, through: rest))
            usleep(300_000)
            let written = writing.stopAndJoin()
            #expect(written.count > 10)
            #expect(try missing(written, through: rest[1]) == [])
            let refusal = try leader.client().call("GET", "a").string ?? ""
            #expect(refusal.contains("was removed from the cluster"))
            #expect(leader.stop() == 0)
            try leader.start()
            #expect(
                eventually(within: .seconds(10)) {
                    try leader.client().call("GET", "a").string?.contains("removed") ?? false
                })
            #expect(try tool("list", through: rest[0]).output.contains(rest[1].name))
        }

        @Test func `a node that lost its directory is taken in again by itself`() throws {
            let cluster = try TestCluster.running()
            let victim = try #require(cluster.followers().first)
            let others = cluster.nodes.filter { $0 !== victim }
            let writing = writingClient(port: others[0].port, prefix: "wipe")
            usleep(300_000)
            victim.kill()
            try FileManager.default.removeItem(at: victim.dataFolder)
            try FileManager.default.createDirectory(
                at: victim.dataFolder, withIntermediateDirectories: true)
            try victim.start()
            #expect(settles(3, through: cluster.nodes), "\(victim.log.suffix(3000))")
            let written = writing.stopAndJoin()
            #expect(written.count > 10)
            // It counts: with another one gone, it is half of the majority.
            others[1].kill()
            #expect(eventually(within: .seconds(15)) { try cluster.acceptsWrites(victim) })
            #expect(try missing(written, through: victim) == [])
            let moved = try tool("transfer-leader 1 \(victim.name)", through: victim)
            #expect(moved.code == 0, "\(moved.output)")
            #expect(cluster.isLeader(victim))
        }
    }
}

import Foundation
import Testing

extension ProcessTests {
    /// Five nodes: two may be gone, three may not.
    @Suite struct Majorities {
        private static let requestTimeout = Duration.milliseconds(1500)

        @Test func `five nodes serve without two, refuse without three, serve when one returns`()
            throws
        {
            let cluster = try TestCluster.running(nodes: 5, directives: ["request-timeout 1500"])
            let leader = try #require(cluster.leader())
            let others = cluster.followers()
            try #require(others.count == 4)
            let writer = writingClient(port: others[0].port, prefix: "through")
            usleep(500_000)

            leader.kill()
            others[3].kill()
            let survivors = Array(others[..<3])
            for node in survivors {
                #expect(eventually(within: .seconds(5)) { try cluster.acceptsWrites(node) })
            }
            usleep(300_000)
            let acknowledged = writer.stopAndJoin()
            #expect(acknowledged.count > 50)

            survivors[2].kill()
            for node in survivors[..<2] {
                let client = try node.client()
                for command in [["SET", "refused:\(node.name)", "1"], ["GET", "through:0"]] {
                    let start = ContinuousClock.now
                    let reply = try client.call(bytes: command.map { Array($0.utf8) })
                    let took = ContinuousClock.now - start
                    #expect(reply.isError, "\(command) was answered by \(reply) without a majority")
                    #expect(took < (Self.requestTimeout + .milliseconds(500)) * Binary.patience)
                }
            }

            let returned = ContinuousClock.now
            try survivors[2].start()
            for node in survivors {
                #expect(eventually(within: .seconds(10)) { try cluster.acceptsWrites(node) })
            }
            record(
                "three of five serve again after the start of the third",
                "\(Int(milliseconds(ContinuousClock.now - returned))) ms")
            #expect(try missing(acknowledged, through: survivors[2]) == [])
            for node in [leader, others[3]] {
                try node.start()
                #expect(eventually(within: .seconds(10)) { try cluster.acceptsWrites(node) })
            }
            #expect(try missing(acknowledged, through: leader) == [])
        }
    }
}

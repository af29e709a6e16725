import Foundation
import Testing

extension ProcessTests {
    @Suite struct Recovery {
        @Test func `everything acknowledged is there after kill -9 of all nodes at once`() throws {
            let cluster = try TestCluster.running()
            for round in 0..<3 {
                let writers = cluster.nodes.flatMap { node in
                    (0..<3).map {
                        writingClient(port: node.port, prefix: "\(round):\(node.name):\($0)")
                    }
                }
                usleep(700_000)
                for node in cluster.nodes { node.signal(SIGKILL) }
                for node in cluster.nodes { node.kill() }
                let acknowledged = writers.flatMap { $0.stopAndJoin() }
                record("acknowledged before the kill of all", "\(acknowledged.count)")
                #expect(acknowledged.count > 50)
                try cluster.start()
                for node in cluster.nodes {
                    #expect(try missing(acknowledged, through: node) == [])
                }
            }
        }

        @Test func `all types survive a restart with their expiry`() throws {
            let cluster = try TestCluster.running()
            let client = try cluster.nodes[0].client()
            let writes = [
                "SET s value", "EXPIREAT s 4102444800", "RPUSH l a b c", "HSET h f 1 g 2",
                "SADD t 1 2 3",
                "ZADD z 1.5 a 2 b", "SELECT 3", "SET other 1",
            ]
            for write in writes {
                let reply = try client.call(
                    bytes: write.split(separator: " ").map { Array($0.utf8) })
                #expect(!reply.isError, "\(write): \(reply)")
            }
            for node in cluster.nodes { node.kill() }
            try cluster.start()
            let again = try cluster.nodes[1].client()
            #expect(try again.call("EXPIRETIME", "s") == .integer(4_102_444_800))
            #expect(
                try again.call("LRANGE", "l", "0", "-1")
                    == .array([.text("a"), .text("b"), .text("c")]))
            #expect(try again.call("HGET", "h", "g") == .text("2"))
            #expect(try again.call("SCARD", "t") == .integer(3))
            #expect(try again.call("ZSCORE", "z", "a") == .text("1.5"))
            #expect(try again.call("SELECT", "3") == .simple("OK"))
            #expect(try again.call("GET", "other") == .text("1"))
        }

        @Test func `a wiped node neither votes nor serves until it is taken in anew`() throws {
            let cluster = try TestCluster.running(directives: ["request-timeout 1000"])
            let client = try cluster.nodes[0].client()
            #expect(try client.call("SET", "kept", "1") == .simple("OK"))
            let wiped = cluster.nodes[2]
            wiped.kill()
            cluster.nodes[1].kill()
            try FileManager.default.removeItem(at: wiped.dataFolder)
            try FileManager.default.createDirectory(
                at: wiped.dataFolder, withIntermediateDirectories: true)
            try wiped.start()
            let says = eventually(within: .seconds(5)) {
                wiped.log.contains("it waits to be taken in under a new identity")
            }
            #expect(says, "\(wiped.log)")

            // It makes no majority with the one that is left, and serves nobody.
            #expect(try client.call("SET", "kept", "2").isError)
            let served = (try? wiped.client(timeout: .seconds(6)).call("GET", "kept")) ?? .error("")
            #expect(served.isError, "\(served)")

            // A majority of the members takes it in, and then it counts like any other.
            try cluster.nodes[1].start()
            let isBack = eventually(within: .seconds(20)) {
                guard wiped.log.contains("node-removed node=3 name=n3") else { return false }
                return try cluster.acceptsWrites(wiped)
            }
            #expect(isBack, "\(wiped.log)")
            cluster.nodes[1].kill()
            let serves = eventually(within: .seconds(10)) {
                try wiped.client().call("SET", "kept", "3") == .simple("OK")
            }
            #expect(serves, "\(wiped.log)")
        }
    }
}

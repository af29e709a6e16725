import Configuration
import Engine
import Testing

/// Three real engines: what clients of any node see.
@Suite struct ClusterTests {
    @Test func `three empty nodes form a cluster and serve through each of them`() throws {
        let cluster = try EngineCluster.formed()
        for node in 0..<3 {
            let client = try cluster.open(node)
            #expect(cluster.expect("+OK\r\n", to: "SET k\(node) v\(node)\r\n", client) == nil)
        }
        for node in 0..<3 {
            let client = try cluster.open(node)
            #expect(
                cluster.expect(
                    "$2\r\nv0\r\n$2\r\nv1\r\n$2\r\nv2\r\n",
                    to: "GET k0\r\nGET k1\r\nGET k2\r\n", client) == nil)
        }
        #expect(cluster.run(until: cluster.isConverged))
    }

    @Test(arguments: [true, false]) func `a pipeline of reads and writes takes effect in order`(
        lease: Bool
    ) throws {
        let cluster = try EngineCluster.formed { $0.readLease = lease }
        for node in 0..<3 {
            let client = try cluster.open(node)
            var sent = ""
            var expected = ""
            for number in 1...40 {
                sent += "INCR c\(node)\r\nGET c\(node)\r\n"
                expected += ":\(number)\r\n$\("\(number)".count)\r\n\(number)\r\n"
                if number % 7 == 0 {
                    sent += "PING\r\nTYPO\r\nEXISTS c\(node) c\(node)\r\n"
                    expected +=
                        "+PONG\r\n-ERR unknown command 'TYPO', with args beginning with: \r\n:2\r\n"
                }
            }
            #expect(cluster.expect(expected, to: sent, client, seconds: 60) == nil)
        }
    }
}

import Foundation
import Testing

extension ProcessTests {
    /// `printf 'SET a 1\\r\\nGET a\\r\\n' | nc -N host port`: the client closes its side right after its
    /// requests.
    @Suite struct InputEnd {
        @Test func `every request is answered through every node before the end`() throws {
            let cluster = try TestCluster.running()
            for node in cluster.nodes {
                for round in 0..<20 {
                    let client = try node.client()
                    try client.send(
                        Array("SET a \(round)\r\nGET a\r\nINCR a\r\nDBSIZE\r\nGET a\r\nGE".utf8))
                    client.endSending()
                    let replies = String(decoding: try client.untilClosed(), as: UTF8.self)
                    let (now, next) = ("\(round)", "\(round + 1)")
                    #expect(
                        replies == "+OK\r\n$\(now.count)\r\n\(now)\r\n:\(next)\r\n:1\r\n"
                            + "$\(next.count)\r\n\(next)\r\n")
                }
            }
        }

        @Test func `a long pipeline and a large value are answered whole`() throws {
            let cluster = try TestCluster.running()
            let node = try #require(cluster.followers().first)
            let client = try node.client()
            let count = 20_000
            try client.send(
                Array(
                    (0..<count).map { "SET key:\($0) \($0)\r\n" }.joined().utf8))
            client.endSending()
            let replies = try client.untilClosed()
            #expect(replies == Array(String(repeating: "+OK\r\n", count: count).utf8))

            let writer = try node.client()
            let value = [UInt8](repeating: 0x61, count: 8 << 20)
            try writer.send(
                writer.encoded([Array("SET".utf8), Array("big".utf8), value])
                    + writer.encoded([Array("GET".utf8), Array("big".utf8)]))
            writer.endSending()
            let answer = try writer.untilClosed()
            #expect(answer.count == 5 + 10 + value.count + 2)
            #expect(try node.client().call("DBSIZE") == .integer(count + 1))
        }
    }
}

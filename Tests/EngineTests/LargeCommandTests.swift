import Configuration
import Engine
import Testing

/// Commands that fit no frame, or nearly none.
@Suite struct LargeCommandTests {
    private static func text(_ count: Int, _ letter: String = "x") -> String {
        String(repeating: letter, count: count)
    }

    @Test(arguments: [1 << 20, 3 << 20]) func `a large value is set and read through every node`(
        size: Int
    ) throws {
        let cluster = try EngineCluster.formed()
        for node in 0..<3 {
            let value = Self.text(size, "\(node)")
            let client = try cluster.open(node)
            let sent = command("SET", "k\(node)", value) + command("STRLEN", "k\(node)")
            #expect(cluster.expect("+OK\r\n:\(size)\r\n", to: sent, client, seconds: 30) == nil)
            let reader = try cluster.open((node + 1) % 3)
            let expected = "$\(size)\r\n\(value)\r\n"
            let isRead =
                cluster.expect(expected, to: command("GET", "k\(node)"), reader, seconds: 30) == nil
            #expect(isRead)
        }
        #expect(cluster.run(until: cluster.isConverged))
    }

    /// From well below to well above all limits, around each of them.
    static let sizes =
        [30 << 10, 32 << 10, 40 << 10, 48 << 10, 60 << 10, 64 << 10, 70 << 10, 130 << 10]
        .flatMap { [$0 - 40, $0, $0 + 40] }

    @Test func `keys of every size are written and read through leader and follower`() throws {
        let cluster = try EngineCluster.formed()
        for node in [cluster.leader()!, cluster.follower()] {
            let client = try cluster.open(node)
            for size in Self.sizes {
                let key = Self.text(size, "k")
                let sent = command("SET", key, "v") + command("GET", key) + command("DEL", key)
                let got = cluster.expect("+OK\r\n$1\r\nv\r\n:1\r\n", to: sent, client)
                #expect(got == nil, "node \(node), \(size) bytes")
            }
        }
    }

    @Test func `many small arguments are as large as one large one`() throws {
        let cluster = try EngineCluster.formed()
        for node in [cluster.leader()!, cluster.follower()] {
            let client = try cluster.open(node)
            for count in [10_000, 16_000, 20_000, 31_000, 40_000] {
                for argument in ["", "x"] {
                    let length = "$\(argument.utf8.count)\r\n\(argument)\r\n"
                    let rest = String(repeating: length, count: count)
                    let sent =
                        "*\(count + 2)\r\n$5\r\nRPUSH\r\n$1\r\nl\r\n" + rest
                        + "*\(count + 1)\r\n$6\r\nEXISTS\r\n" + rest + command("DEL", "l")
                    let got = cluster.expect(
                        ":\(count)\r\n:0\r\n:1\r\n", to: sent, client, seconds: 20)
                    #expect(got == nil, "node \(node), \(count) arguments")
                }
            }
        }
    }

    @Test func `a large inline command is executed on all replicas`() throws {
        let cluster = try EngineCluster.formed()
        for node in [cluster.leader()!, cluster.follower()] {
            let client = try cluster.open(node)
            let value = Self.text(50_000)
            #expect(
                cluster.expect("+OK\r\n:50000\r\n", to: "SET k \(value)\r\nSTRLEN k\r\n", client)
                    == nil)
        }
        #expect(cluster.run(until: cluster.isConverged))
    }

    @Test func `a command for all groups has a size limit`() throws {
        let cluster = try EngineCluster.formed(groups: 4)
        let client = try cluster.open(cluster.follower())
        let answer = cluster.ask(command("KEYS", Self.text(70_000)) + command("PING"), client)
        #expect(
            answer == "-ERR the command is too large to be asked of every group\r\n+PONG\r\n")
    }

    @Test func `other clients are served while a large command travels`() throws {
        let cluster = try EngineCluster.formed()
        let follower = cluster.follower()
        let large = try cluster.open(follower)
        let small = try cluster.open(follower)
        cluster.send(command("SET", "big", Self.text(8 << 20)), large)
        var answered = 0
        for _ in 0..<20 where cluster.output(large).isEmpty {
            guard
                cluster.expect("+OK\r\n", to: command("SET", "s", "v"), small, seconds: 0.1) == nil
            else { break }
            answered += 1
        }
        #expect(answered >= 3)
    }

    @Test func `a large reply comes whole through a follower, and those behind it in order`() throws
    {
        let cluster = try EngineCluster.formed()
        let client = try cluster.open(cluster.follower())
        let value = Self.text(300_000)
        #expect(cluster.expect("+OK\r\n", to: command("SET", "k", value), client) == nil)
        let sent = String(repeating: command("GET", "k") + command("STRLEN", "k"), count: 3)
        let one = "$300000\r\n\(value)\r\n:300000\r\n"
        let got = cluster.expect(one + one + one, to: sent, client)
        #expect(got == nil)
        // The same for replies to logged commands.
        let moved = cluster.expect(
            "$300000\r\n\(value)\r\n+OK\r\n",
            to: command("GETSET", "k", "a") + command("SET", "k", "b"), client)
        #expect(moved == nil)
    }

    @Test func `a large command of a client that is gone leaves nothing behind`() throws {
        let cluster = try EngineCluster.formed()
        let node = cluster.follower()
        let client = try cluster.open(node)
        cluster.send(command("SET", "big", Self.text(3 << 20)), client)
        cluster.run(milliseconds: 20)
        cluster.nodes[node].process?.engine.close(client.session)
        cluster.run(milliseconds: 2000)
        let other = try cluster.open(node)
        #expect(cluster.expect(":\(3 << 20)\r\n", to: command("STRLEN", "big"), other) == nil)
        #expect(cluster.run(until: cluster.isConverged))
    }

    @Test func `a large command survives the death of the leader`() throws {
        let cluster = try EngineCluster.formed()
        let leader = cluster.leader()!
        let node = cluster.follower()
        let client = try cluster.open(node)
        cluster.send(command("RPUSH", "l", Self.text(6 << 20)) + command("LLEN", "l"), client)
        cluster.run(milliseconds: 20)
        cluster.stop(leader)
        var answer = ""
        cluster.run(seconds: 10) {
            answer += cluster.output(client)
            return answer.utf8.count >= 8
        }
        #expect(answer == ":1\r\n:1\r\n")
    }
}

import Bytes
import Configuration
import Engine
import Raft
import Testing

/// SKEIN.ONCE: the answer of a repeated request is the first answer, whatever happened in between.
@Suite struct OnceTests {
    private static let expired =
        "-ONCEEXPIRED The session is unknown or has expired, the command was not executed\r\n"
    private static let behind =
        "-ONCEEXPIRED The sequence is behind the window of its session, the command was not executed\r\n"

    /// The id in the answer to SKEIN.SESSION OPEN.
    private func id(_ reply: String) throws -> String {
        let lines = reply.split(separator: "\r\n")
        try #require(lines.count == 2 && lines[0].hasPrefix("$"), "\(reply)")
        return String(lines[1])
    }

    private func open(_ cluster: EngineCluster, _ client: EngineCluster.Client, _ more: String = "")
        throws -> String
    {
        try id(cluster.ask("SKEIN.SESSION OPEN\(more)\r\n", client, milliseconds: 200))
    }

    @Test func `a repeated request gets the first answer and changes nothing`() throws {
        let node = try SingleNode()
        let client = try node.open()
        let session = try id(node.ask("SKEIN.SESSION OPEN\r\n", client))
        #expect(node.ask("SKEIN.ONCE \(session) 1 INCR c\r\n", client) == ":1\r\n")
        #expect(node.ask("INCR c\r\n", client) == ":2\r\n")
        #expect(node.ask("SKEIN.ONCE \(session) 1 INCR c\r\n", client) == ":1\r\n")
        #expect(node.ask("skein.once \(session) 2 rpush l a b\r\n", client) == ":2\r\n")
        #expect(
            node.ask(
                "SKEIN.ONCE \(session) 3 GET c\r\nINCR c\r\nSKEIN.ONCE \(session) 3 GET c\r\n",
                client) == "$1\r\n2\r\n:3\r\n$1\r\n2\r\n")
        // An error is an answer.
        #expect(
            node.ask("SKEIN.ONCE \(session) 4 INCR l\r\nDEL l\r\n", client)
                == "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n:1\r\n")
        #expect(
            node.ask("SKEIN.ONCE \(session) 4 INCR l\r\n", client)
                == "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n")
        #expect(
            node.ask("SKEIN.ONCE \(session) 1 INCR d\r\n", client)
                == "-ONCEMISMATCH The sequence belongs to another command, this one was not executed\r\n"
        )
        let info = node.ask("INFO once\r\n", client)
        #expect(info.contains("once_sessions:1\r\n"))
        #expect(info.contains("once_repeated_requests:3\r\n"))
        #expect(info.contains("once_refused_requests:1\r\n"))
    }

    @Test func `what can not be executed once is refused clearly`() throws {
        let node = try SingleNode()
        let client = try node.open()
        let session = try id(node.ask("SKEIN.SESSION OPEN WINDOW 2\r\n", client))
        func once(_ text: String) -> String {
            node.ask("SKEIN.ONCE \(session) \(text)\r\n", client)
        }
        let sequence = "-ERR The sequence must be an integer from 1 to 4611686018427387903\r\n"
        for odd in ["0", "-1", "x", "01", "4611686018427387904", "99999999999999999999"] {
            #expect(once("\(odd) INCR c") == sequence)
        }
        for name in ["PING", "INFO", "KEYS *", "FLUSHALL", "DBSIZE", "MULTI", "SELECT 1", "SCAN 0"]
        {
            let word = name.split(separator: " ")[0].lowercased()
            #expect(once("1 \(name)") == "-ERR SKEIN.ONCE can not carry '\(word)'\r\n")
        }
        #expect(
            once("1 SKEIN.ONCE \(session) 2 INCR c")
                == "-ERR SKEIN.ONCE can not carry 'skein.once'\r\n")
        #expect(once("1 EXEC") == "-ERR EXEC without MULTI\r\n")
        #expect(once("1 GET") == "-ERR wrong number of arguments for 'get' command\r\n")
        #expect(once("1 FOO a").hasPrefix("-ERR unknown command 'FOO'"))
        #expect(once("1") == "-ERR wrong number of arguments for 'skein.once' command\r\n")
        #expect(node.ask("SKEIN.ONCE nobody 1 INCR c\r\n", client) == Self.expired)
        let long = String(repeating: "1", count: 65)
        #expect(node.ask("SKEIN.ONCE \(long) 1 INCR c\r\n", client) == Self.expired)
        for odd in ["OPEN WINDOW", "OPEN WINDOW 0", "OPEN WINDOW 1025", "OPEN x 1", "OPEN 1"] {
            #expect(node.ask("SKEIN.SESSION \(odd)\r\n", client).hasPrefix("-ERR syntax error"))
        }
        #expect(once("3 INCR c") == ":1\r\n")
        #expect(once("1 INCR c") == Self.behind)
        #expect(once("2 INCR c") == ":2\r\n")
        #expect(node.ask("GET c\r\n", client) == "$1\r\n2\r\n")
        #expect(
            node.ask("COMMAND GETKEYS SKEIN.ONCE s 1 MSET a 1 b 2\r\n", client)
                == "*2\r\n$1\r\na\r\n$1\r\nb\r\n")
        #expect(
            node.ask("COMMAND INFO skein.once\r\n", client)
                == "*1\r\n*10\r\n$10\r\nskein.once\r\n:-4\r\n*3\r\n+write\r\n+denyoom\r\n+movablekeys\r\n"
                + ":0\r\n:0\r\n:0\r\n*0\r\n*0\r\n*0\r\n*0\r\n")
    }

    @Test func `a transaction takes effect once`() throws {
        let cluster = try EngineCluster.formed()
        let client = try cluster.open(cluster.follower())
        let other = try cluster.open(cluster.leader()!)
        let session = try open(cluster, client)
        let transfer = "MULTI\r\nDECRBY {t}a 5\r\nINCRBY {t}b 5\r\nSKEIN.ONCE \(session) 1 EXEC\r\n"
        let answer = "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:-5\r\n:5\r\n"
        #expect(cluster.expect(answer, to: transfer, client) == nil)
        #expect(cluster.expect(answer, to: transfer, other) == nil)
        #expect(cluster.expect("$1\r\n5\r\n", to: "GET {t}b\r\n", client) == nil)
        #expect(
            cluster.expect(
                "+OK\r\n-ERR SKEIN.ONCE is not allowed inside a transaction, end it with SKEIN.ONCE session sequence EXEC\r\n-EXECABORT Transaction discarded because of previous errors.\r\n",
                to: "MULTI\r\nSKEIN.ONCE \(session) 2 INCR x\r\nEXEC\r\n", client) == nil)
        // One that is too large for an entry.
        let value = String(repeating: "v", count: 60_000)
        let large =
            "MULTI\r\nSET {t}big \(value)\r\nINCR {t}n\r\nSKEIN.ONCE \(session) 2 EXEC\r\n"
        let largeAnswer = "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:1\r\n"
        for client in [client, other] {
            #expect(cluster.expect(largeAnswer, to: large, client) == nil)
        }
        #expect(cluster.run(until: cluster.isConverged))
    }

    @Test func `an answer outlives the leader, every process and the log`() throws {
        let cluster = try EngineCluster.formed { $0.walMaxSize = 96 << 10 }
        let follower = cluster.follower()
        let client = try cluster.open(follower)
        let session = try open(cluster, client)
        let request = "SKEIN.ONCE \(session) 7 INCR c\r\n"
        #expect(cluster.expect(":1\r\n", to: request, client) == nil)
        // Another leader.
        let leader = cluster.leader()!
        cluster.stop(leader)
        #expect(cluster.run { cluster.leader() != nil && cluster.leader() != leader })
        #expect(cluster.expect(":1\r\n", to: request, client) == nil)
        // The node that the client talked to is gone, too.
        try cluster.start(leader)
        #expect(cluster.run { cluster.isServing() })
        cluster.stop(follower)
        let there = try cluster.open(leader)
        #expect(cluster.expect(":1\r\n", to: request, there) == nil)
        // All start again from their logs.
        for node in 0..<3 where cluster.nodes[node].process != nil { cluster.stop(node) }
        for node in 0..<3 { try cluster.start(node) }
        #expect(cluster.run { cluster.isServing() })
        let again = try cluster.open(follower)
        #expect(cluster.expect(":1\r\n", to: request, again) == nil)
        // And from snapshots, the log before them being gone.
        try SnapshotTests.fill(cluster, 0, 0..<500)
        #expect(
            cluster.run { (0..<3).allSatisfy { (cluster.replica($0)?.firstIndex ?? 0) > 100 } })
        for node in 0..<3 { cluster.stop(node) }
        for node in 0..<3 { try cluster.start(node) }
        #expect(cluster.run { cluster.isServing() })
        let last = try cluster.open(1)
        #expect(cluster.expect(":1\r\n", to: request, last) == nil)
        #expect(cluster.expect(":2\r\n", to: "SKEIN.ONCE \(session) 8 INCR c\r\n", last) == nil)
        #expect(cluster.run(until: cluster.isConverged))
    }

    @Test func `a session goes to many groups, each of which keeps its own answers`() throws {
        let cluster = try EngineCluster.formed(groups: 4)
        let clients = try (0..<3).map { try cluster.open($0) }
        let session = try open(cluster, clients[1], " WINDOW 1024")
        for (number, key) in ["a", "b", "c", "d", "e", "f", "g", "h"].enumerated() {
            for client in clients {
                let reply = cluster.expect(
                    ":1\r\n", to: "SKEIN.ONCE \(session) \(number + 1) INCR \(key)\r\n", client)
                #expect(reply == nil)
            }
        }
        #expect(
            cluster.expect(
                "-CROSSSLOT Keys in request don't hash to the same slot\r\n",
                to: "SKEIN.ONCE \(session) 9 MSET a 1 b 2 c 3 d 4\r\n", clients[0]) == nil)
        #expect(cluster.run(until: cluster.isConverged))
    }

    @Test func `sessions beyond the limit go, and their late requests are not executed`() throws {
        let cluster = try EngineCluster.formed { $0.onceMaxSize = 64 << 10 }
        let client = try cluster.open(cluster.follower())
        let first = try open(cluster, client)
        #expect(cluster.expect(":1\r\n", to: "SKEIN.ONCE \(first) 1 INCR c\r\n", client) == nil)
        for _ in 0..<300 {
            let session = try id(
                {
                    cluster.send("SKEIN.SESSION OPEN\r\n", client)
                    var reply = ""
                    cluster.run(seconds: 5) {
                        reply += cluster.output(client)
                        return reply.hasSuffix("\r\n") && reply.contains("-")
                    }
                    return reply
                }())
            #expect(
                cluster.expect("+OK\r\n", to: "SKEIN.ONCE \(session) 1 SET k v\r\n", client) == nil)
        }
        #expect(cluster.expect(Self.expired, to: "SKEIN.ONCE \(first) 1 INCR c\r\n", client) == nil)
        #expect(cluster.expect("$1\r\n1\r\n", to: "GET c\r\n", client) == nil)
        let info = cluster.ask("INFO once\r\n", client)
        #expect(!info.contains("once_evicted_sessions:0\r\n"))
        #expect(cluster.run(until: cluster.isConverged))
    }

    @Test func `a session goes by log time, with whatever limits the leader has`() throws {
        let cluster = try EngineCluster.formed {
            $0.onceTimeout = .milliseconds(2000)
            $0.clusterPort = 17000
        }
        let client = try cluster.open(0)
        let session = try open(cluster, client)
        let request = "SKEIN.ONCE \(session) 1 INCR c\r\n"
        #expect(cluster.expect(":1\r\n", to: request, client) == nil)
        cluster.run(milliseconds: 1500)
        #expect(cluster.expect(":1\r\n", to: request, client) == nil)
        cluster.run(milliseconds: 1500)
        #expect(cluster.expect(":1\r\n", to: request, client) == nil)
        cluster.run(milliseconds: 2500)
        #expect(cluster.expect(Self.expired, to: request, client) == nil)
        #expect(cluster.expect("$1\r\n1\r\n", to: "GET c\r\n", client) == nil)
        // A leader's directive holds from its entry on.
        for node in 0..<3 {
            let client = try cluster.open(node)
            #expect(
                cluster.expect("+OK\r\n", to: "CONFIG SET once-timeout 600000\r\n", client) == nil)
        }
        cluster.run(milliseconds: 100)
        let longer = try open(cluster, client)
        #expect(cluster.expect(":2\r\n", to: "SKEIN.ONCE \(longer) 1 INCR c\r\n", client) == nil)
        cluster.run(milliseconds: 10_000)
        #expect(cluster.expect(":2\r\n", to: "SKEIN.ONCE \(longer) 1 INCR c\r\n", client) == nil)
        #expect(cluster.run(until: cluster.isConverged))
    }

    @Test func `large commands and large answers`() throws {
        let cluster = try EngineCluster.formed()
        let client = try cluster.open(cluster.follower())
        let session = try open(cluster, client)
        let value = String(repeating: "v", count: 100_000)
        let append = command("SKEIN.ONCE", session, "1", "APPEND", "big", value)
        #expect(cluster.expect(":100000\r\n", to: append, client) == nil)
        #expect(cluster.expect(":100000\r\n", to: append, client) == nil)
        let get = "SKEIN.ONCE \(session) 2 GET big\r\n"
        #expect(cluster.expect("$100000\r\n\(value)\r\n", to: get, client) == nil)
        #expect(
            cluster.expect(
                "-ONCEDONE The command was executed before, its answer was too large to be kept\r\n",
                to: get, client) == nil)
        #expect(cluster.run(until: cluster.isConverged))
    }

    @Test func `a refusal for want of memory is no answer`() throws {
        let node = try SingleNode()
        let client = try node.open()
        let session = try id(node.ask("SKEIN.SESSION OPEN\r\n", client))
        #expect(node.ask("SKEIN.ONCE \(session) 1 INCR c\r\n", client) == ":1\r\n")
        #expect(node.ask("CONFIG SET maxmemory 1\r\n", client) == "+OK\r\n")
        let refused = "-OOM command not allowed when used memory > 'maxmemory'.\r\n"
        #expect(node.ask("SKEIN.ONCE \(session) 2 INCR c\r\n", client) == refused)
        // What was executed before is answered as before.
        #expect(node.ask("SKEIN.ONCE \(session) 1 INCR c\r\n", client) == ":1\r\n")
        #expect(node.ask("SKEIN.ONCE \(session) 3 DEL x\r\n", client) == ":0\r\n")
        #expect(node.ask("CONFIG SET maxmemory 0\r\n", client) == "+OK\r\n")
        #expect(node.ask("SKEIN.ONCE \(session) 2 INCR c\r\n", client) == ":2\r\n")
    }

    @Test func `copies of one request through all nodes at once take effect once`() throws {
        let cluster = try EngineCluster.formed()
        let clients = try (0..<3).map { try cluster.open($0) }
        let session = try open(cluster, clients[0])
        for number in 1...40 {
            for client in clients {
                cluster.send("SKEIN.ONCE \(session) \(number) INCR c\r\n", client)
            }
            if number == 20 { cluster.breakWires(0, 1) }
            cluster.step()
        }
        for client in clients {
            let expected = (1...40).map { ":\($0)\r\n" }.joined()
            var answer = ""
            cluster.run(seconds: 10) {
                answer += cluster.output(client)
                return answer.utf8.count >= expected.utf8.count
            }
            #expect(answer == expected)
        }
        #expect(cluster.run(until: cluster.isConverged))
    }
}

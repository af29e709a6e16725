import Bytes
import Configuration
import Engine
import Testing

/// A client that closes its side after its requests (`nc -N`) gets all answers before the connection
/// ends.
@Suite struct InputEndTests {
    /// Whether the host was told to close the session, in a turn after which nothing is left to say.
    private func isClosed(_ node: SingleNode, _ session: SessionID) -> Bool {
        node.engine.outbox.sessionsToClose.contains(session)
    }

    @Test func `writes under way and what is behind them are answered first`() throws {
        let node = try SingleNode()
        let client = try node.open()
        node.isDiskFast = false
        node.send("SET a 1\r\nGET a\r\nINCR a\r\nPING\r\n", client)
        node.engine.inputEnded(client, now: node.now)
        for _ in 0..<20 { node.turn() }
        #expect(node.output(client) == "")
        #expect(!isClosed(node, client))
        node.isDiskFast = true
        var reply = ""
        for _ in 0..<20 where !isClosed(node, client) {
            node.makeDurable()
            node.turn()
            reply += node.output(client)
        }
        #expect(reply == "+OK\r\n$1\r\n1\r\n:2\r\n+PONG\r\n")
        node.turn()
        #expect(isClosed(node, client))
    }

    @Test(arguments: ["", "GET a", "*2\r\n$3\r\nGET\r\n$100\r\nabc", "MULTI\r\nSET a 1\r\n"])
    func `what will never be whole is not waited for`(text: String) throws {
        let node = try SingleNode()
        let client = try node.open()
        node.send(text, client)
        node.engine.inputEnded(client, now: node.now)
        node.engine.inputEnded(client, now: node.now)
        for _ in 0..<3 {
            node.turn()
            _ = node.output(client)
        }
        #expect(isClosed(node, client))
    }

    @Test func `a client that reads slowly gets everything, too`() throws {
        let node = try SingleNode()
        let client = try node.open()
        let value = String(repeating: "v", count: 100_000)
        #expect(node.ask(command("SET", "a", value), client) == "+OK\r\n")
        let count = 100
        node.send(String(repeating: "GET a\r\n", count: count), client)
        node.engine.inputEnded(client, now: node.now)
        // The host takes everything, and its socket takes some of it now and then.
        var (queued, seen) = (0, 0)
        for _ in 0..<10_000 where !isClosed(node, client) {
            queued += node.engine.takeOutput(of: client).count
            let taken = min(queued, 50_000)
            queued -= taken
            seen += taken
            node.engine.outputQueued(queued, for: client, now: node.now)
            node.turn()
        }
        #expect(queued == 0)
        #expect(seen == count * (value.utf8.count + 11))
        #expect(isClosed(node, client))
    }

    @Test func `answers that nobody wants are no reason to stay`() throws {
        let node = try SingleNode()
        let client = try node.open()
        _ = node.ask("SET a 1\r\n", client)
        node.send("CLIENT REPLY OFF\r\nGET a\r\nINCR a\r\n", client)
        node.engine.inputEnded(client, now: node.now)
        for _ in 0..<5 { node.turn() }
        #expect(isClosed(node, client))
        #expect(node.ask("GET a\r\n", try node.open()) == "$1\r\n2\r\n")
    }

    @Test(arguments: [true, false]) func `a forwarded pipeline is answered whole`(lease: Bool)
        throws
    {
        let cluster = try EngineCluster.formed { $0.readLease = lease }
        let follower = cluster.follower()
        let client = try cluster.open(follower)
        let large = String(repeating: "x", count: 200_000)
        cluster.send(
            command("SET", "big", large) + "DBSIZE\r\nMULTI\r\nINCR n\r\nEXEC\r\nSTRLEN big\r\n",
            client)
        cluster.nodes[follower].process!.engine.inputEnded(client.session, now: cluster.now)
        var reply = ""
        cluster.run(seconds: 10) {
            reply += cluster.output(client)
            return cluster.isClosed(client)
        }
        #expect(reply == "+OK\r\n:1\r\n+OK\r\n+QUEUED\r\n*1\r\n:1\r\n:200000\r\n")
    }

    @Test func `without a leader the client learns it and is let go`() throws {
        let cluster = try EngineCluster.formed { $0.requestTimeout = .milliseconds(300) }
        let follower = cluster.follower()
        cluster.isolate(follower)
        cluster.run(milliseconds: 1000)
        let client = try cluster.open(follower)
        cluster.send("SET a 1\r\n", client)
        cluster.nodes[follower].process!.engine.inputEnded(client.session, now: cluster.now)
        var reply = ""
        cluster.run(seconds: 5) {
            reply += cluster.output(client)
            return cluster.isClosed(client)
        }
        #expect(reply.hasPrefix("-CLUSTERDOWN") || reply.hasPrefix("-UNCERTAIN"))
        #expect(cluster.isClosed(client))
    }
}

import Bytes
import Configuration
import Engine
import Testing

/// What the engine itself answers: CLIENT, CONFIG, HELLO, COMMAND, INFO and the like.
@Suite struct NodeCommandTests {
    @Test func `hello tells about the server in the asked version`() throws {
        let node = try SingleNode()
        let client = try node.open()
        let two = node.ask("HELLO\r\n", client)
        #expect(two.hasPrefix("*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n"))
        #expect(two.contains("$5\r\nproto\r\n:2\r\n"))
        let three = node.ask("HELLO 3 SETNAME me\r\n", client)
        #expect(three.hasPrefix("%7\r\n$6\r\nserver\r\n"))
        #expect(three.contains("$5\r\nproto\r\n:3\r\n"))
        #expect(node.ask("CLIENT GETNAME\r\nGET none\r\n", client) == "$2\r\nme\r\n_\r\n")
        #expect(node.ask("HELLO 2\r\nGET none\r\n", client).hasSuffix("$-1\r\n"))
    }

    @Test(arguments: [
        ("HELLO 4", "-NOPROTO unsupported protocol version"),
        ("HELLO x", "-ERR Protocol version is not an integer or out of range"),
        ("HELLO 3 NO", "-ERR Syntax error in HELLO option 'no'"),
        (
            "HELLO 3 AUTH me x",
            "-WRONGPASS invalid username-password pair or user is disabled."
        ),
        (
            "HELLO 3 SETNAME 'a b'",
            "-ERR Client names cannot contain spaces, newlines or special characters."
        ),
    ]) func `a wrong hello changes nothing`(text: String, error: String) throws {
        let node = try SingleNode()
        let client = try node.open()
        // The option's name comes back as it was written.
        let written = error.replacing("'no'", with: "'NO'")
        #expect(node.ask("\(text)\r\nGET none\r\n", client) == "\(written)\r\n$-1\r\n")
    }

    @Test(arguments: [
        ("SELECT 15", "+OK"), ("SELECT 16", "-ERR DB index is out of range"),
        ("SELECT -1", "-ERR DB index is out of range"),
        ("SELECT x", "-ERR value is not an integer or out of range"),
        ("ECHO hi", "$2\r\nhi"), ("PING hi", "$2\r\nhi"),
        ("PING a b", "-ERR wrong number of arguments for 'ping' command"),
        ("CLIENT ID", ":1"), ("CLIENT GETNAME", "$-1"),
        ("CLIENT SETNAME me", "+OK"),
        ("CLIENT NO-EVICT on", "+OK"), ("CLIENT NO-EVICT x", "-ERR syntax error"),
        ("CLIENT KILL 1.2.3.4:5", "-ERR No such client"), ("CLIENT KILL ID 77", ":0"),
        ("CLIENT KILL ID x", "-ERR client-id should be greater than 0"),
        ("CLIENT SETINFO LIB-NAME lib", "+OK"),
        ("CLIENT REPLY ON", "+OK"), ("CLIENT REPLY x", "-ERR syntax error"),
        ("CONFIG RESETSTAT", "+OK"),
        ("CONFIG GET maxclients", "*2\r\n$10\r\nmaxclients\r\n$5\r\n10000"),
        ("COMMAND COUNT x", "-ERR wrong number of arguments for 'command|count' command"),
        ("COMMAND GETKEYS MSET a 1 b 2", "*2\r\n$1\r\na\r\n$1\r\nb"),
        ("COMMAND INFO nope", "*1\r\n$-1"),
        (
            "AUTH x",
            "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"
        ),
        ("AUTH default x", "+OK"),
        ("RESET", "+RESET"), ("QUIT", "+OK"),
        ("DEBUG SLEEP 0", "+OK"),
    ]) func `a node command is answered as redis answers`(text: String, reply: String) throws {
        let node = try SingleNode()
        let client = try node.open()
        #expect(node.ask("\(text)\r\n", client) == "\(reply)\r\n")
    }

    @Test func `info, client list and lists of commands are verbatim in RESP3`() throws {
        let node = try SingleNode()
        let client = try node.open()
        for section in [
            "", "server", "clients", "memory", "stats", "replication", "keyspace", "raft", "all",
        ] {
            let text = node.ask("INFO \(section)\r\n", client)
            #expect(text.hasPrefix("$"))
        }
        #expect(node.ask("INFO replication\r\n", client).contains("\r\nrole:master\r\n"))
        #expect(node.ask("INFO nope\r\n", client) == "$0\r\n\r\n")
        _ = node.ask("HELLO 3\r\n", client)
        #expect(node.ask("INFO server\r\n", client).hasPrefix("="))
        let list = node.ask("CLIENT LIST\r\n", client)
        #expect(list.hasPrefix("=") && list.contains("txt:id=1 addr=t:1 laddr=t:2 fd=3 name= age="))
        #expect(node.ask("CONFIG GET port\r\n", client).hasPrefix("%1\r\n"))
        #expect(node.ask("COMMAND DOCS\r\n", client) == "%0\r\n")
    }

    @Test func `client list names the last command of each client`() throws {
        let node = try SingleNode()
        let client = try node.open()
        let other = try node.open()
        _ = node.ask("SET a 1\r\nGET a\r\n", other)
        let list = node.ask("CLIENT LIST ID 2\r\n", client)
        #expect(list.contains(" cmd=get "))
        #expect(node.ask("CLIENT INFO\r\n", client).contains(" cmd=client|info "))
    }

    // MARK: CLIENT REPLY

    @Test func `client reply off and skip are kept within a pipeline`() throws {
        for lease in [true, false] {
            var configuration = Configuration()
            configuration.readLease = lease
            let node = try SingleNode(configuration)
            let client = try node.open()
            #expect(
                node.ask(
                    "CLIENT REPLY OFF\r\nSET a 1\r\nGET a\r\nPING\r\nTYPO\r\nDBSIZE\r\nCLIENT REPLY ON\r\nGET a\r\n",
                    client) == "+OK\r\n$1\r\n1\r\n")
            #expect(
                node.ask("CLIENT REPLY SKIP\r\nGET a\r\nGET a\r\nINCR a\r\n", client)
                    == "$1\r\n1\r\n:2\r\n")
            #expect(
                node.ask("CLIENT REPLY SKIP\r\nINCR a\r\nINCR a\r\n", client) == ":4\r\n")
            #expect(node.ask("CLIENT REPLY SKIP\r\nPING\r\nPING\r\n", client) == "+PONG\r\n")
            #expect(
                node.ask("CLIENT REPLY SKIP\r\nDBSIZE\r\nDBSIZE\r\n", client) == ":1\r\n")
            #expect(
                node.ask("CLIENT REPLY SKIP\r\nHELLO 2 AUTH no no\r\nPING\r\n", client)
                    == "+PONG\r\n")
            #expect(
                node.ask("CLIENT REPLY SKIP\r\nHELLO 2 AUTH default x\r\nPING\r\n", client)
                    == "+PONG\r\n")
            #expect(
                node.ask(
                    "CLIENT REPLY OFF\r\nCLIENT REPLY SKIP\r\nPING\r\nCLIENT REPLY ON\r\n", client)
                    == "+OK\r\n")
        }
    }

    // MARK: Input that ends a session

    @Test(arguments: [
        ("*1\r\n$x\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        ("*9999999999\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        ("*1\r\nPING\r\n", "-ERR Protocol error: expected '$', got 'P'\r\n"),
        ("SET \"a\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"),
        ("*2\r\n$3\r\nGET\r\n$629145600\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
    ]) func `a protocol error comes after the replies before it, then the session ends`(
        text: String, error: String
    ) throws {
        let node = try SingleNode()
        let client = try node.open()
        #expect(
            node.ask("SET a 1\r\nGET a\r\n" + text + "PING\r\n", client) == "+OK\r\n$1\r\n1\r\n"
                + error)
        #expect(node.engine.outbox.sessionsToClose.contains(client))
    }

    @Test func `input beyond the query buffer limit ends the session`() throws {
        var configuration = Configuration()
        configuration.clientQueryBufferLimit = 1 << 20
        let node = try SingleNode(configuration)
        let client = try node.open()
        node.send("*2\r\n$3\r\nGET\r\n$3000000\r\n", client)
        let piece = String(repeating: "x", count: 300_000)
        for _ in 0..<4 { node.send(piece, client) }
        node.endTurn()
        #expect(node.engine.outbox.sessionsToClose.contains(client))
        node.send("PING\r\n", client)
        node.turn()
        #expect(node.output(client) == "")
    }

    @Test func `connections beyond maxclients are refused until one ends`() throws {
        var configuration = Configuration()
        configuration.maxclients = 2
        let node = try SingleNode(configuration)
        let first = try node.open()
        _ = try node.open()
        #expect(throws: TestError.self) { try node.open() }
        node.engine.close(first)
        let again = try node.open()
        // The slot is used again, under another generation.
        #expect(again.index == first.index && again.generation != first.generation)
        node.send("PING\r\n", first)
        #expect(node.ask("CLIENT ID\r\n", again) == ":3\r\n")
        #expect(node.output(first) == "")
    }

    @Test func `a client that reads nothing is not executed on and on`() throws {
        let node = try SingleNode()
        let client = try node.open()
        let value = String(repeating: "v", count: 100_000)
        #expect(node.ask(command("SET", "a", value), client) == "+OK\r\n")
        node.send(String(repeating: "GET a\r\n", count: 100), client)
        for _ in 0..<20 { node.turn() }
        #expect(node.engine.output(of: client) < 2 << 20)
        var seen = 0
        for _ in 0..<200 {
            seen += node.output(client).utf8.count
            node.turn()
        }
        #expect(seen == 100 * (100_000 + 11))
    }

    @Test func `a client that is killed in the turn of its reads gets nothing more`() throws {
        let cluster = try EngineCluster.formed()
        let leader = cluster.leader()!
        let engine = cluster.nodes[leader].process!
        let victim = try cluster.open(leader)
        let killer = try cluster.open(leader)
        #expect(cluster.ask("SET a 1\r\n", victim) == "+OK\r\n")
        // Unsent output of an earlier turn, then provisional reads, then the end of the session, then
        // the end of the lease: all within one turn.
        engine.window[victim.session] = 0
        cluster.send("GET a\r\n", victim)
        cluster.step()
        cluster.send("GET a\r\nGET a\r\n", victim)
        cluster.send("CLIENT KILL ID 1\r\n", killer)
        cluster.now.boot = cluster.now.boot + .seconds(2)
        engine.engine.endTurn(now: cluster.now)
        #expect(engine.engine.output(of: victim.session) == 0)
        #expect(engine.engine.outbox.sessionsToClose.contains(victim.session))
    }
}

import Configuration
import Testing

@testable import Engine

@Suite struct TransactionTests {
    @Test func `queued commands take effect together at EXEC`() throws {
        let node = try SingleNode()
        let client = try node.open()
        let other = try node.open()
        #expect(
            node.ask("MULTI\r\nSET a 1\r\nINCR a\r\nGET a\r\nPING\r\n", client)
                == "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n")
        #expect(node.ask("GET a\r\n", other) == "$-1\r\n")
        #expect(
            node.ask("EXEC\r\nGET a\r\n", client)
                == "*4\r\n+OK\r\n:2\r\n$1\r\n2\r\n+PONG\r\n$1\r\n2\r\n")
    }

    @Test func `commands of a client that wants no replies are queued all the same`() throws {
        let node = try SingleNode()
        let client = try node.open()
        let sent = "CLIENT REPLY OFF\r\nMULTI\r\nSET a 1\r\nINCR a\r\nEXEC\r\nCLIENT REPLY ON\r\n"
        #expect(node.ask(sent + "GET a\r\n", client) == "+OK\r\n$1\r\n2\r\n")
    }

    @Test func `a transaction can be dropped, spoiled and misused`() throws {
        let node = try SingleNode()
        let client = try node.open()
        #expect(node.ask("EXEC\r\n", client) == "-ERR EXEC without MULTI\r\n")
        #expect(node.ask("DISCARD\r\n", client) == "-ERR DISCARD without MULTI\r\n")
        #expect(
            node.ask("MULTI\r\nMULTI\r\nSET a 1\r\nDISCARD\r\nGET a\r\n", client)
                == "+OK\r\n-ERR MULTI calls can not be nested\r\n+QUEUED\r\n+OK\r\n$-1\r\n")
        #expect(
            node.ask("MULTI\r\nSET a\r\nSET a 1\r\nEXEC\r\nGET a\r\n", client)
                == "+OK\r\n-ERR wrong number of arguments for 'set' command\r\n+QUEUED\r\n"
                + "-EXECABORT Transaction discarded because of previous errors.\r\n$-1\r\n")
        #expect(node.ask("MULTI\r\nEXEC\r\n", client) == "+OK\r\n*0\r\n")
        #expect(
            node.ask("MULTI\r\nSET a x\r\nINCR a\r\nEXEC\r\n", client)
                == "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n"
                + "-ERR value is not an integer or out of range\r\n")
    }

    @Test func `a command that makes a transaction too large spoils it`() throws {
        var configuration = Configuration()
        configuration.clientQueryBufferLimit = 1 << 20
        let node = try SingleNode(configuration)
        let client = try node.open()
        let value = String(repeating: "v", count: 700_000)
        #expect(
            node.ask("MULTI\r\n" + command("SET", "a", value) + command("SET", "b", value), client)
                == "+OK\r\n+QUEUED\r\n-ERR The transaction is too large\r\n")
        #expect(
            node.ask("EXEC\r\nEXISTS a b\r\n", client)
                == "-EXECABORT Transaction discarded because of previous errors.\r\n:0\r\n")
    }

    @Test func `what is larger than a command may be is refused, and nothing of it executed`()
        throws
    {
        var limits = NodeLimits()
        limits.largeCommandBytes = 200_000
        let node = try SingleNode(limits: limits)
        let client = try node.open()
        let value = { String(repeating: "v", count: $0) }
        #expect(node.ask(command("SET", "a", value(190_000)), client) == "+OK\r\n")
        #expect(
            node.ask(command("SET", "b", value(200_000)) + "PING\r\n", client)
                == "-ERR The command is too large\r\n+PONG\r\n")
        let half = value(98_000)
        let two = "MULTI\r\n" + command("SET", "c", half) + command("SET", "d", half)
        #expect(
            node.ask(two + "EXEC\r\n", client)
                == "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n+OK\r\n")
        #expect(
            node.ask(two + command("SET", "e", half) + "EXEC\r\n", client)
                == "+OK\r\n+QUEUED\r\n+QUEUED\r\n-ERR The transaction is too large\r\n"
                + "-EXECABORT Transaction discarded because of previous errors.\r\n")
        // Their bytes fit; with what is put around each when they travel they do not.
        let many = String(repeating: command("SET", "f", "1"), count: 5000)
        #expect(
            node.ask("MULTI\r\n" + many + "EXEC\r\nEXISTS b e f\r\n", client)
                == "+OK\r\n" + String(repeating: "+QUEUED\r\n", count: 5000)
                + "-EXECABORT Transaction discarded because of: it is too large\r\n:0\r\n")
    }

    @Test func `a transaction runs through a follower, also a large one`() throws {
        let cluster = try EngineCluster.formed(nodes: 3)
        let leader = cluster.leader()!
        let client = try cluster.open((leader + 1) % 3)
        #expect(
            cluster.ask("MULTI\r\nRPUSH l a b\r\nLRANGE l 0 -1\r\nEXEC\r\n", client)
                == "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:2\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n")
        let value = String(repeating: "v", count: 60_000)
        #expect(
            cluster.ask(
                "MULTI\r\nSET big \(value)\r\nSTRLEN big\r\nEXEC\r\n", client, milliseconds: 2000)
                == "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:60000\r\n")
    }

    @Test func `keys of several groups can not be in one transaction`() throws {
        var configuration = Configuration()
        configuration.initialGroups = 4
        let node = try SingleNode(configuration)
        let client = try node.open()
        #expect(
            node.ask("MULTI\r\nSET a 1\r\nSET b 1\r\nSET c 1\r\nSET d 1\r\nEXEC\r\n", client)
                .hasSuffix("-CROSSSLOT Keys in request don't hash to the same slot\r\n"))
        #expect(
            node.ask("MULTI\r\nSET {a}1 1\r\nSET {a}2 1\r\nEXEC\r\n", client)
                == "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n+OK\r\n")
    }
}

import Bytes
import Glibc
import Testing
import UV

@testable import Server

@Suite(.serialized) struct NodeHostTests {
    private func start(_ directory: TemporaryDirectory, _ directives: String = "") throws
        -> RunningNode
    {
        try RunningNode(directory, port: try RunningNode.freePort(), directives)
    }

    private func bulk(_ value: String) -> String { "$\(value.utf8.count)\r\n\(value)\r\n" }

    @Test func `a pipeline is answered in order and survives a restart`() throws {
        let directory = TemporaryDirectory()
        let node = try start(directory)
        let client = try node.client()
        #expect(
            client.ask(
                "PING\r\nSET a 1\r\nINCR a\r\nGET a\r\nECHO x\r\n",
                "+PONG\r\n+OK\r\n:2\r\n\(bulk("2"))\(bulk("x"))"))
        #expect(node.stop() == 0)
        let again = try start(directory)
        #expect(try again.client().ask("GET a\r\n", bulk("2")))
        #expect(again.stop() == 0)
    }

    @Test func `a directory in use, a port in use and a bad directory are refused`() throws {
        let directory = TemporaryDirectory()
        let node = try start(directory)
        let other = TemporaryDirectory()
        let inUse = #expect(throws: NodeStartError.self) { _ = try start(directory) }
        #expect(inUse?.description.contains("in use by process \(getpid())") == true)
        let port = #expect(throws: NodeStartError.self) {
            _ = try RunningNode(other, port: node.port)
        }
        #expect(
            port?.description.contains("127.0.0.1:\(node.port): address already in use") == true)
        #expect(throws: NodeStartError.self) { _ = try start(other, "dir /proc/nowhere") }
        #expect(try node.client().ask("PING\r\n", "+PONG\r\n"))
    }

    @Test func `a protocol error is answered and ends the connection`() throws {
        let node = try start(TemporaryDirectory())
        let client = try node.client()
        client.send("*1\r\n$nonsense\r\n")
        #expect(client.receiveAll() == "-ERR Protocol error: invalid bulk length\r\n")
        let quitter = try node.client()
        quitter.send("PING\r\nQUIT\r\nPING\r\n")
        #expect(quitter.receiveAll() == "+PONG\r\n+OK\r\n")
    }

    @Test func `a client that ends its side gets all its replies, then the connection ends`() throws
    {
        let node = try start(TemporaryDirectory())
        let client = try node.client()
        client.send("SET a 1\r\nGET a\r\nINCR a\r\nGET a")
        client.endSending()
        // The last request is not whole.
        #expect(client.receiveAll() == "+OK\r\n\(bulk("1")):2\r\n")
        let value = String(repeating: "v", count: 1_000_000)
        let count = 20
        let reader = try node.client()
        reader.send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n\(bulk(value))")
        reader.send(String(repeating: "GET k\r\n", count: count))
        reader.endSending()
        // Most of it waits in the node while nobody reads.
        SystemClock.sleep(.milliseconds(300))
        #expect(reader.receives("+OK\r\n"))
        let expected = Array(bulk(value).utf8)
        for _ in 0..<count { #expect(reader.receive(expected.count) == expected) }
        #expect(reader.receive(1) == [])
        let silent = try node.client()
        silent.endSending()
        #expect(silent.receiveAll() == "")
    }

    @Test func `one client too many is told so`() throws {
        let node = try start(TemporaryDirectory(), "maxclients 2")
        let clients = try (0..<2).map { _ in try node.client() }
        for client in clients { #expect(client.ask("PING\r\n", "+PONG\r\n")) }
        #expect(try node.client().receiveAll() == "-ERR max number of clients reached\r\n")
        #expect(clients[0].ask("PING\r\n", "+PONG\r\n"))
    }

    @Test func `a large value goes in and out whole`() throws {
        let node = try start(TemporaryDirectory())
        let client = try node.client()
        let value = [UInt8](repeating: 0x61, count: 8 << 20)
        client.send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$\(value.count)\r\n")
        client.send(value)
        client.send("\r\n")
        #expect(client.receives("+OK\r\n"))
        let other = try node.client()
        #expect(other.ask("GET k\r\n", "$\(value.count)\r\n"))
        #expect(other.receive(value.count) == value)
        #expect(other.receives("\r\n"))
    }

    @Test func `a client that does not read holds up nobody and gets everything later`() throws {
        let node = try start(TemporaryDirectory())
        let lazy = try node.client()
        let value = String(repeating: "v", count: 100_000)
        #expect(lazy.ask("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n\(bulk(value))", "+OK\r\n"))
        let count = 300
        lazy.send(String(repeating: "GET k\r\n", count: count))
        let other = try node.client()
        for _ in 0..<20 { #expect(other.ask("PING\r\n", "+PONG\r\n")) }
        let expected = Array(bulk(value).utf8)
        var isWhole = true
        for _ in 0..<count { isWhole = isWhole && lazy.receive(expected.count) == expected }
        #expect(isWhole)
    }

    @Test func `clients that vanish in every way leave the node serving`() throws {
        let node = try start(TemporaryDirectory())
        for i in 0..<300 {
            let client = try node.client()
            switch i % 4 {
            case 0: client.send("SET half")
            case 1: client.send("*2\r\n$100000000\r\nabc")
            case 2: client.send("GET a\r\nSET b 1\r\n")
            default: break
            }
            if i % 3 == 0 { client.reset() }
        }
        let client = try node.client()
        #expect(client.ask("SET a 1\r\n", "+OK\r\n"))
        client.send("INFO clients\r\n")
        let header = client.receive(1)
        #expect(header == Array("$".utf8))
    }

    @Test func `the loop that sleeps answers afterwards`() throws {
        let node = try start(TemporaryDirectory())
        let (sleeper, other) = (try node.client(), try node.client())
        #expect(other.ask("PING\r\n", "+PONG\r\n"))
        let start = bootInstant()
        sleeper.send("DEBUG SLEEP 0.3\r\n")
        SystemClock.sleep(.milliseconds(50))
        #expect(other.ask("PING\r\n", "+PONG\r\n"))
        #expect(bootInstant() - start >= .milliseconds(250))
        #expect(sleeper.receives("+OK\r\n"))
    }

    @Test func `three nodes serve as one, also when one leaves`() throws {
        let directories = (0..<3).map { _ in TemporaryDirectory() }
        let ports = try (0..<6).map { _ in try RunningNode.freePort() }
        let members = (0..<3).map { "n\($0 + 1)=127.0.0.1:\(ports[3 + $0])" }
        func start(_ i: Int) throws -> RunningNode {
            try RunningNode(
                directories[i], port: ports[i],
                """
                cluster-port \(ports[3 + i])
                node-name n\(i + 1)
                initial-cluster \(members.joined(separator: ","))
                """)
        }
        var nodes = try (0..<3).map(start)
        for i in 0..<3 { #expect(try nodes[i].client().ask("SET k\(i) v\(i)\r\n", "+OK\r\n")) }
        let all = "*3\r\n" + (0..<3).map { bulk("v\($0)") }.joined()
        for node in nodes { #expect(try node.client().ask("MGET k0 k1 k2\r\n", all)) }
        for leaver in 0..<3 {
            #expect(nodes[leaver].stop() == 0)
            let survivor = try nodes[(leaver + 1) % 3].client()
            #expect(survivor.ask("SET k\(leaver) w\r\nGET k\(leaver)\r\n", "+OK\r\n\(bulk("w"))"))
            nodes[leaver] = try start(leaver)
            #expect(try nodes[leaver].client().ask("GET k\(leaver)\r\n", bulk("w")))
        }
        for node in nodes { node.stop() }
    }
}

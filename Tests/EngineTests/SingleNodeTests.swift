import Engine
import Testing

@Suite struct SingleNodeTests {
    @Test func `writes and reads are answered in order`() throws {
        let node = try SingleNode()
        let session = try node.open()
        #expect(
            node.ask("SET a 1\r\nGET a\r\nINCR a\r\nGET a\r\nPING\r\n", session)
                == "+OK\r\n$1\r\n1\r\n:2\r\n$1\r\n2\r\n+PONG\r\n")
    }

    @Test func `a write is acknowledged only when it is durable`() throws {
        let node = try SingleNode()
        let session = try node.open()
        node.isDiskFast = false
        #expect(node.ask("SET a 1\r\n", session) == "")
        node.isDiskFast = true
        node.turn()
        #expect(node.output(session) == "+OK\r\n")
    }
}

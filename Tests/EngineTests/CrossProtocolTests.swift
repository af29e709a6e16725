import Engine
import Testing

/// Requests that a browser was made to send.
@Suite struct CrossProtocolTests {
    @Test(arguments: ["POST / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: x\r\n", "host: x\r\n"])
    func `a line of HTTP ends the session without a reply, before what follows is executed`(
        head: String
    ) throws {
        let node = try SingleNode()
        let client = try node.open()
        let other = try node.open()
        node.send(head + "SET a 1\r\n\r\n", client)
        node.endTurn()
        #expect(node.engine.outbox.sessionsToClose.contains(client))
        #expect(node.output(client) == "")
        #expect(node.lines.contains { $0.contains("reason=\"HTTP") })
        #expect(node.ask("GET a\r\n", other) == "$-1\r\n")
    }
}

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

    @Test func `applies a part of what became durable at once, and the rest in the next turns`()
        throws
    {
        let node = try SingleNode()
        let client = try node.open()
        node.isDiskFast = false
        let value = String(repeating: "v", count: 1000)
        // Keys of many slots, so that all groups have their part.
        for number in 0..<600 { node.send("SET key:\(number) \(value)\r\n", client) }
        for _ in 0..<3 { node.turn() }
        #expect(node.output(client).isEmpty)
        node.isDiskFast = true
        var answers = 0
        var turns = 0
        while answers < 600, turns < 100 {
            node.makeDurable()
            let now = node.output(client).utf8.count / 5
            #expect(now <= 65)
            if now > 0 { turns += 1 }
            answers += now
            if node.undurable.isEmpty, answers < 600 {
                let isLeft = node.engine.hasMoreWork
                #expect(isLeft)
                node.engine.tick(now: node.now)
                node.endTurn()
                let more = node.output(client).utf8.count / 5
                #expect(more <= 65)
                if more > 0 { turns += 1 }
                answers += more
            }
        }
        #expect(answers == 600)
        #expect(turns >= 9)
    }
}

import Bytes
import RESP
import Store
import Testing

@testable import Commands

/// Log time begins at 1,000,000 ms.
@Suite struct `Time` {
    let call = Runner()

    @Test func `of the entry decides when a key dies`() {
        #expect(call("SET", "a", "1", "PX", "1000") == "+OK\r\n")
        #expect(call("PTTL", "a") == ":1000\r\n")
        #expect(call("PEXPIRETIME", "a") == ":1001000\r\n")
        call.advance(999)
        #expect(call("GET", "a") == bulk("1"))
        #expect(call("TTL", "a") == ":0\r\n")
        call.advance(1)
        #expect(call("GET", "a") == "$-1\r\n")
        #expect(call("TTL", "a") == ":-2\r\n")
        #expect(call("EXISTS", "a") == ":0\r\n")
        // Nothing but a change removes it.
        #expect(call("DBSIZE") == ":1\r\n")
        #expect(call("INCR", "a") == ":1\r\n")
        #expect(call("TTL", "a") == ":-1\r\n")
    }

    @Test(arguments: [
        ["GET", "a"], ["MGET", "b", "a"], ["STRLEN", "a"], ["EXISTS", "b", "a"], ["TTL", "a"],
        ["TYPE", "a"], ["GETRANGE", "a", "0", "1"], ["OBJECT", "ENCODING", "a"], ["KEYS", "*"],
        ["SCAN", "0"], ["TOUCH", "a"], ["PEXPIRETIME", "a"], ["LRANGE", "a", "0", "1"],
        ["HGETALL", "a"],
    ])
    func `that the clock knows and the log does not makes a read wait`(_ command: [String]) {
        #expect(call("SET", "b", "1") == "+OK\r\n")
        #expect(call("SET", "a", "1", "PX", "1000") == "+OK\r\n")
        call.advanceClock(1000)
        #expect(call.run(command.map { Array($0.utf8) }) == "needs time")
        let written = call.context.reply.bytes.count
        #expect(written == 0)
        // The engine proposes a time entry and runs the read again.
        call.context.keyspace.logTime = call.context.clock
        #expect(call.run(command.map { Array($0.utf8) }) != "needs time")
    }

    @Test func `of a key nobody looks at delays no read`() {
        #expect(call("SET", "a", "1", "PX", "1000") == "+OK\r\n")
        #expect(call("SET", "b", "2") == "+OK\r\n")
        call.advanceClock(5000)
        #expect(call("GET", "b") == bulk("2"))
        #expect(call("DBSIZE") == ":2\r\n")
        #expect(call("KEYS", "b") == "*1\r\n" + bulk("b"))
    }

    @Test func `left is counted by the clock`() {
        #expect(call("SET", "a", "1", "EX", "10") == "+OK\r\n")
        call.advanceClock(2501)
        #expect(call("PTTL", "a") == ":7499\r\n")
        #expect(call("TTL", "a") == ":7\r\n")
    }

    @Test func `a change ignores the clock`() {
        #expect(call("SET", "a", "1", "PX", "1000") == "+OK\r\n")
        call.advanceClock(5000)
        #expect(call("INCR", "a") == ":2\r\n")
        #expect(call("EXPIRE", "a", "1") == ":1\r\n")
        #expect(call("SET", "a", "2", "XX") == "+OK\r\n")
    }

    @Test func `past for an absolute expiry deletes or never lets live`() {
        #expect(call("SET", "a", "1", "PXAT", "999999") == "+OK\r\n")
        #expect(call("GET", "a") == "$-1\r\n")
        #expect(call("SET", "a", "1") == "+OK\r\n")
        #expect(call("GETEX", "a", "PXAT", "1000000") == bulk("1"))
        #expect(call("DBSIZE") == ":0\r\n")
    }

    @Test func `a dead key counts as absent for every condition`() {
        for command in [
            ["SETNX", "a", "2"], ["MSETNX", "a", "2", "b", "3"], ["RENAMENX", "c", "a"],
        ] {
            _ = call("FLUSHALL")
            _ = call("SET", "a", "1", "PX", "10")
            _ = call("SET", "c", "1")
            call.advance(10)
            #expect(call.run(command.map { Array($0.utf8) }) == ":1\r\n")
        }
        _ = call("SET", "a", "1", "PX", "10")
        call.advance(10)
        #expect(call("SET", "a", "2", "XX") == "$-1\r\n")
        #expect(call("APPEND", "a", "x") == ":1\r\n")
        #expect(call("PERSIST", "a") == ":0\r\n")
    }

    @Test func `random keys are alive ones`() {
        for number in 0..<200 { _ = call("SET", "dead:\(number)", "1", "PX", "10") }
        _ = call("SET", "alive", "1")
        call.advance(10)
        for _ in 0..<20 { #expect(call("RANDOMKEY") == bulk("alive")) }
        _ = call("DEL", "alive")
        #expect(call("RANDOMKEY") == "$-1\r\n")
    }

    @Test func `a random key is none only when the log says so`() {
        for number in 0..<200 { _ = call("SET", "dead:\(number)", "1", "PX", "10") }
        #expect(call("SET", "due", "1", "PX", "1000") == "+OK\r\n")
        call.advance(10)
        call.advanceClock(1000)
        // Whatever the hundred guesses hit.
        for _ in 0..<20 { #expect(call("RANDOMKEY") == "needs time") }
        call.context.keyspace.logTime = call.context.clock
        #expect(call("RANDOMKEY") == "$-1\r\n")
    }

    @Test func `a random key that lives needs no time`() {
        for number in 0..<200 { _ = call("SET", "due:\(number)", "1", "PX", "10") }
        _ = call("SET", "alive", "1")
        call.advanceClock(10)
        for _ in 0..<20 { #expect(call("RANDOMKEY") == bulk("alive")) }
    }

    @Test func `random keys come evenly and by the seed`() {
        for number in 0..<10 { _ = call("SET", "key:\(number)", "1") }
        var counts: [String: Int] = [:]
        call.context.random = SeededGenerator(seed: 4)
        let first = (0..<5000).map { _ in call("RANDOMKEY") }
        for key in first { counts[key, default: 0] += 1 }
        #expect(counts.count == 10)
        #expect(counts.values.allSatisfy { $0 > 350 && $0 < 650 })
        call.context.random = SeededGenerator(seed: 4)
        #expect((0..<5000).map { _ in call("RANDOMKEY") } == first)
    }
}

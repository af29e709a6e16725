import Bytes
import Store
import Testing

@testable import Commands

/// What makes replicas equal: replies and state are functions of content, whatever the history.
@Suite struct `Large collections on two replicas` {
    /// Two keyspaces of equal content: one was filled upwards, the other downwards with extra
    /// elements that left again.
    static func replicas() -> (Runner, Runner) {
        let (one, other) = (Runner(), Runner())
        for number in 0..<1500 {
            _ = one("HSET", "h", "field \(number)", "value \(number)")
            _ = one("SADD", "s", "member \(number)")
            _ = one("ZADD", "z", "\(number % 40)", "member \(number)")
            _ = one("RPUSH", "l", "element \(number)")
        }
        for number in (0..<2500).reversed() {
            _ = other("HSET", "h", "field \(number)", "old")
            _ = other("SADD", "s", "member \(number)")
            _ = other("ZADD", "z", "7", "member \(number)")
        }
        for number in 0..<2500 {
            if number < 1500 {
                _ = other("HSET", "h", "field \(number)", "value \(number)")
                _ = other("ZADD", "z", "\(number % 40)", "member \(number)")
            } else {
                _ = other("HDEL", "h", "field \(number)")
                _ = other("SREM", "s", "member \(number)")
                _ = other("ZREM", "z", "member \(number)")
            }
        }
        for number in (0..<1500).reversed() { _ = other("LPUSH", "l", "element \(number)") }
        return (one, other)
    }

    @Test func `have one state hash and give the same replies, random ones too`() {
        let (one, other) = Self.replicas()
        #expect(one.context.keyspace.stateHash() == other.context.keyspace.stateHash())
        let commands: [[String]] = [
            ["HGETALL", "h"], ["SMEMBERS", "s"], ["ZRANGE", "z", "0", "-1", "WITHSCORES"],
            ["LRANGE", "l", "0", "-1"], ["HSCAN", "h", "0"], ["SSCAN", "s", "0", "COUNT", "100"],
            ["ZSCAN", "z", "0"], ["HRANDFIELD", "h", "20", "WITHVALUES"],
            ["HRANDFIELD", "h", "-20"], ["SRANDMEMBER", "s", "30"], ["SRANDMEMBER", "s", "-5"],
            ["SRANDMEMBER", "s"], ["ZRANDMEMBER", "z", "7"], ["SPOP", "s", "400"], ["SPOP", "s"],
            ["SUNION", "s", "s"], ["SUNIONSTORE", "t", "s", "s"], ["SSCAN", "t", "0"],
        ]
        for (seed, command) in commands.enumerated() {
            one.context.random = SeededGenerator(seed: UInt64(seed))
            other.context.random = SeededGenerator(seed: UInt64(seed))
            let words = command.map { Array($0.utf8) }
            let replies = (one.run(words), other.run(words))
            #expect(replies.0 == replies.1, "\(command)")
        }
        #expect(one.context.keyspace.stateHash() == other.context.keyspace.stateHash())
        _ = one("SPOP", "s")
        #expect(one.context.keyspace.stateHash() != other.context.keyspace.stateHash())
        one.context.keyspace.checkInvariants()
        other.context.keyspace.checkInvariants()
    }

    @Test(arguments: [("HRANDFIELD", "h"), ("SRANDMEMBER", "s"), ("ZRANDMEMBER", "z")])
    func `refuse a reply without end`(_ command: (name: String, key: String)) {
        let call = Runner()
        _ = call("HSET", "h", "f", "v")
        _ = call("SADD", "s", "m")
        _ = call("ZADD", "z", "1", "m")
        for count in ["-9223372036854775807", "-4194305"] {
            let reply = call(command.name, command.key, count)
            #expect(reply == "-ERR value is out of range\r\n")
        }
        #expect(call(command.name, command.key, "-1000").hasPrefix("*1000\r\n"))
    }

    @Test(arguments: ["SRANDMEMBER", "SPOP"])
    func `pick every member about equally often, and none twice`(command: String) {
        var picked = [Int](repeating: 0, count: 20)
        for seed in 0..<600 {
            let call = Runner()
            for member in 0..<20 { _ = call("SADD", "s", "m\(member)") }
            call.context.random = SeededGenerator(seed: UInt64(seed))
            let members = call(command, "s", "5").split(separator: "\r\n").filter {
                $0.hasPrefix("m")
            }
            #expect(Set(members).count == 5)
            for member in members { picked[Int(member.dropFirst())!] += 1 }
        }
        // 150 expected; the standard deviation is about 11.
        #expect(picked.allSatisfy { $0 > 100 && $0 < 200 })
    }
}

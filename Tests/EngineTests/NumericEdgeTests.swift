import Bytes
import Commands
import Configuration
import Engine
import Testing

/// The worst numbers at every position of every command: whatever is sent, there is exactly one
/// well-formed reply to it, and the node goes on. What the replies are is compared with Redis's by
/// `scripts/differential --edges`.
@Suite struct NumericEdgeTests {
    /// Bounds of 32 and 64 bits, of milliseconds made of seconds, and what looks like a number. No
    /// offset among them makes SETRANGE allocate much: 2^29 and more is refused, the rest is small.
    static let edges = [
        "-9223372036854775808", "-9223372036854775807", "-4611686018427387905", "-4294967296",
        "-2147483649", "-2147483648", "-129", "-2", "-1", "-0", "0", "1", "2", "128", "32768",
        "2147483648", "4294967295", "4294967296", "9223372036854775", "9223372036854776",
        "-9223372036854776", "4611686018427387904", "9223372036854775806", "9223372036854775807",
        "9223372036854775808", "-9223372036854775809", "18446744073709551615",
        "18446744073709551616", String(repeating: "1", count: 400), "", "-", "+1", " 1", "1 ", "01",
        "1.5", "-1.5", "1e3", "1e308", "-1e308", "1e400", "-1e400", "1e-400", "5e-324", "nan",
        "-nan", "inf", "-inf", "(1", "(-9223372036854775808", "(inf", "(nan", "[a", "+", "0x1p3",
        "1\0", "\u{661}",
    ]

    /// Every command that takes a number, with `#` where each edge goes in turn and 1 meanwhile.
    static let forms = [
        "SET s # EX #", "SET s 10 PX #", "SET s 10 EXAT #", "SET s 10 PXAT #", "SETEX s # 10",
        "PSETEX s # 10", "SETNX s #", "GETSET s #", "GETEX s EX #", "GETEX s PX #",
        "GETEX s EXAT #", "GETEX s PXAT #", "MSET s #", "MSETNX n #", "APPEND s #",
        "INCRBY s #", "DECRBY s #", "INCRBYFLOAT s #", "GETRANGE s # #", "SUBSTR s # #",
        "SETRANGE s # x",
        "EXPIRE s #", "EXPIRE s # GT", "PEXPIRE s #", "PEXPIRE s # LT", "EXPIREAT s #",
        "EXPIREAT s # GT", "PEXPIREAT s #", "PEXPIREAT s # NX", "OBJECT FREQ #",
        "SCAN #", "SCAN # COUNT #", "SCAN # MATCH # COUNT # TYPE #", "KEYS #",
        "LPUSH l #", "RPUSH l #", "LPUSHX l #", "RPUSHX l #", "LPOP l #", "RPOP l #",
        "LRANGE l # #",
        "LINDEX l #", "LSET l # x", "LTRIM l # #", "LREM l # a", "LINSERT l BEFORE # #",
        "LPOS l a RANK #", "LPOS l a COUNT #", "LPOS l a MAXLEN #",
        "LPOS l a RANK # COUNT # MAXLEN #",
        "HSET h a #", "HMSET h a #", "HSETNX h # #", "HINCRBY h a #", "HINCRBYFLOAT h a #",
        "HRANDFIELD h #", "HRANDFIELD h # WITHVALUES", "HSCAN h #", "HSCAN h # COUNT #",
        "SADD t #", "SREM t #", "SISMEMBER t #", "SMISMEMBER t #", "SMOVE t t2 #", "SPOP t #",
        "SRANDMEMBER t #", "SSCAN t # COUNT #", "SINTERCARD # t t2", "SINTERCARD 1 t LIMIT #",
        "ZADD z # a", "ZADD z INCR # a", "ZADD z GT CH # b", "ZADD z # a # b", "ZINCRBY z # a",
        "ZRANGE z # #", "ZRANGE z # # REV WITHSCORES", "ZRANGE z # # BYSCORE LIMIT # #",
        "ZRANGE z # # BYSCORE REV LIMIT # #", "ZRANGE z # # BYLEX LIMIT # #",
        "ZREVRANGE z # #", "ZRANGEBYSCORE z # # LIMIT # #", "ZREVRANGEBYSCORE z # # LIMIT # #",
        "ZRANGEBYLEX z # # LIMIT # #", "ZREVRANGEBYLEX z # # LIMIT # #", "ZCOUNT z # #",
        "ZLEXCOUNT z # #", "ZRANGESTORE z2 z # #", "ZRANGESTORE z2 z # # BYSCORE LIMIT # #",
        "ZREMRANGEBYRANK z # #", "ZREMRANGEBYSCORE z # #", "ZREMRANGEBYLEX z # #", "ZPOPMIN z #",
        "ZPOPMAX z #", "ZRANDMEMBER z #", "ZRANDMEMBER z # WITHSCORES", "ZSCAN z # COUNT #",
        "ZRANK z #", "ZSCORE z #", "ZREM z #",
        "SELECT #", "HELLO #", "HELLO # SETNAME #", "DEBUG SLEEP #", "DEBUG #", "CLIENT KILL ID #",
        "CLIENT KILL #", "CLIENT LIST ID #", "CLIENT LIST ID # #", "CLIENT LIST TYPE #",
        "CLIENT NO-EVICT #", "CLIENT NO-TOUCH #", "CLIENT REPLY #", "CLIENT SETNAME #",
        "CLIENT SETINFO LIB-VER #", "CONFIG GET #", "CONFIG SET # #", "COMMAND INFO #",
        "COMMAND GETKEYS SINTERCARD # a b", "COMMAND GETKEYS SET # #", "COMMAND GETKEYS #  #",
        "COMMAND LIST FILTERBY ACLCAT #", "INFO #", "AUTH #", "AUTH # #", "PING #", "ECHO #",
        "FLUSHDB #",
    ]

    static let setup = [
        "SELECT 0", "HELLO 2", "DEL s n l h t t2 z z2", "SET s 9223372036854775806",
        "RPUSH l a b c a b", "HSET h a 9223372036854775807 b 1.5 c x", "SADD t a b c 1 2",
        "SADD t2 1 2", "ZADD z 1 a 2 b 1e308 c -inf d",
    ]

    @Test(arguments: forms) func `every number gets one answer`(form: String) throws {
        let client = try EdgeClient()
        let words = form.split(separator: " ").map(String.init)
        for place in words.indices where words[place] == "#" {
            for edge in Self.edges {
                var command = words.map { $0 == "#" ? "1" : $0 }
                command[place] = edge
                try client.check(command)
                // And all of them at once.
                try client.check(words.map { $0 == "#" ? edge : $0 })
            }
        }
        client.node.engine.checkInvariants()
    }

    /// Commands that end the session or change what comes of the others' replies.
    static let apart = ["quit", "reset", "client|reply", "multi", "exec", "discard"]

    @Test func `every argument of every command may be any number`() throws {
        let client = try EdgeClient()
        for spec in CommandTable.all
        where !Self.apart.contains(spec.name.description)
            && !["flushall", "flushdb"].contains(spec.name.description)
        {
            let name = spec.name.description.split(separator: "|").map(String.init)
            let least = max(abs(spec.arity), name.count)
            for count in least...max(least, spec.arity < 0 ? least + 3 : least) {
                for edge in Self.edges.indices {
                    // Neighbours in the list at neighbouring places, the key among them or not.
                    var command = name
                    while command.count < count {
                        let at = (edge + command.count * 7) % Self.edges.count
                        command.append(command.count == 1 && edge % 3 > 0 ? "z" : Self.edges[at])
                    }
                    try client.check(command)
                }
            }
        }
        client.node.engine.checkInvariants()
    }

    @Test(arguments: [1, 4])
    func `a cursor is read as strtoul reads it, whatever the number of groups`(groups: Int) throws {
        var configuration = Configuration()
        configuration.initialGroups = groups
        let node = try SingleNode(configuration)
        let client = try node.open()
        for cursor in ["-1", "", "+1", "0", "1\0x", "18446744073709551615"] {
            // With several groups, the cursor that comes back is the next one's.
            let reply = node.ask(command("SCAN", cursor), client)
            #expect(reply.hasPrefix("*2\r\n") && reply.hasSuffix("\r\n*0\r\n"), "cursor \(cursor)")
        }
        for cursor in ["x", "18446744073709551616", "1.5", "-"] {
            #expect(
                node.ask(command("SCAN", cursor), client) == "-ERR invalid cursor\r\n",
                "cursor \(cursor)")
        }
        #expect(node.ask(command("SCAN", "", "x"), client) == "-ERR syntax error\r\n")
        #expect(node.ask(command("DEBUG", "SLEEP", "-1"), client) == "+OK\r\n")
        #expect(node.ask(command("DEBUG", "SLEEP", "x"), client) == "+OK\r\n")
    }

    @Test func `every directive may be set to any number`() throws {
        let client = try EdgeClient()
        for directive in Configuration().get(["*"]) {
            for edge in Self.edges {
                try client.check(["CONFIG", "SET", directive.name, edge])
            }
            try client.check(["CONFIG", "SET", directive.name, directive.value])
        }
    }
}

/// A client of a single node that counts the replies it gets.
private final class EdgeClient {
    let node: SingleNode
    private var session: SessionID
    private var sent = 0

    init() throws {
        node = try SingleNode()
        session = try node.open()
    }

    /// Sends the setup and a command, and demands as many replies.
    func check(_ command: [String]) throws {
        let setup = NumericEdgeTests.setup.map { $0.split(separator: " ").map(String.init) }
        // Not before each: a command then meets what the ones before it have left.
        let commands = (sent % 5 == 0 ? setup : []) + [command]
        sent += 1
        let mark = "mark\(sent)"
        let text = (commands + [["ECHO", mark]]).map(encoded).joined()
        node.send(text, session)
        var bytes: [UInt8] = []
        let last = Array("$\(mark.utf8.count)\r\n\(mark)\r\n".utf8)
        for _ in 0..<200 where !bytes.suffix(last.count).elementsEqual(last) {
            node.turn()
            node.engine.writeOutput(of: session) { span in
                for at in 0..<span.count { bytes.append(span[at]) }
                return span.count
            }
        }
        var at = 0
        for _ in 0...commands.count { at = try end(of: bytes, from: at) }
        #expect(at == bytes.count, "\(command): \(bytes.count - at) bytes too many")
    }

    private func encoded(_ words: [String]) -> String {
        "*\(words.count)\r\n" + words.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()
    }

    /// Where the reply ends that begins at `start`.
    private func end(of bytes: [UInt8], from start: Int) throws -> Int {
        guard start < bytes.count,
            let line = bytes[start...].firstIndex(of: UInt8(ascii: "\n"))
        else {
            throw TestError.neverHappened("a reply after \(String(decoding: bytes, as: UTF8.self))")
        }
        let number = Int(String(decoding: bytes[(start + 1)..<(line - 1)], as: UTF8.self))
        switch bytes[start] {
        case UInt8(ascii: "$"), UInt8(ascii: "="):
            let count = number ?? 0
            return count < 0 ? line + 1 : line + 1 + count + 2
        case UInt8(ascii: "*"), UInt8(ascii: "~"), UInt8(ascii: "%"), UInt8(ascii: ">"):
            var at = line + 1
            let items = (number ?? 0) * (bytes[start] == UInt8(ascii: "%") ? 2 : 1)
            for _ in 0..<max(0, items) { at = try end(of: bytes, from: at) }
            return at
        default:
            return line + 1
        }
    }
}

import Bytes
import Configuration
import RESP
import Testing

@testable import Engine

/// What INFO commandstats, errorstats and latencystats tell. The counts are those of redis-server
/// 7.0.15 for the same commands.
@Suite struct CommandStatisticsTests {
    /// The lines of a section that begin with `prefix`, without it.
    private static func lines(_ info: String, _ prefix: String) -> [String] {
        info.split(separator: "\r\n").filter { $0.hasPrefix(prefix) }
            .map { String($0.dropFirst(prefix.count)) }
    }

    /// `name:calls,rejected,failed` of every command in a commandstats section.
    private static func counts(_ info: String) -> Set<String> {
        Set(
            lines(info, "cmdstat_").map { line in
                let parts = line.split { $0 == ":" || $0 == "," }
                func number(_ name: String) -> Substring {
                    parts.first { $0.hasPrefix(name + "=") }!.dropFirst(name.count + 1)
                }
                return
                    "\(parts[0]):\(number("calls")),\(number("rejected_calls")),\(number("failed_calls"))"
            })
    }

    private static func field(_ info: String, _ name: String) -> String? {
        lines(info, name + ":").first
    }

    @Test func `calls, rejections, failures and errors count as in Redis`() throws {
        let node = try SingleNode()
        let client = try node.open()
        for line in [
            "SET a 1", "GET a", "GET a", "LPUSH a 1", "NOSUCH", "GET", "CONFIG", "CONFIG NOPE",
            "CONFIG GET", "CONFIG GET port",
            // Spoiled by an arity, then whole, with an error within.
            "MULTI", "SET b 1", "LPUSH a 2", "GET", "EXEC",
            "MULTI", "SET b 1", "LPUSH a 2", "PING", "EXEC",
            "MULTI", "MULTI", "DISCARD", "EXEC",
            "SELECT 99", "CLIENT REPLY x", "HELLO 9",
        ] { _ = node.ask(line + "\r\n", client) }
        let info = node.ask("INFO commandstats errorstats stats\r\n", client)
        #expect(
            Self.counts(info) == [
                "config:0,1,0", "config|get:1,1,0", "set:2,0,0", "lpush:2,0,2", "ping:1,0,0",
                "exec:3,0,2", "discard:1,0,0", "get:2,2,0", "multi:4,0,1", "hello:1,0,1",
                "client|reply:1,0,1", "select:1,0,1",
            ])
        #expect(
            Self.lines(info, "errorstat_") == [
                "ERR:count=10", "EXECABORT:count=1", "NOPROTO:count=1", "WRONGTYPE:count=2",
            ])
        #expect(Self.field(info, "total_error_replies") == "14")
        #expect(Self.field(info, "total_commands_processed") == "19")
    }

    @Test func `CONFIG RESETSTAT forgets it all and counts itself`() throws {
        let node = try SingleNode()
        let client = try node.open()
        _ = node.ask("SET a 1\r\nGET a\r\nGET b\r\nLPUSH a 1\r\nNOSUCH\r\n", client)
        #expect(node.ask("CONFIG RESETSTAT\r\n", client) == "+OK\r\n")
        let info = node.ask("INFO everything\r\n", client)
        #expect(Self.counts(info) == ["config|resetstat:1,0,0"])
        #expect(Self.lines(info, "errorstat_").isEmpty)
        #expect(
            Self.lines(info, "latency_percentiles_usec_").map { $0.prefix { $0 != ":" } } == [
                "config|resetstat"
            ])
        for name in ["total_error_replies", "keyspace_hits", "keyspace_misses"] {
            #expect(Self.field(info, name) == "0")
        }
        #expect(Self.field(info, "total_commands_processed") == "1")
    }

    @Test func `commands over all groups count once, with their time`() throws {
        let cluster = try EngineCluster.formed(nodes: 1, groups: 3)
        let client = try cluster.open(0)
        for line in ["SET a 1", "DBSIZE", "KEYS *", "RANDOMKEY", "SCAN 0", "FLUSHALL", "RANDOMKEY"]
        {
            _ = cluster.ask(line + "\r\n", client)
        }
        let info = cluster.ask("INFO commandstats latencystats\r\n", client)
        #expect(
            Self.counts(info) == [
                "set:1,0,0", "dbsize:1,0,0", "keys:1,0,0", "randomkey:2,0,0", "scan:1,0,0",
                "flushall:1,0,0",
            ])
        #expect(Self.lines(info, "latency_percentiles_usec_").count == 6)
    }

    @Test func `replies that the client does not want count all the same`() throws {
        let node = try SingleNode()
        let client = try node.open()
        _ = node.ask("SET a 1\r\n", client)
        _ = node.ask("CLIENT REPLY OFF\r\nLLEN a\r\nLPUSH a 1\r\nGET a\r\nHELLO 9\r\n", client)
        let other = try node.open()
        let info = node.ask("INFO commandstats errorstats\r\n", other)
        #expect(
            Self.counts(info) == [
                "set:1,0,0", "client|reply:1,0,0", "llen:1,0,1", "lpush:1,0,1", "get:1,0,0",
                "hello:1,0,1",
            ])
        #expect(Self.lines(info, "errorstat_") == ["NOPROTO:count=1", "WRONGTYPE:count=2"])
    }

    @Test(arguments: [true, false]) func `a forwarded command counts at its origin alone`(
        lease: Bool
    ) throws {
        let cluster = try EngineCluster.formed { $0.readLease = lease }
        let leader = cluster.leader()!
        let follower = cluster.follower()
        let client = try cluster.open(follower)
        #expect(cluster.ask("SET a 1\r\nGET a\r\nLPUSH a 1\r\n", client).hasPrefix("+OK"))
        _ = cluster.ask("MULTI\r\nINCR a\r\nLLEN a\r\nEXEC\r\n", client)
        let large = String(repeating: "x", count: 100_000)
        #expect(cluster.ask(command("SET", "big", large), client) == "+OK\r\n")
        let there = cluster.ask("INFO commandstats errorstats\r\n", client)
        #expect(
            Self.counts(there) == [
                "set:2,0,0", "get:1,0,0", "lpush:1,0,1", "multi:1,0,0", "incr:1,0,0",
                "llen:1,0,1", "exec:1,0,0",
            ])
        #expect(Self.lines(there, "errorstat_") == ["WRONGTYPE:count=2"])
        for other in 0..<3 where other != follower {
            let elsewhere = cluster.ask(
                "INFO commandstats errorstats\r\n", try cluster.open(other))
            #expect(Self.counts(elsewhere).isEmpty, "node \(other), leader \(leader)")
            #expect(Self.lines(elsewhere, "errorstat_").isEmpty)
        }
    }

    @Test func `commands that no leader answered are told apart by what is known of them`() throws {
        let cluster = try EngineCluster.formed { $0.requestTimeout = .milliseconds(300) }
        let leader = cluster.leader()!
        let client = try cluster.open(leader)
        let follower = try cluster.open(cluster.follower())
        cluster.isolate(leader)
        // Its log has it, nobody confirms it.
        cluster.send("SET a 1\r\n", client)
        cluster.run(milliseconds: 1000)
        #expect(cluster.output(client).hasPrefix("-UNCERTAIN"))
        cluster.run(milliseconds: 1000)
        #expect(cluster.ask("GET a\r\n", client, milliseconds: 600).hasPrefix("-CLUSTERDOWN"))
        let info = cluster.ask("INFO commandstats errorstats\r\n", client)
        #expect(Self.counts(info) == ["set:1,0,1", "get:0,1,0"])
        #expect(
            Self.lines(info, "errorstat_") == ["CLUSTERDOWN:count=1", "UNCERTAIN:count=1"])
        _ = follower
    }

    @Test func `reads that are taken back count once`() throws {
        let cluster = try EngineCluster.formed()
        let leader = cluster.leader()!
        let process = cluster.nodes[leader].process!
        let client = try cluster.open(leader)
        #expect(cluster.ask("SET a 1\r\n", client) == "+OK\r\n")
        cluster.send("GET a\r\nLLEN a\r\nPING\r\nGET a\r\n", client)
        // The lease ends within the turn.
        cluster.now.boot = cluster.now.boot + .seconds(2)
        process.engine.endTurn(now: cluster.now)
        #expect(process.engine.leaseReadsTakenBack == 1)
        #expect(process.engine.output(of: client.session) == 0)
        var reply = ""
        cluster.run(seconds: 10) {
            reply += cluster.output(client)
            return reply.hasSuffix("+PONG\r\n$1\r\n1\r\n")
        }
        #expect(reply.hasPrefix("$1\r\n1\r\n-WRONGTYPE"))
        let info = cluster.ask("INFO commandstats errorstats\r\n", client)
        #expect(Self.counts(info) == ["set:1,0,0", "get:2,0,0", "llen:1,0,1", "ping:1,0,0"])
        #expect(Self.lines(info, "errorstat_") == ["WRONGTYPE:count=1"])
    }

    // MARK: Time

    @Test func `the time between two readings is spread over the commands in between`() throws {
        let node = try SingleNode()
        let (first, second) = (try node.open(), try node.open())
        _ = node.ask("SET a 1\r\n", first)
        _ = node.ask("CONFIG RESETSTAT\r\n", first)
        node.send("GET a\r\nGET a\r\nSTRLEN a\r\n", first)
        node.now.boot = node.now.boot + .microseconds(300)
        node.send("GET a\r\n", second)
        node.now.boot = node.now.boot + .microseconds(50)
        node.endTurn()
        let info = node.ask("INFO commandstats latencystats\r\n", first)
        #expect(
            Self.lines(info, "cmdstat_get:") == [
                "calls=3,usec=250,usec_per_call=83.33,rejected_calls=0,failed_calls=0"
            ])
        #expect(Self.lines(info, "cmdstat_strlen:")[0].hasPrefix("calls=1,usec=100,"))
        // Two waited 350 microseconds for the end of the turn, one 50.
        let latency = Self.lines(info, "latency_percentiles_usec_get:")[0].split(separator: ",")
        #expect(latency.map { $0.prefix { $0 != "=" } } == ["p50", "p99", "p99.9"])
        let figures = latency.compactMap { Double($0.split(separator: "=")[1]) }
        #expect(figures.count == 3 && figures.allSatisfy { $0 >= 350 && $0 < 373 })
    }

    @Test func `the wait for the log is latency and not time of the loop`() throws {
        let node = try SingleNode()
        let client = try node.open()
        node.isDiskFast = false
        node.send("SET a 1\r\n", client)
        node.now.boot = node.now.boot + .microseconds(10)
        node.endTurn()
        node.advance(milliseconds: 40)
        node.makeDurable()
        #expect(node.output(client) == "+OK\r\n")
        node.isDiskFast = true
        let info = node.ask("INFO commandstats latencystats\r\n", client)
        #expect(Self.lines(info, "cmdstat_set:")[0].hasPrefix("calls=1,usec=10,"))
        let p50 = Self.lines(info, "latency_percentiles_usec_set:p50=")[0].prefix { $0 != "," }
        #expect(Double(p50).map { $0 >= 40_010 && $0 < 42_600 } == true, "\(p50)")
    }

    @Test func `a turn lasts from its first event until the host has carried it out`() throws {
        let node = try SingleNode()
        let client = try node.open()
        _ = node.ask("CONFIG RESETSTAT\r\n", client)
        for microseconds: Int64 in [300, 40] {
            node.send("GET a\r\n", client)
            node.now.boot = node.now.boot + .microseconds(microseconds)
            // More was used since the turn before than this turn took: by the look for events.
            node.endTurn(carriedOutIn: .microseconds(400), using: .microseconds(650))
            // What passes before the next event is no turn's.
            node.now.boot = node.now.boot + .milliseconds(900)
        }
        let info = node.ask("INFO stats\r\n", client)
        #expect(Self.field(info, "eventloop_cycles").flatMap { Int($0) } ?? 0 >= 2)
        #expect(Self.field(info, "eventloop_duration_sum") == "1140")
        #expect(Self.field(info, "eventloop_duration_max") == "700")
        #expect(Self.field(info, "eventloop_cpu_max") == "650")
    }

    // MARK: Sections

    @Test(arguments: [
        ("", false, false), ("default", false, false), ("all", true, true),
        ("everything", true, true), ("COMMANDSTATS nope", true, false),
        ("default latencystats", false, true),
        ("latencystats errorstats latencystats", false, true),
    ]) func `sections are told as asked, each once`(
        arguments: String, commands: Bool, latencies: Bool
    ) throws {
        let node = try SingleNode()
        let info = node.ask("INFO \(arguments)\r\n", try node.open())
        let titles = Self.lines(info, "# ")
        #expect(Set(titles).count == titles.count)
        #expect(titles.contains("Commandstats") == commands)
        #expect(titles.contains("Latencystats") == latencies)
        if arguments == "all" {
            #expect(
                titles == [
                    "Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU",
                    "Modules", "Commandstats", "Errorstats", "Latencystats", "Cluster", "Keyspace",
                    "Once", "Raft",
                ])
        }
    }

    @Test func `a follower's line tells how it is fed and how long it has been silent`() throws {
        let cluster = try EngineCluster.formed()
        let leader = cluster.leader()!
        let client = try cluster.open(leader)
        #expect(cluster.ask("SET a 1\r\n", client) == "+OK\r\n")
        cluster.run(milliseconds: 3000)
        func lines() -> [String] {
            let info = cluster.ask("INFO replication\r\n", client, milliseconds: 50)
            return info.split(separator: "\r\n").filter { $0.hasPrefix("slave") }.map(String.init)
        }
        // Nothing was written for three seconds: signs of life count.
        #expect(lines().count == 2)
        #expect(lines().allSatisfy { $0.contains("state=online,") && $0.hasSuffix("lag=0") })
        // One stands still, with its connection open, and misses a write.
        let silent = cluster.nodes[(leader + 1) % 3]
        silent.isPaused = true
        #expect(cluster.ask("SET a 2\r\n", client) == "+OK\r\n")
        cluster.run(milliseconds: 2500)
        let lags = lines().map { $0.split(separator: "=").last! }
        #expect(lags.contains("0") && lags.contains { Int($0)! >= 2 }, "\(lines())")
    }
}

@Suite struct ErrorCountsTests {
    @Test func `codes are the first words, in order, up to a limit`() {
        var counts = ErrorCounts()
        func count(_ reply: String) { counts.count(Array(reply.utf8).span) }
        for reply in [
            "-WRONGTYPE x\r\n", "-ERR x\r\n", "-ERR y\r\n", "-NOBLANK\r\n",
            "-" + String(repeating: "X", count: 40) + " y\r\n", "-",
        ] { count(reply) }
        #expect(
            counts.codes.map { String(decoding: $0.name, as: UTF8.self) } == ["ERR", "WRONGTYPE"])
        #expect(counts.codes.map(\.count) == [5, 1])
        for number in 0..<200 { count("-CODE\(number) x\r\n") }
        #expect(counts.codes.count == ErrorCounts.codesMax)
        #expect(counts.total == 206)
    }
}

@Suite struct ReplyElementsTests {
    private static func elements(_ reply: String) -> [String] {
        let bytes = Array(reply.utf8)
        var elements = ReplyElements(of: bytes.span)
        var all: [String] = []
        while let element = elements.next() {
            all.append(
                String(decoding: (0..<element.count).map { element[$0] }, as: UTF8.self))
        }
        return all
    }

    @Test(arguments: [
        ["+OK\r\n", "-ERR x\r\n", ":-12\r\n"],
        ["$3\r\na\r\n\r\n", "$-1\r\n", "*-1\r\n", "$0\r\n\r\n"],
        ["*2\r\n$1\r\n-\r\n*1\r\n-ERR inner\r\n", "_\r\n", "%1\r\n+a\r\n~2\r\n:1\r\n:2\r\n"],
        [",1.5\r\n", "#t\r\n", "(123\r\n", "=5\r\ntxt:a\r\n", "|1\r\n+a\r\n+b\r\n:1\r\n"],
        [],
    ]) func `every kind of element is passed whole`(parts: [String]) {
        #expect(Self.elements("*\(parts.count)\r\n" + parts.joined()) == parts)
    }

    @Test(arguments: ["", "-ERR x\r\n", "*", "*2\r\n+OK\r\n$5\r\nab", "*1\r\n", "*3\r\n:1"])
    func `what is no whole array ends the walk`(reply: String) {
        #expect(Self.elements(reply).count <= 1)
    }
}

import Testing

@testable import Configuration

@Suite struct ConfigCommandTests {
    static func get(_ patterns: String...) -> [String] {
        Configuration().get(patterns).flatMap { [$0.name, $0.value] }
    }

    @Test func `what redis-benchmark asks for is answered`() {
        #expect(Self.get("save") == ["save", ""])
        #expect(Self.get("appendonly") == ["appendonly", "yes"])
    }

    @Test func `values are printed as Redis prints them`() {
        #expect(Self.get("maxclients") == ["maxclients", "10000"])
        #expect(Self.get("proto-max-bulk-len") == ["proto-max-bulk-len", "536870912"])
        #expect(
            Self.get("client-output-buffer-limit") == [
                "client-output-buffer-limit",
                "normal 1073741824 268435456 60 slave 268435456 67108864 60 "
                    + "pubsub 33554432 8388608 60",
            ])
        #expect(Self.get("election-timeout") == ["election-timeout", "300"])
        #expect(Self.get("protected-mode") == ["protected-mode", "yes"])
        #expect(Self.get("bind") == ["bind", "127.0.0.1"])
        #expect(Self.get("initial-cluster") == ["initial-cluster", ""])
    }

    @Test func `names and patterns are found in any case, each once`() {
        #expect(Self.get("LOGLEVEL") == ["LOGLEVEL", "notice"])
        #expect(Self.get("nosuch").isEmpty)
        #expect(Self.get("tim[e]out", "timeout", "TIMEOUT", "time*") == ["timeout", "0"])
        #expect(
            Self.get("Max*") == [
                "maxclients", "10000", "maxmemory", "0", "maxmemory-policy", "noeviction",
            ])
        #expect(Self.get("*").count == 2 * Directive.all.count)
        #expect(Self.get("p?rt") == ["port", "6379"])
        #expect(Self.get("[^a-o]ort", "[!x]") == ["port", "6379"])
        #expect(Self.get("[b-a]ind") == ["bind", "127.0.0.1"])
        #expect(Self.get("b\\ind*") == ["bind", "127.0.0.1"])
    }

    @Test func `a pattern of many stars takes no time`() {
        let stars = String(repeating: "*a", count: 2000)
        #expect(Self.get(stars + "x").isEmpty)
        #expect(Self.get(String(repeating: "*", count: 10_000)).count == 2 * Directive.all.count)
    }

    @Test func `what may change at run time is set`() throws {
        var configuration = Configuration()
        try configuration.set([
            "Maxclients", "7", "timeout", "9", "raft-log-cache", "3mb", "loglevel", "WARNING",
            "client-output-buffer-limit", "normal 1mb 2mb 10 replica 0 0 0", "save", "",
        ])
        #expect(configuration.maxclients == 7)
        #expect(configuration.timeoutSeconds == 9)
        #expect(configuration.raftLogCache == 3 << 20)
        #expect(configuration.loglevel == .warning)
        #expect(configuration.clientOutputBufferLimit.normal.softBytes == 2 << 20)
        #expect(configuration.clientOutputBufferLimit.pubsub.softBytes == 8 << 20)
    }

    @Test func `everything that CONFIG GET shows can be set, or is refused as immutable`() throws {
        for (name, value) in Configuration().get(["*"]) {
            let directive = try #require(Directive.named(name))
            var configuration = Configuration()
            do throws(ConfigSetError) {
                try configuration.set([name, value])
                #expect(directive.change == .atRunTime || directive.isModifiableInRedis)
                #expect(configuration == Configuration(), "\(name)")
            } catch {
                #expect(directive.change != .atRunTime && !directive.isModifiableInRedis)
                #expect(
                    error
                        == .failed(directive: name, reason: "can't set immutable config"))
            }
        }
    }

    /// Arguments and reply; where a directive is Redis's, the reply is that of redis-server 7.0.15.
    @Test(arguments: [
        (["nosuch", "1"], "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'"),
        (
            ["timeout", "1", "nosuch", "1"],
            "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'"
        ),
        (["timeout", "1", "maxclients"], "ERR syntax error"),
        (
            ["databases", "3"],
            "ERR CONFIG SET failed (possibly related to argument 'databases') - "
                + "can't set immutable config"
        ),
        (
            ["databases", "16"],
            "ERR CONFIG SET failed (possibly related to argument 'databases') - "
                + "can't set immutable config"
        ),
        (
            ["maxmemory-policy", "allkeys-lru"],
            "ERR CONFIG SET failed (possibly related to argument 'maxmemory-policy') - "
                + "can't set immutable config"
        ),
        (
            ["Daemonize", "yes"],
            "ERR CONFIG SET failed (possibly related to argument 'Daemonize') - "
                + "can't set immutable config"
        ),
        (
            ["maxclients", "abc"],
            "ERR CONFIG SET failed (possibly related to argument 'maxclients') - "
                + "argument couldn't be parsed into an integer"
        ),
        (
            ["MAXCLIENTS", "0"],
            "ERR CONFIG SET failed (possibly related to argument 'maxclients') - "
                + "argument must be between 1 and 4294967295 inclusive"
        ),
        (
            ["timeout", "10", "timeout", "20"],
            "ERR CONFIG SET failed (possibly related to argument 'timeout') - duplicate parameter"
        ),
        (
            ["tcp-keepalive", "99999999999"],
            "ERR CONFIG SET failed (possibly related to argument 'tcp-keepalive') - "
                + "argument must be between 0 and 2147483647 inclusive"
        ),
        (
            ["proto-max-bulk-len", "1000"],
            "ERR CONFIG SET failed (possibly related to argument 'proto-max-bulk-len') - "
                + "argument must be between 1048576 and 536870912 inclusive"
        ),
        (
            ["loglevel", "foo"],
            "ERR CONFIG SET failed (possibly related to argument 'loglevel') - "
                + "argument(s) must be one of the following: debug, verbose, notice, warning"
        ),
        (
            ["protected-mode", "foo"],
            "ERR CONFIG SET failed (possibly related to argument 'protected-mode') - "
                + "argument must be 'yes' or 'no'"
        ),
        (
            ["client-output-buffer-limit", "foo 1 2 3"],
            "ERR CONFIG SET failed (possibly related to argument 'client-output-buffer-limit') - "
                + "Invalid client class specified in buffer limit configuration."
        ),
        (
            ["client-output-buffer-limit", "normal x 2 3"],
            "ERR CONFIG SET failed (possibly related to argument 'client-output-buffer-limit') - "
                + "Error in hard, soft or soft_seconds setting in buffer limit configuration."
        ),
        (
            ["client-query-buffer-limit", "1xx"],
            "ERR CONFIG SET failed (possibly related to argument 'client-query-buffer-limit') - "
                + "argument must be a memory value"
        ),
        (
            ["election-timeout", "500"],
            "ERR CONFIG SET failed (possibly related to argument 'election-timeout') - "
                + "can't set immutable config"
        ),
    ]) func `what is refused changes nothing and says why`(arguments: [String], reply: String) {
        var configuration = Configuration()
        do throws(ConfigSetError) {
            try configuration.set(["tcp-keepalive", "1"])
            try configuration.set(["maxclients", "5"])
            try configuration.set(arguments)
            Issue.record("accepted")
        } catch {
            #expect(error.reply == reply)
        }
        #expect(configuration.maxclients == 5)
        #expect(configuration.timeoutSeconds == 0)
        #expect(configuration.tcpKeepaliveSeconds == 1)
    }
}

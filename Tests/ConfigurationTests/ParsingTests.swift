import Bytes
import Configuration
import Testing

@Suite struct ParsingTests {
    static func parse(
        _ text: String, _ overrides: [(String, String)] = []
    ) throws(ConfigurationError) -> Configuration {
        try Configuration.parse(file: text, name: "x.conf", overrides: overrides)
    }

    @Test func `values of every kind are read`() throws {
        let configuration = try Self.parse(
            """
            # a comment
            NODE-NAME "b"\r
              initial-cluster  b=10.0.0.2:16390,a=[::1]:7,c=host.example:9  \t

            initial-groups 4
            bind 10.0.0.2 -::1 '*'
            port 6390
            protected-mode No
            maxclients 5
            appendfsync EVERYSEC
            raft-log-cache 2MB
            request-timeout 1234
            dir "with blank/\\x41"
            client-output-buffer-limit normal 0 1k 5
            client-output-buffer-limit pubsub 1gb 1b 0
            loglevel debug
            read-lease no
            """)
        #expect(configuration.nodeName == "b")
        #expect(configuration.nodeID == 2)
        #expect(configuration.members.map(\.host) == ["::1", "10.0.0.2", "host.example"])
        #expect(configuration.initialGroups == 4)
        #expect(configuration.bind.map(\.address) == ["10.0.0.2", "::1", "0.0.0.0"])
        #expect(configuration.bind.map(\.isOptional) == [false, true, false])
        #expect(configuration.peerPort == 16390)
        #expect(!configuration.protectedMode)
        #expect(configuration.maxclients == 5)
        #expect(configuration.appendfsync == .everysec)
        #expect(configuration.raftLogCache == 2 << 20)
        #expect(configuration.requestTimeout == .milliseconds(1234))
        #expect(configuration.dir == "with blank/A")
        #expect(configuration.clientOutputBufferLimit.normal.softBytes == 1000)
        #expect(configuration.clientOutputBufferLimit.pubsub.hardBytes == 1 << 30)
        #expect(configuration.clientOutputBufferLimit.replica.hardBytes == 256 << 20)
        #expect(configuration.loglevel == .debug)
        #expect(!configuration.readLease)
        #expect(configuration.warnings.count == 3)
    }

    /// Line 2 of the file and the whole error.
    @Test(arguments: [
        ("portt 1", "x.conf:2: 'portt 1': unknown directive"),
        ("port", "x.conf:2: 'port': wrong number of arguments"),
        ("port 1 2", "x.conf:2: 'port 1 2': wrong number of arguments"),
        ("bind", "x.conf:2: 'bind': wrong number of arguments"),
        ("port abc", "x.conf:2: 'port abc': argument couldn't be parsed into an integer"),
        ("port 070", "x.conf:2: 'port 070': argument couldn't be parsed into an integer"),
        (
            "port 65536",
            "x.conf:2: 'port 65536': argument must be between 0 and 65535 inclusive"
        ),
        ("raft-log-cache 1tb", "x.conf:2: 'raft-log-cache 1tb': argument must be a memory value"),
        (
            "raft-log-cache 99999999999gb",
            "x.conf:2: 'raft-log-cache 99999999999gb': argument must be a memory value"
        ),
        ("read-lease 1", "x.conf:2: 'read-lease 1': argument must be 'yes' or 'no'"),
        (
            "loglevel loud",
            "x.conf:2: 'loglevel loud': argument(s) must be one of the following: "
                + "debug, verbose, notice, warning"
        ),
        ("dir \"a", "x.conf:2: unbalanced quotes"),
        ("dir \"\"", "x.conf:2: 'dir ': a directory is needed"),
        (
            "bind localhost",
            "x.conf:2: 'bind localhost': 'localhost' is not an IPv4 or IPv6 address"
        ),
        ("bind 1.2.3", "x.conf:2: 'bind 1.2.3': '1.2.3' is not an IPv4 or IPv6 address"),
        (
            "node-name a/b",
            "x.conf:2: 'node-name a/b': a node's name is 1 to 63 letters, digits, '-', '_' and '.'"
        ),
        (
            "initial-cluster n1",
            "x.conf:2: 'initial-cluster n1': 'n1' is not name=host:peerport: there is no '='"
        ),
        (
            "initial-cluster n1=h:0",
            "x.conf:2: 'initial-cluster n1=h:0': 'n1=h:0' is not name=host:peerport: "
                + "the port must be between 1 and 65535"
        ),
        (
            "initial-cluster n1=::1:5",
            "x.conf:2: 'initial-cluster n1=::1:5': 'n1=::1:5' is not name=host:peerport: "
                + "an IPv6 address stands in [brackets]"
        ),
        (
            "initial-cluster n1=h:5,n1=h:6",
            "x.conf:2: 'initial-cluster n1=h:5,n1=h:6': node 'n1' is listed twice"
        ),
        (
            "initial-cluster n1=h:5,n2=h:5",
            "x.conf:2: 'initial-cluster n1=h:5,n2=h:5': nodes 'n1' and 'n2' have the same address"
        ),
        (
            "initial-cluster n2=h:16379",
            "x.conf:2: 'initial-cluster n2=h:16379': node-name 'n1' is not in initial-cluster"
        ),
        (
            "initial-cluster n1=h:5",
            "x.conf:2: 'initial-cluster n1=h:5': initial-cluster says that 'n1' listens for peers "
                + "on port 5, but cluster-port is 16379"
        ),
        (
            "heartbeat-interval 150",
            "x.conf:2: 'heartbeat-interval 150': heartbeat-interval (150 ms) must be less than half "
                + "of election-timeout (300 ms)"
        ),
        (
            "busy-limit 299",
            "x.conf:2: 'busy-limit 299': busy-limit (299 ms) must not be less than "
                + "election-timeout (300 ms)"
        ),
        ("port 60000", "x.conf:2: 'port 60000': port + 10000 is no port; set cluster-port"),
        ("port 0", "x.conf:2: 'port 0': without a port for clients, cluster-port must be set"),
        (
            "cluster-port 6379",
            "x.conf:2: 'cluster-port 6379': clients and peers need ports of their own"
        ),
        (
            "client-output-buffer-limit normal 1 2",
            "x.conf:2: 'client-output-buffer-limit normal 1 2': "
                + "Wrong number of arguments in buffer limit configuration."
        ),
        (
            "appendonly no",
            "x.conf:2: 'appendonly no': only 'yes' is possible: "
                + "every write is in the log before it is acknowledged"
        ),
        (
            "requirepass x",
            "x.conf:2: 'requirepass x': only '' is possible: passwords are not available yet"
        ),
        ("include nowhere", "x.conf:2: 'include nowhere': the file cannot be read"),
    ]) func `an error tells file, line and reason`(line: String, expected: String) {
        #expect(throws: ConfigurationError.self) { try Self.parse("\n\(line)\n") }
        do {
            _ = try Self.parse("\n\(line)\n")
        } catch {
            #expect(error.description == expected)
        }
    }

    @Test func `the command line counts more than the file`() throws {
        let overrides = try Configuration.overrides(
            from: ["--port", "7001", "--bind", "127.0.0.1", "::1", "--dir=a=b", "--save", ""])
        let configuration = try Self.parse("port 1\nport 2", overrides)
        #expect(configuration.port == 7001)
        #expect(configuration.bind.count == 2)
        #expect(configuration.dir == "a=b")
    }

    @Test(arguments: [
        (["x"], "command line: 'x': a directive begins with '--'"),
        (["--port"], "command line: '--port': a value is missing"),
        (["--port", "--dir", "x"], "command line: '--port': a value is missing"),
        (["--port", "x"], "command line: 'port x': argument couldn't be parsed into an integer"),
        (["--nosuch", "x"], "command line: 'nosuch x': unknown directive"),
        (
            ["--heartbeat-interval", "200"],
            "command line: 'heartbeat-interval 200': heartbeat-interval (200 ms) must be less than "
                + "half of election-timeout (300 ms)"
        ),
    ]) func `errors of the command line say so`(arguments: [String], expected: String) {
        do {
            _ = try Self.parse("", try Configuration.overrides(from: arguments))
            Issue.record("accepted")
        } catch {
            #expect(error.description == expected)
        }
    }

    @Test func `files include files, and their errors carry their names`() throws {
        let files = [
            "a": "port 5000\ninclude b", "b": "timeout 7", "c": "\nport x", "d": "include d",
        ]
        func parse(_ text: String) throws(ConfigurationError) -> Configuration {
            try Configuration.parse(file: text, name: "x.conf", include: { files[$0] })
        }
        let configuration = try parse("include a")
        #expect(configuration.port == 5000)
        #expect(configuration.timeoutSeconds == 7)
        for (text, place) in [("include c", "c:2: "), ("include d", "d:1: ")] {
            do {
                _ = try parse(text)
                Issue.record("accepted")
            } catch {
                #expect(error.description.hasPrefix(place))
            }
        }
    }

    @Test func `a file that served Redis starts with warnings`() throws {
        let configuration = try Self.parse("hz 10\nrdbcompression yes\nsave \"\"\nappendonly yes")
        #expect(
            configuration.warnings == [
                "x.conf:1: 'hz 10' has no effect in Skein",
                "x.conf:2: 'rdbcompression yes' has no effect in Skein",
            ])
    }

    @Test func `no text crashes the parser`() {
        var generator = SeededGenerator(seed: 31)
        let names = Directive.all.map(\.name) + ["include", "x", "#", ""]
        let values = [
            "", "0", "-1", "yes", "no", "1mb", "\"", "'", "a=b:1", "[", "=", ":", ",", "-",
            "9223372036854775807", "9223372036854775808gb", "normal 1 1 1", "n1=[]:1", "\u{0}", "é",
        ]
        for _ in 0..<20_000 {
            var text = ""
            for _ in 0..<generator.below(4) {
                text += names[Int(generator.below(UInt64(names.count)))]
                for _ in 0..<generator.below(4) {
                    text += " " + values[Int(generator.below(UInt64(values.count)))]
                }
                text += "\n"
            }
            _ = try? Self.parse(text)
        }
    }
}

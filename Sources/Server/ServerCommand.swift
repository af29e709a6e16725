internal import CSkein
internal import Configuration
internal import Engine
internal import Glibc
internal import Logging
internal import UV

/// The command line of `skein-server`, and what it leads to.
public enum ServerCommand {
    /// Exit code for everything that keeps a node from running.
    private static let failure: Int32 = 1

    /// Does what the arguments (without the program's name) say; the exit code for the process.
    public static func run(_ arguments: [String]) -> Int32 {
        var arguments = arguments
        switch arguments.first {
        case "--help", "-h":
            say(usage, to: STDOUT_FILENO)
            return 0
        case "--version", "-v":
            say(BuildVersion.text, to: STDOUT_FILENO)
            return 0
        default: break
        }
        skein_bound_free()
        let onlyChecks = arguments.contains("--check-config")
        arguments.removeAll { $0 == "--check-config" }
        do {
            let (configuration, file) = try configuration(arguments)
            if onlyChecks { return checked(configuration) }
            return try serve(configuration, file: file)
        } catch {
            complain("\(error)")
            return failure
        }
    }

    private static func configuration(
        _ arguments: [String]
    ) throws -> (Configuration, file: String) {
        let file = arguments.first.flatMap { $0.hasPrefix("--") ? nil : $0 }
        let overrides = try Configuration.overrides(
            from: Array(arguments.dropFirst(file == nil ? 0 : 1)))
        guard let file else {
            return (
                try Configuration.parse(file: "", name: "command line", overrides: overrides), ""
            )
        }
        let text = try file == "-" ? TextFile.readAll(STDIN_FILENO, name: "-") : TextFile.read(file)
        let configuration = try Configuration.parse(
            file: text, name: file, overrides: overrides, include: { try? TextFile.read($0) })
        return (configuration, file == "-" ? "" : TextFile.absolute(file))
    }

    private static func checked(_ configuration: Configuration) -> Int32 {
        for warning in configuration.warnings { complain("warning: \(warning)") }
        say("configuration ok: node \(configuration.nodeName)", to: STDOUT_FILENO)
        return 0
    }

    private static func serve(_ configuration: Configuration, file: String) throws -> Int32 {
        SignalWatcher.ignoreBrokenPipes()
        // Peers' names are looked up in libuv's pool, of which it gives half to lookups: with the usual four
        // threads, one name that nobody answers for would hold up all others. The pool does nothing else,
        // and its threads come with the first name.
        setenv("UV_THREADPOOL_SIZE", "\(ServerLimits.lookupThreads)", 0)
        let sink = try LogSink(path: configuration.logfile, level: .init(configuration.loglevel))
        let log = Logger(sink)
        for warning in configuration.warnings { log.warning("configuration \(warning)") }
        let host = try NodeHost.start(configuration, file: file, sink: sink)
        try host.watchSignals()
        log.notice(
            """
            ready version=\(ServerVersion.skein) commit=\(BuildVersion.label) \
            node=\(configuration.nodeName) \
            clients=\(host.clientAddresses.joined(separator: ",")) dir=\(configuration.dir)
            """)
        let code = host.run()
        // The log is closed: nothing that follows may keep the process.
        ExitLimit.begin(code: code, within: ServerLimits.partingTime)
        host.close()
        return code
    }

    private static func complain(_ text: String) { say("skein-server: \(text)", to: STDERR_FILENO) }

    private static func say(_ text: String, to descriptor: Int32) {
        var line = text + "\n"
        line.withUTF8 { _ = write(descriptor, $0.baseAddress!, $0.count) }
    }

    private static let usage = """
        Usage: skein-server [FILE | -] [--directive value ...]
               skein-server [FILE | -] [--directive value ...] --check-config
               skein-server --version | --help

        Starts a node with the configuration in FILE (- reads it from standard input; without it,
        with the defaults). Directives on the command line come after the file's:

            skein-server conf/skein.conf --port 7000 --dir /var/lib/skein

        conf/skein.conf explains every directive. --check-config reads everything, says what is
        wrong with file, line and reason, and exits: 0 when the node would start with it.
        SIGTERM and SIGINT stop the node cleanly (the second one at once), SIGHUP opens the
        logfile anew.
        """
}

extension Logger.Level {
    init(_ directive: LogLevel) {
        switch directive {
        case .debug: self = .debug
        case .verbose: self = .info
        case .notice: self = .notice
        case .warning: self = .warning
        }
    }
}

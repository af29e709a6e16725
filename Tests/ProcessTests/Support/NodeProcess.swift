import Foundation

/// One server process, with its configuration, its directory and its output in a file.
final class NodeProcess {
    let name: String
    let port: Int
    /// Its port for nodes, if the test knows it.
    var clusterPort = 0
    let folder: URL  // holds node.conf, the log and the data directory
    private var process: Process?
    private let owner: TestFolder  // lives as long as any node in it
    /// A program that starts the server, with its own arguments; the server's command line follows them.
    var launcher: [String] = []

    init(name: String, port: Int, in owner: TestFolder) {
        (self.name, self.port, self.owner) = (name, port, owner)
        folder = owner.url.appending(path: name)
    }

    var dataFolder: URL { folder.appending(path: "data") }
    var configuration: URL { folder.appending(path: "node.conf") }
    private var output: URL { folder.appending(path: "output.log") }

    /// All that the process wrote to standard output and standard error so far.
    var log: String { (try? String(contentsOf: output, encoding: .utf8)) ?? "" }

    var isRunning: Bool { process?.isRunning ?? false }
    var pid: Int32 { process?.processIdentifier ?? 0 }

    /// Starts the process unless it runs; its output is appended to the log. `environment` comes on top
    /// of this process's.
    func start(_ overrides: String..., environment: [String: String] = [:]) throws {
        guard !isRunning else { return }
        if !FileManager.default.fileExists(atPath: output.path) {
            try Data().write(to: output)
        }
        let handle = try FileHandle(forWritingTo: output)
        try handle.seekToEnd()
        let process = Process()
        let command = launcher + [Binary.path, configuration.path] + overrides
        process.executableURL = URL(filePath: command[0])
        process.arguments = Array(command.dropFirst())
        process.environment = Binary.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = handle
        process.standardError = handle
        try runUnblocked(process)
        try handle.close()
        self.process = process
    }

    /// SIGKILL, and waits until the process is gone.
    func kill() {
        signal(SIGKILL)
        process?.waitUntilExit()
    }

    /// SIGTERM, and waits; the exit code.
    @discardableResult
    func stop() -> Int32? {
        signal(SIGTERM)
        return exitCode(within: .seconds(15))
    }

    func signal(_ number: Int32) {
        if isRunning { Foundation.kill(pid, number) }
    }

    /// The exit code, or nil when the process still runs after `limit` or died by a signal.
    func exitCode(within limit: Duration) -> Int32? {
        guard let process, eventually(within: limit, { !process.isRunning }) else { return nil }
        process.waitUntilExit()
        return process.terminationReason == .exit ? process.terminationStatus : nil
    }

    func client(timeout: Duration = .seconds(15)) throws -> RESPClient {
        try RESPClient(port: port, timeout: timeout)
    }

    /// Resident memory in bytes.
    var residentBytes: Int {
        let statm = (try? String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8)) ?? ""
        return (Int(statm.split(separator: " ").dropFirst().first ?? "0") ?? 0) * 4096
    }

    deinit { kill() }
}

/// Starts a process with no signal blocked. Tests run on threads that block them all, a child would
/// inherit that, and SIGTERM would never reach it.
func runUnblocked(_ process: Process) throws {
    var none = sigset_t()
    var before = sigset_t()
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    try process.run()
}

import Foundation

/// One server process with its address, its directory, its log and perhaps a disk of its own.
final class Member {
    /// From 1.
    let number: Int
    let port: Int
    let folder: URL
    private let server: String
    private var process: Process?
    /// nil where file systems cannot be mounted.
    private(set) var disk: SmallDisk?
    /// Whether this program wants it to run: a process that is gone nevertheless ended by itself.
    private(set) var isWanted = false
    private(set) var isPaused = false

    static func address(_ number: Int) -> String { "127.0.0.\(number)" }
    var address: String { Self.address(number) }
    var name: String { "n\(number)" }
    private var dataFolder: URL { folder.appending(path: "data") }
    private var configuration: URL { folder.appending(path: "node.conf") }
    var logFile: URL { folder.appending(path: "node.log") }

    /// Writes its configuration: client ports are `basePort` and up, peers' ports a hundred above.
    init(
        _ number: Int, of count: Int, basePort: Int, in root: URL, server: String,
        directives: [String], diskMegabytes: Int?
    ) throws {
        self.number = number
        self.server = server
        port = basePort + number
        folder = root.appending(path: "n\(number)")
        try FileManager.default.createDirectory(
            at: folder.appending(path: "data"), withIntermediateDirectories: true)
        if let diskMegabytes {
            disk = try SmallDisk(megabytes: diskMegabytes, at: folder.appending(path: "data"))
        }
        let founders = (1...count).map { "n\($0)=\(Self.address($0)):\(basePort + 100 + $0)" }
        let lines =
            [
                "node-name n\(number)", "bind \(Self.address(number))", "port \(port)",
                "cluster-port \(basePort + 100 + number)", "dir \"\(dataFolder.path)\"",
                "initial-cluster \(founders.joined(separator: ","))",
            ] + directives
        try lines.joined(separator: "\n").appending("\n")
            .write(to: configuration, atomically: true, encoding: .utf8)
        try Data().write(to: logFile)
    }

    var isRunning: Bool { process?.isRunning ?? false }

    /// Starts the process unless it runs; its output is appended to its log.
    func start() throws {
        guard !isRunning else { return }
        let output = try FileHandle(forWritingTo: logFile)
        try output.seekToEnd()
        let process = Process()
        process.executableURL = URL(filePath: server)
        process.arguments = [configuration.path]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        try process.run()
        try output.close()
        self.process = process
        isWanted = true
    }

    /// kill -9, and waits until the process is gone.
    func kill() {
        isWanted = false
        signal(SIGKILL)
        process?.waitUntilExit()
    }

    /// SIGTERM, and waits; false when the process does not end in time.
    func terminate(within seconds: Double = 20) -> Bool {
        isWanted = false
        signal(SIGTERM)
        return TrueTime.eventually(within: seconds) { !self.isRunning }
    }

    func pause() {
        signal(SIGSTOP)
        isPaused = true
    }

    func resume() {
        guard isPaused else { return }
        signal(SIGCONT)
        isPaused = false
    }

    private func signal(_ number: Int32) {
        if let process, process.isRunning { Foundation.kill(process.processIdentifier, number) }
    }

    /// Lines of the log that say that something is wrong.
    var complaints: [String] {
        let text = (try? String(contentsOf: logFile, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init).filter { line in
            ["invariant broken", "fatal ", "Fatal error", "state-diverged", "lacks-state"]
                .contains { line.contains($0) }
        }
    }

    /// Ends the process and gives its disk back.
    func remove() {
        resume()
        disk?.thaw()
        kill()
        disk = nil
    }
}

import Bytes
import Configuration
import Glibc
import Logging
import UV

@testable import Server

/// A whole node in this process, its loop on a thread of its own.
final class RunningNode {
    let port: UInt16
    private let directory: TemporaryDirectory
    private let commands = Mailbox<Void>()
    private let outcome: Outcome
    private var thread: Thread?

    private final class Outcome: Sendable {
        let isUp = Monitor<String?>(nil)
        let code = Monitor<Int32?>(nil)
    }

    /// Starts a node with these directives; throws what `NodeHost.start` throws.
    init(_ directory: TemporaryDirectory, port: UInt16, _ directives: String = "") throws {
        self.port = port
        self.directory = directory
        SignalWatcher.ignoreBrokenPipes()
        let text = """
            port \(port)
            dir \(directory.path)/data
            logfile \(directory.path)/log
            \(directives)
            """
        let configuration = try Configuration.parse(file: text, name: "test")
        let outcome = Outcome()
        self.outcome = outcome
        let commands = commands
        thread = try Thread(name: "node") {
            do {
                let sink = try LogSink(path: configuration.logfile, level: .debug)
                let host = try NodeHost.start(configuration, file: "", sink: sink)
                try commands.attach(to: host.loop) { [unowned host] in host.shutDown(reason: "test")
                }
                outcome.isUp.update { $0 = "" }
                let code = host.run()
                host.close()
                outcome.code.update { $0 = code }
            } catch {
                outcome.isUp.update { $0 = "\(error)" }
            }
        }
        let failure = outcome.isUp.wait { $0 }
        if let failure, failure != "" {
            thread?.join()
            thread = nil
            throw NodeStartError(failure)
        }
    }

    deinit { _ = stop() }

    /// Stops the node cleanly; its exit code.
    @discardableResult
    func stop() -> Int32? {
        guard let thread else { return nil }
        commands.post(())
        thread.join()
        self.thread = nil
        return outcome.code.withLock { $0 }
    }

    func client(through host: String = "127.0.0.1") throws -> TestClient {
        try TestClient(self, host)
    }

    /// A port that is free now; the kernel does not give it out again soon.
    static func freePort() throws -> UInt16 {
        let loop = try Loop()
        let listener = try TCPListener(loop, address: Address(host: "127.0.0.1", port: 0))
        let port = listener.address.port
        loop.closeAllHandles()
        return port
    }
}

/// A client that waits: a plain blocking socket with a time limit.
final class TestClient {
    private let descriptor: Int32
    /// Stops when nobody refers to it any more: not before its clients are done.
    private let node: RunningNode

    init(_ node: RunningNode, _ host: String) throws {
        self.node = node
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = node.port.bigEndian
        address.sin_addr.s_addr = inet_addr(host)
        let status = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { throw UVError(code: -errno, operation: "connect") }
    }

    deinit { close(descriptor) }

    func send(_ text: String) { send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) {
        var done = 0
        while done < bytes.count {
            let sent = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress! + done, bytes.count - done, 0)
            }
            guard sent > 0 else { return }
            done += sent
        }
    }

    /// Sends no more; the replies can still be read.
    func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// The next `count` bytes; fewer at the end of the connection or when it takes too long.
    func receive(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes {
                recv(descriptor, $0.baseAddress! + done, count - done, 0)
            }
            guard got > 0 else { break }
            done += got
        }
        bytes.removeLast(count - done)
        return bytes
    }

    /// Sends and returns the reply, known to be as long as `expected`.
    func ask(_ text: String, _ expected: String) -> Bool {
        send(text)
        return receives(expected)
    }

    func receives(_ expected: String) -> Bool {
        let reply = String(decoding: receive(expected.utf8.count), as: UTF8.self)
        if reply != expected { print("received \(reply.debugDescription)") }
        return reply == expected
    }

    /// Everything up to the end of the connection.
    func receiveAll() -> String {
        var all: [UInt8] = []
        while true {
            let piece = receive(1)
            if piece.isEmpty { return String(decoding: all, as: UTF8.self) }
            all += piece
        }
    }

    /// Drops the connection with a reset.
    func reset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
    }
}

import Foundation
import Simulator

/// A client's connection that never blocks: bytes in, replies out.
final class Line {
    /// Clients come from here; no rule of the firewall names it.
    private static let source = "127.0.0.100"

    private(set) var descriptor: Int32
    private var parser = ReplyParser()
    private var output: [UInt8] = []

    /// Begins to connect; nil when that is refused at once.
    init?(to address: String, port: Int) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        self.descriptor = descriptor
        var one: Int32 = 1
        setsockopt(
            descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        _ = Self.with(Self.source, 0) { bind(descriptor, $0, $1) }
        let result = Self.with(address, port) { connect(descriptor, $0, $1) }
        guard result == 0 || errno == EINPROGRESS else {
            close()
            return nil
        }
    }

    deinit { close() }

    func close() {
        if descriptor >= 0 { Foundation.close(descriptor) }
        descriptor = -1
    }

    private static func with(
        _ address: String, _ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var storage = sockaddr_in()
        storage.sin_family = sa_family_t(AF_INET)
        storage.sin_port = in_port_t(port).bigEndian
        storage.sin_addr.s_addr = inet_addr(address)
        return withUnsafePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    /// Queues bytes; they leave as far as the kernel takes them, the rest when it takes more.
    func send(_ bytes: [UInt8]) {
        output += bytes
        flush()
    }

    var wantsToWrite: Bool { !output.isEmpty }

    /// Writes what is queued. An error shows when reading.
    func flush() {
        guard !output.isEmpty else { return }
        let count = Foundation.send(descriptor, output, output.count, Int32(MSG_NOSIGNAL))
        if count > 0 { output.removeFirst(count) }
    }

    /// Reads what is there; false when the connection is over.
    func receive() -> Bool {
        withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 1) { space in
            while true {
                let count = recv(descriptor, space.baseAddress!, space.count, 0)
                if count < 0 { return errno == EAGAIN || errno == EINTR }
                if count == 0 { return false }
                parser.append(Array(space[..<count]))
                if count < space.count { return true }
            }
        }
    }

    /// The next whole reply.
    func next() throws -> Reply? { try parser.next() }
}

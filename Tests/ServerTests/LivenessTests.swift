import Bytes
import Configuration
import Logging
import Raft
import Testing
import UV

@testable import Server

@Suite struct LivenessTests {
    @Test func `frames are read back at any cut`() throws {
        let frames: [LivenessFrame] = [
            .hello(node: NodeID(3), token: 0x1234_5678_9abc_def0),
            .message(
                .ping(
                    LivenessPing(
                        sender: NodeID(1), boot: 7, sendTime: Instant(nanoseconds: 123_456),
                        sequence: 9))),
            .message(
                .pong(
                    LivenessPong(
                        sender: NodeID(2), boot: 8, pingBoot: 7,
                        pingTime: Instant(nanoseconds: 123_456), pingSequence: 9, followEpoch: 5,
                        promisedAt: Instant(nanoseconds: 77), promise: .milliseconds(300)))),
        ]
        var all = ByteBuffer()
        for frame in frames { frame.encode(into: &all) }
        var input = ByteBuffer()
        var taken: [LivenessFrame] = []
        for byte in all.copyBytes() {
            input.append(byte)
            while let frame = try LivenessFrame.take(from: &input) { taken.append(frame) }
        }
        #expect(taken == frames)
        let left = input.count
        #expect(left == 0)
    }

    @Test(
        arguments: [
            [0, 0, 0, 0], [65, 0, 0, 0], [255, 255, 255, 255], [1, 0, 0, 0, 9], [1, 0, 0, 0, 3],
            [16, 0, 0, 0, 3, 99, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8],
        ] as [[UInt8]])
    func `what is no frame is refused`(bytes: [UInt8]) {
        var refused = false
        var input = ByteBuffer(bytes)
        do throws(DecodeError) { _ = try LivenessFrame.take(from: &input) } catch { refused = true }
        #expect(refused)
    }

    @Test func `random bytes never crash the reader`() {
        var random = SeededGenerator(seed: 11)
        for _ in 0..<20_000 {
            var input = ByteBuffer()
            let length = random.below(70)
            input.append(littleEndian: UInt32(length))
            for _ in 0..<random.below(80) { input.append(UInt8(truncatingIfNeeded: random.next())) }
            do throws(DecodeError) {
                while try LivenessFrame.take(from: &input) != nil {}
            } catch {}
        }
    }

    @Test func `two nodes hear each other, lose each other and meet again`() throws {
        let nodes = try (0..<2).map { _ in try TestNode() }
        let ports = nodes.map(\.port)
        func start(_ index: Int, boot: UInt64) throws {
            try nodes[index].start(index, ports: ports, boot: boot, token: 1)
        }
        try start(0, boot: 1)
        try start(1, boot: 1)
        #expect(nodes[0].waits { $0.isUp(NodeID(2), now: bootInstant()) })
        #expect(nodes[1].waits { $0.isUp(NodeID(1), now: bootInstant()) })
        #expect(nodes[0].waits { $0.leaseEnd(by: NodeID(2), epoch: 1 << 32 | 1) != nil })

        nodes[1].stop()
        #expect(nodes[0].waits { !$0.isUp(NodeID(2), now: bootInstant()) })
        try start(1, boot: 2)
        #expect(nodes[0].waits { $0.boot(of: NodeID(2)) == 2 })
        #expect(nodes[1].waits { $0.isUp(NodeID(1), now: bootInstant()) })
        for node in nodes { node.stop() }
    }

    @Test func `a node of another cluster is not heard`() throws {
        let nodes = try (0..<2).map { _ in try TestNode() }
        let ports = nodes.map(\.port)
        try nodes[0].start(0, ports: ports, boot: 1, token: 1)
        try nodes[1].start(1, ports: ports, boot: 1, token: 2)
        #expect(
            !nodes[0].waits(within: .milliseconds(600)) { $0.lastHeard(from: NodeID(2)) != nil })
        #expect(nodes[1].liveness?.lastHeard(from: NodeID(1)) == nil)
        for node in nodes { node.stop() }
    }
}

/// A node that has nothing but its liveness: a listener on a thread of its own hands connections on.
private final class TestNode {
    let port: UInt16
    private(set) var liveness: PairLiveness?
    private var thread: LivenessThread?
    private var acceptor: Thread?
    private let commands = Mailbox<Bool>()

    init() throws {
        // Chosen by the kernel, given back, and taken by the acceptor: nobody else wants it.
        let loop = try Loop()
        let listener = try TCPListener(loop, address: Address(host: "127.0.0.1", port: 0))
        port = listener.address.port
        loop.closeAllHandles()
    }

    func start(_ index: Int, ports: [UInt16], boot: UInt64, token: UInt64) throws {
        let liveness = PairLiveness(
            node: NodeID(UInt16(index + 1)), boot: boot, peers: [NodeID(1), NodeID(2)],
            promise: .milliseconds(200), busyLimit: .seconds(60), now: bootInstant())
        self.liveness = liveness
        let other = 1 - index
        let settings = LivenessSettings(
            node: NodeID(UInt16(index + 1)),
            peers: [
                .init(
                    node: NodeID(UInt16(other + 1)), name: "n\(other + 1)", host: "127.0.0.1",
                    port: ports[other])
            ],
            bind: try BindAddresses([.loopback]), heartbeat: .milliseconds(20),
            silence: .milliseconds(400), token: token, tokens: [token])
        let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let thread = try LivenessThread(settings, liveness, log: log)
        self.thread = thread
        let post = thread.adopter
        let (commands, port) = (commands, port)
        acceptor = try Thread(name: "acceptor") {
            guard let loop = try? Loop(),
                let address = try? Address(host: "127.0.0.1", port: port),
                let listener = try? TCPListener(loop, address: address)
            else { return }
            listener.onConnection = { stream in
                _ = GreetingReader(stream, within: .seconds(1)) { _, stream, greeting in
                    if greeting == .liveness, let copy = try? stream.duplicateDescriptor() {
                        post(copy)
                    }
                    stream.close()
                }
            }
            try? commands.attach(to: loop) { _ in loop.stop() }
            loop.run()
            commands.detach()
            loop.closeAllHandles()
        }
    }

    func stop() {
        commands.post(true)
        acceptor?.join()
        acceptor = nil
        thread?.beginStop()
        thread?.join()
        thread = nil
    }

    func waits(within limit: Interval = .seconds(10), for condition: (PairLiveness) -> Bool) -> Bool
    {
        guard let liveness else { return false }
        let deadline = bootInstant() + limit
        while !condition(liveness) {
            if bootInstant() > deadline { return false }
            SystemClock.sleep(.milliseconds(2))
        }
        return true
    }
}

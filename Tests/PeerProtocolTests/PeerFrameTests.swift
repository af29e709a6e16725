import Bytes
import PeerProtocol
import Testing

@Suite struct PeerFrameTests {
    func frame(_ kind: PeerFrameKind, _ body: [UInt8]) -> [UInt8] {
        var writer = FrameWriter()
        writer.open(kind)
        writer.bytes.append(body)
        writer.close()
        return writer.bytes.copyBytes()
    }

    @Test func `a frame is read only when it is whole`() throws {
        let bytes = frame(.raft, [1, 2, 3])
        for length in 0..<bytes.count {
            let partial = try PeerFrame(in: bytes.span.extracting(0..<length)) == nil
            #expect(partial)
        }
        guard let whole = try PeerFrame(in: bytes.span) else {
            Issue.record("no frame")
            return
        }
        let (kind, count, length) = (whole.kind, whole.body.count, whole.length)
        #expect(kind == .raft)
        #expect(count == 3)
        #expect(length == bytes.count)
    }

    @Test func `a flipped bit anywhere is seen`() {
        let bytes = frame(.forward, Array(0..<50))
        for bit in 32..<bytes.count * 8 {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: FrameError.checksum) { _ = try PeerFrame(in: damaged.span)?.length }
        }
    }

    @Test func `a frame that announces too much is refused before it arrives`() {
        let bytes: [UInt8] = [0, 0, 2, 0, 0, 0, 0, 0, 3]
        #expect(throws: FrameError.tooLong(0x2_0000)) { _ = try PeerFrame(in: bytes.span)?.length }
    }

    @Test func `a hello comes back as it was sent`() throws {
        let hello = Hello(
            name: "n1", node: 1, incarnation: Incarnation(77), boot: 3, membership: .bootstrapping,
            cluster0: 5, cluster1: 6, clientHost: "127.0.0.1", clientPort: 7001,
            admitted: [Admitted(node: 2, incarnation: Incarnation(78))], process: 79,
            earlierProcesses: [80, .max])
        var bytes = ByteBuffer()
        hello.encode(into: &bytes)
        #expect(try Hello(decoding: bytes.readable) == hello)
        // Older programs end theirs before the earlier processes.
        let whole = bytes.copyBytes()
        let older = whole.count - 1 - 2 * 8
        for length in 0..<whole.count where length != older {
            #expect(throws: DecodeError.self) {
                try Hello(decoding: whole.span.extracting(0..<length))
            }
        }
        let told = try Hello(decoding: whole.span.extracting(0..<older))
        #expect(told.earlierProcesses.isEmpty && told.process == 79 && told.oldestVersion == 1)
    }

    @Test func `a hello names the processes of its newest starts`() {
        let hello = hello(boot: 10, earlier: [9, 8, 7])
        #expect(
            (0...12).map { hello.process(ofStart: $0) } == [
                nil, nil, nil, nil, nil, nil, nil, 7, 8, 9, 100, nil, nil,
            ])
        #expect(self.hello(boot: .max, earlier: []).process(ofStart: 0) == nil)
    }

    @Test func `a hello that tells more starts than there can be is refused`() throws {
        let most = [UInt64](repeating: 1, count: Hello.earlierStartsMax)
        for (boot, earlier, isRead) in [
            (.max, most, true), (65, most, true), (64, most, false), (.max, most + [1], false),
            (1, [], true), (0, [], true), (0, [1], false), (1, [1], false), (2, [1], true),
        ] as [(UInt64, [UInt64], Bool)] {
            var bytes = ByteBuffer()
            hello(boot: boot, earlier: earlier).encode(into: &bytes)
            let decoded = try? Hello(decoding: bytes.readable)
            #expect((decoded?.earlierProcesses == earlier) == isRead, "\(boot): \(earlier.count)")
        }
        // A count beyond all bounds, behind the fields that were always there.
        var bytes = ByteBuffer()
        hello(boot: 3, earlier: []).encode(into: &bytes)
        let end = [UInt8](repeating: 0xFF, count: 9) + [1]
        #expect(throws: DecodeError.self) {
            try Hello(decoding: (bytes.copyBytes().dropLast() + end).span)
        }
    }

    @Test(arguments: 0..<20) func `damaged hellos are refused or read, never worse`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var whole = ByteBuffer()
        hello(boot: 70, earlier: (0..<64).map { $0 }).encode(into: &whole)
        for _ in 0..<300 {
            var bytes = whole.copyBytes()
            for _ in 0...random.below(3) {
                let at = Int(random.below(UInt64(bytes.count)))
                switch random.below(4) {
                case 0: bytes[at] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes.remove(at: at)
                case 2: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: at)
                default: bytes.removeSubrange(at...)
                }
                if bytes.isEmpty { bytes = [0xFF] }
            }
            guard let hello = try? Hello(decoding: bytes.span) else { continue }
            #expect(hello.earlierProcesses.count <= Hello.earlierStartsMax)
            _ = hello.process(ofStart: random.next())
        }
    }

    private func hello(boot: UInt64, earlier: [UInt64]) -> Hello {
        Hello(
            name: "n1", node: 1, incarnation: Incarnation(77), boot: boot, membership: .bound,
            cluster0: 5, cluster1: 6, clientHost: "127.0.0.1", clientPort: 7001,
            admitted: [Admitted(node: 2, incarnation: Incarnation(78))], process: 100,
            earlierProcesses: earlier)
    }

    @Test func `a hello of a newer version is read without what that appends`() throws {
        let hello = Hello(
            name: "n1", node: 1, incarnation: Incarnation(77), boot: 3, membership: .empty,
            cluster0: 5, cluster1: 6, clientHost: "127.0.0.1", clientPort: 7001, admitted: [],
            versions: 7...9)
        var bytes = ByteBuffer()
        hello.encode(into: &bytes)
        bytes.append(littleEndian: UInt64(1234))
        let decoded = try Hello(decoding: bytes.readable)
        #expect(decoded == hello && decoded.version == 9 && decoded.oldestVersion == 7)
    }
}

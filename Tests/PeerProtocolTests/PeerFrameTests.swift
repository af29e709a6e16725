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
            admitted: [Admitted(node: 2, incarnation: Incarnation(78))])
        var bytes = ByteBuffer()
        hello.encode(into: &bytes)
        #expect(try Hello(decoding: bytes.readable) == hello)
        for length in 0..<bytes.count {
            let part = bytes.copyBytes()
            #expect(throws: DecodeError.self) {
                try Hello(decoding: part.span.extracting(0..<length))
            }
        }
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

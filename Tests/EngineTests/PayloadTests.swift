import Bytes
import PeerProtocol
import RESP
import Testing

@testable import Engine

@Suite struct PayloadTests {
    private func run(_ header: RunHeader, commands: Int) -> [UInt8] {
        var bytes = ByteBuffer()
        header.encode(into: &bytes)
        for _ in 0..<commands {
            LoggedCommand.encodeHead(flags: .resp3, database: 5, argumentBytes: 3, into: &bytes)
            bytes.append("abc")
        }
        return bytes.copyBytes()
    }

    /// Reads a run to its end, as apply and the leader's check do.
    private func read(_ bytes: [UInt8]) throws(DecodeError) -> Int {
        var reader = ByteReader(bytes.span)
        var commands = 0
        while reader.remaining > 0 {
            let header = try RunHeader(from: &reader)
            for offset in 0..<header.count {
                _ = try LoggedCommand(from: &reader)
                // What apply computes with it must not overflow.
                _ = header.first + UInt64(offset)
                commands += 1
            }
        }
        return commands
    }

    @Test func `a run comes back as it was written`() throws {
        let header = RunHeader(
            origin: Origin(node: .max, boot: 1 << 60), floor: 5, first: 1 << 50, count: 2)
        let bytes = run(header, commands: 2)
        var reader = ByteReader(bytes.span)
        let decoded = try RunHeader(from: &reader)
        #expect(decoded == header)
        let command = try LoggedCommand(from: &reader)
        let (flags, database, text) = (command.flags, command.database, command.arguments.text)
        #expect(flags == .resp3)
        #expect(database == 5)
        #expect(text == "abc")
    }

    @Test func `a run that says impossible things is refused`() {
        func refuses(_ header: RunHeader, commands: Int = 1) -> Bool {
            do throws(DecodeError) {
                _ = try read(run(header, commands: commands))
                return false
            } catch {
                return true
            }
        }
        let origin = Origin(node: 1, boot: 1)
        #expect(!refuses(RunHeader(origin: origin, floor: 1, first: 1, count: 1)))
        #expect(refuses(RunHeader(origin: origin, floor: 0, first: 1, count: 1)))
        #expect(refuses(RunHeader(origin: origin, floor: 2, first: 1, count: 1)))
        #expect(refuses(RunHeader(origin: origin, floor: 1, first: 0, count: 1)))
        #expect(refuses(RunHeader(origin: origin, floor: 1, first: 1, count: 0)))
        #expect(refuses(RunHeader(origin: origin, floor: 1, first: 1, count: 1 << 40)))
        #expect(refuses(RunHeader(origin: origin, floor: 1, first: 1, count: 3), commands: 2))
        // Sequences that could not be counted on from.
        #expect(refuses(RunHeader(origin: origin, floor: 1, first: .max, count: 2), commands: 2))
        #expect(refuses(RunHeader(origin: origin, floor: .max, first: .max, count: 1)))
    }

    @Test(arguments: 0..<50) func `damaged runs are refused or read, never worse`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let whole = run(
            RunHeader(origin: Origin(node: 3, boot: 300), floor: 200, first: 300, count: 4),
            commands: 4)
        for _ in 0..<300 {
            var bytes = whole
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
            _ = try? read(bytes)
            _ = try? FragmentPayload(decoding: bytes.span).offset
            _ = try? TimePayload(decoding: bytes.span)
            _ = try? ExpirePayload(decoding: bytes.span)
            _ = try? LargeReference(decoding: bytes.span)
            _ = try? NodeRecord(decoding: bytes.span)
        }
    }

    @Test func `fragments, times and expiries come back as they were written`() throws {
        var bytes = ByteBuffer()
        let origin = Origin(node: 2, boot: 9)
        FragmentPayload.encode(
            time: -5, origin: origin, command: 3, offset: 1 << 40, piece: [1, 2, 3].span,
            into: &bytes)
        let fragment = try FragmentPayload(decoding: bytes.readable)
        let (time, from, command) = (fragment.time, fragment.origin, fragment.command)
        let (offset, piece) = (fragment.offset, fragment.bytes.copied)
        #expect(time == -5)
        #expect(from == origin)
        #expect(command == 3)
        #expect(offset == 1 << 40)
        #expect(piece == [1, 2, 3])
        var expiryBytes = ByteBuffer()
        ExpirePayload(time: 77, atMost: 200).encode(into: &expiryBytes)
        let expiry = try ExpirePayload(decoding: expiryBytes.copyBytes().span)
        #expect(expiry.time == 77 && expiry.atMost == 200)
        var timeBytes = ByteBuffer()
        TimePayload(time: .max).encode(into: &timeBytes)
        var timeCopy = timeBytes.copyBytes()
        #expect(try TimePayload(decoding: timeCopy.span).time == .max)
        timeCopy[0] = 2
        #expect(throws: DecodeError.self) { try TimePayload(decoding: timeCopy.span) }
    }

    @Test(arguments: [
        NodeRecord.identity(name: "n1", incarnation: .init(7)),
        .boot(
            .max, syncMode: 2, machine: .max, mayLackEntries: true,
            processes: (1...64).map { $0 << 32 }),
        .boot(1, syncMode: 0, machine: 0, mayLackEntries: false, processes: [7]),
        .boot(1 << 24, syncMode: 1, machine: 3, mayLackEntries: false, processes: []),
        .stopped(2, processes: [9, 8]),
        .bootstrap([
            .init(node: 1, incarnation: .init(2)), .init(node: 9, incarnation: .init(.max)),
        ]),
        .bound([1, 2, 3]),
    ]) func `node records come back as they were written`(record: NodeRecord) throws {
        let bytes = record.encode()
        let decoded = try NodeRecord(decoding: bytes.readable)
        #expect(decoded == record)
    }
}

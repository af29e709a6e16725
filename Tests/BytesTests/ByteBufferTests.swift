import Bytes
import Testing

@Suite struct ByteBufferTests {
    @Test func `what is appended is read back in order`() throws {
        var buffer = ByteBuffer()
        buffer.append(littleEndian: UInt32(0xdead_beef))
        buffer.append(varint: 300)
        buffer.append(lengthPrefixed: [1, 2, 3].span)
        buffer.append("ok")
        var reader = ByteReader(buffer.readable)
        let word = try reader.read(UInt32.self)
        let number = try reader.readVarint()
        let three = try reader.readLengthPrefixed().count
        let rest = reader.remaining
        #expect(word == 0xdead_beef)
        #expect(number == 300)
        #expect(three == 3)
        #expect(rest == 2)
    }

    @Test func `consuming and growing keeps the unread bytes`() {
        var generator = SeededGenerator(seed: 7)
        var buffer = ByteBuffer()
        var model: [UInt8] = []
        for _ in 0..<2000 {
            let added = (0..<Int(generator.below(40))).map { _ in UInt8(generator.below(256)) }
            buffer.append(added)
            model += added
            let dropped = Int(generator.below(UInt64(model.count + 1)))
            buffer.consume(dropped)
            model.removeFirst(dropped)
            let same = buffer.copyBytes() == model
            #expect(same)
        }
    }

    @Test func `varints cover the whole range and refuse overflow`() throws {
        for value in [0, 1, 127, 128, 16383, 16384, UInt64.max] {
            var buffer = ByteBuffer()
            buffer.append(varint: value)
            var reader = ByteReader(buffer.readable)
            let back = try reader.readVarint()
            #expect(back == value)
        }
        let over: [UInt8] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]
        #expect(throws: DecodeError.invalid("varint")) {
            var reader = ByteReader(over.span)
            _ = try reader.readVarint()
        }
    }

    @Test func `the checksum is the published CRC-32C`() {
        let digits = Array("123456789".utf8)
        #expect(CRC32C.checksum(digits.span) == 0xe306_9283)
        let first = CRC32C.checksum(digits.span.extracting(0..<4))
        #expect(CRC32C.checksum(digits.span.extracting(4..<9), continuing: first) == 0xe306_9283)
    }

    @Test func `the hash is the published SipHash-2-4`() {
        let hash = SipHash(key0: 0x0706_0504_0302_0100, key1: 0x0f0e_0d0c_0b0a_0908)
        let message = (0..<15).map { UInt8($0) }
        #expect(hash.hash(message.span) == 0xa129_ca61_49be_45e5)
    }
}

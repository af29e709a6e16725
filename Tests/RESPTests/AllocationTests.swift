import Bytes
import RESP
import TestSupport
import Testing

/// The numbers here are the promise: a pipelined request costs no heap allocation.
@Suite struct AllocationTests {
    @Test func `the counter sees arrays, buffers and strings`() {
        let none = AllocationCounter.count {}
        let some = AllocationCounter.count {
            var array: [Int] = []
            array.append(none)
            var buffer = ByteBuffer(minimumCapacity: 100)
            buffer.append(UInt8(array.count))
            let text = String(repeating: "x", count: 100 + array.count)
            withExtendedLifetime((array, text)) {}
        }
        #expect(none == 0)
        #expect(some >= 3)
    }

    @Test func `a pipeline is parsed and answered without an allocation`() {
        let pipeline = bytes(
            String(
                repeating: "*2\r\n$3\r\nGET\r\n$5\r\nkey:1\r\nGET 'key:\\x31'\r\n"
                    + "*3\r\n$3\r\nSET\r\n$5\r\nkey:1\r\n$3\r\nxxx\r\n", count: 100))
        var parser = RequestParser()
        var writer = ReplyWriter()
        var form = ByteBuffer()
        var decoder = ArgumentDecoder()
        var requests = 0
        func run() {
            var offset = 0
            let input = pipeline.span
            while offset < pipeline.count {
                let rest = input.extracting(offset..<input.count)
                guard parser.parse(rest) == .request else { return }
                form.removeAll()
                encodeArguments(of: parser.request(over: rest), into: &form)
                if (try? decoder.decode(form.readable)) == nil { return }
                let decoded = decoder.request(over: form.readable)
                if decoded.matches(0, "GET") {
                    writer.bulk(decoded[1])
                    writer.double(0.1)
                } else {
                    let mark = writer.openArray()
                    for i in 0..<12 { writer.integer(Int64(i)) }
                    writer.closeArray(mark, count: 12)
                }
                requests += 1
                offset += parser.consumed
                parser.reset()
            }
            writer.bytes.removeAll()
        }
        // The first round grows the buffers that all later ones reuse.
        run()
        let allocations = AllocationCounter.count { run() }
        #expect(requests == 600)
        #expect(allocations == 0)
    }
}

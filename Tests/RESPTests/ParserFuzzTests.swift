import Bytes
import RESP
import Testing

@Suite struct ParserFuzzTests {
    static let seeds: [String] = [
        RequestParserTests.pipeline,
        "*3\r\n$3\r\nSET\r\n$5\r\nkey:1\r\n$3\r\nxxx\r\n",
        "*2\r\n$4\r\nMGET\r\n$1000000000\r\nx",
        "*1048576\r\n$1\r\na\r\n$1\r\nb\r\n",
        "SET \"quoted \\x41\\\"\" 'single \\' quoted' plain\r\n",
        "*-1\r\n*0\r\n\r\n\n  \r\nPING\n",
    ]
    /// Bytes that mean something to the parser, so that mutations reach its corners.
    static let spice = bytes("*$\r\n0123456789-+\"' \\x\0\t:")

    /// One mutated stream.
    static func mutate(_ generator: inout SeededGenerator) -> [UInt8] {
        var stream = bytes(seeds[Int(generator.below(UInt64(seeds.count)))])
        if generator.below(2) == 0 {
            stream += bytes(seeds[Int(generator.below(UInt64(seeds.count)))])
        }
        for _ in 0..<generator.below(12) {
            let at = Int(generator.below(UInt64(stream.count + 1)))
            switch generator.below(5) {
            case 0 where at < stream.count: stream[at] = UInt8(generator.below(256))
            case 1 where at < stream.count: stream.remove(at: at)
            case 2:
                stream.insert(spice[Int(generator.below(UInt64(spice.count)))], at: at)
            case 3:
                let end = min(stream.count, at + Int(generator.below(20)))
                stream.insert(
                    contentsOf: stream[at..<end], at: Int(generator.below(UInt64(at + 1))))
            default:
                stream.removeLast(Int(generator.below(UInt64(stream.count / 4 + 1))))
            }
            if stream.isEmpty { stream = [0x0A] }
        }
        return stream
    }

    @Test func `mutated streams never crash and read alike however they are split`() {
        var generator = SeededGenerator(seed: 0x5eed_0001)
        for round in 0..<20_000 {
            let stream = Self.mutate(&generator)
            let whole = parse([stream])
            var pieces: [[UInt8]] = []
            var rest = stream[...]
            while !rest.isEmpty {
                let count = min(rest.count, 1 + Int(generator.below(round % 2 == 0 ? 3 : 40)))
                pieces.append(Array(rest.prefix(count)))
                rest = rest.dropFirst(count)
            }
            let pieced = parse(pieces)
            if whole != pieced { Issue.record("seed 0x5eed0001, round \(round): \(stream)") }
            // Ranges may double their room; nothing else grows with what was received.
            #expect(whole.memoryMax <= 4096 + 32 * stream.count)
        }
    }

    @Test func `random bytes never crash`() {
        var generator = SeededGenerator(seed: 0x5eed_0002)
        for _ in 0..<5000 {
            let count = Int(generator.below(300))
            let stream = (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            #expect(parse([stream]) == parse(stream.map { [$0] }))
        }
    }

    @Test func `the binary form never crashes on random bytes`() throws {
        var generator = SeededGenerator(seed: 0x5eed_0003)
        var decoder = ArgumentDecoder()
        for _ in 0..<20_000 {
            let count = Int(generator.below(40))
            let form = (0..<count).map { _ in
                UInt8(truncatingIfNeeded: generator.below(generator.below(2) == 0 ? 8 : 256))
            }
            guard let used = try? decoder.decode(form.span) else { continue }
            #expect(used <= form.count)
            let request = decoder.request(over: form.span)
            let lengths = (0..<request.count).map { request[$0].count }
            #expect(lengths.reduce(0, +) < form.count)
        }
    }
}

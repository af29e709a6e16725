import Bytes
import PeerProtocol
import Store
import Testing

@testable import Engine

@Suite struct AssembliesTests {
    static let origin = Origin(node: 1, boot: 1)

    private func add(
        _ text: String, _ command: UInt64, at offset: UInt64, _ origin: Origin = origin,
        time: Int64 = 0, to assemblies: inout Assemblies
    ) -> UInt64 {
        let bytes = Array(text.utf8)
        return assemblies.add(
            bytes.span, origin: origin, command: command, offset: offset, time: time)
    }

    private func take(
        _ command: UInt64, _ length: UInt64, _ origin: Origin = origin,
        from assemblies: inout Assemblies
    ) -> String? {
        let owner = assemblies.take(
            origin: origin, reference: LargeReference(command: command, length: length))
        guard let owner else { return nil }
        return owner.span.text
    }

    @Test func `pieces in order make the whole, repetitions and gaps do not count`() {
        var assemblies = Assemblies()
        #expect(add("abc", 1, at: 0, to: &assemblies) == 3)
        #expect(add("abc", 1, at: 0, to: &assemblies) == 3)
        #expect(add("xyz", 1, at: 4, to: &assemblies) == 3)
        #expect(add("de", 1, at: 3, to: &assemblies) == 5)
        #expect(add("q", 2, at: 0, to: &assemblies) == 1)
        #expect(assemblies.byteCount == 6)
        #expect(take(1, 5, from: &assemblies) == "abcde")
        #expect(take(1, 5, from: &assemblies) == nil)
        #expect(assemblies.byteCount == 1)
    }

    @Test func `a command that is not whole is not taken`() {
        var assemblies = Assemblies()
        _ = add("abc", 1, at: 0, to: &assemblies)
        #expect(take(1, 4, from: &assemblies) == nil)
        #expect(assemblies.byteCount == 0)
        #expect(add("d", 1, at: 3, to: &assemblies) == 0)
    }

    @Test func `a new start of the origin drops what the old one began`() {
        var assemblies = Assemblies()
        _ = add("abc", 1, at: 0, to: &assemblies)
        _ = add("o", 1, at: 0, Origin(node: 2, boot: 1), to: &assemblies)
        _ = add("n", 1, at: 0, Origin(node: 1, boot: 2), to: &assemblies)
        #expect(take(1, 3, from: &assemblies) == nil)
        #expect(take(1, 1, Origin(node: 2, boot: 1), from: &assemblies) == "o")
        #expect(take(1, 1, Origin(node: 1, boot: 2), from: &assemblies) == "n")
        #expect(assemblies.byteCount == 0)
    }

    @Test func `what got no piece for a minute of log time is given up`() {
        var assemblies = Assemblies()
        _ = add("abc", 1, at: 0, time: 1000, to: &assemblies)
        _ = add("x", 2, at: 0, time: 61_000, to: &assemblies)
        #expect(assemblies.byteCount == 4)
        _ = add("y", 2, at: 1, time: 61_001, to: &assemblies)
        #expect(assemblies.byteCount == 2)
        #expect(take(1, 3, from: &assemblies) == nil)
    }

    @Test func `an image holds what was put together, also when that is more than the limit`()
        throws
    {
        // `add` keeps the newest command whatever its length: an image of it must be of use.
        var image = ByteBuffer()
        let count = EngineLimits.assemblyBytesMax + 1
        for number in [1, 1, 1, 7, UInt64(count)] { image.append(varint: number) }
        image.append(littleEndian: UInt32(0))
        image.append(littleEndian: Int64(5))
        var reader = ByteReader(image.readable)
        let (_, missing) = try Assemblies.decode(&reader)
        #expect(missing == [count])
        #expect(reader.remaining == 0)
    }

    @Test func `the digest tells what is there apart`() {
        func digest(_ pieces: [String]) -> UInt64 {
            var assemblies = Assemblies()
            var offset: UInt64 = 0
            for piece in pieces { offset = add(piece, 1, at: offset, to: &assemblies) }
            var hash = StateHash(seed: 1)
            assemblies.feed(into: &hash)
            return hash.value
        }
        #expect(digest(["ab", "c"]) == digest(["a", "bc"]))
        #expect(digest(["abc"]) != digest(["abd"]))
    }
}

@Suite struct InboundStreamTests {
    private func header(_ term: UInt64, _ stream: UInt64, _ position: UInt64) -> ForwardHeader {
        ForwardHeader(group: 1, term: term, stream: stream, position: position)
    }

    @Test func `frames are taken in order, each once`() {
        var stream = InboundStream()
        #expect(stream.judge(header(3, 1, 0), boot: 1) == .take)
        #expect(stream.judge(header(3, 1, 0), boot: 1) == .ignore)
        #expect(stream.judge(header(3, 1, 2), boot: 1) == .gap)
        #expect(stream.judge(header(3, 1, 1), boot: 1) == .take)
        #expect(stream.judge(header(3, 1, 2), boot: 1) == .take)
    }

    @Test func `a stream must begin at its beginning`() {
        var stream = InboundStream()
        #expect(stream.judge(header(3, 1, 1), boot: 1) == .gap)
        #expect(stream.judge(header(3, 1, 0), boot: 1) == .take)
        #expect(stream.judge(header(3, 2, 1), boot: 1) == .gap)
        // The stream before goes on until the new one begins.
        #expect(stream.judge(header(3, 1, 1), boot: 1) == .take)
    }

    @Test func `an older stream, term or start is ignored`() {
        var stream = InboundStream()
        #expect(stream.judge(header(3, 2, 0), boot: 2) == .take)
        #expect(stream.judge(header(3, 1, 0), boot: 2) == .ignore)
        #expect(stream.judge(header(2, 9, 0), boot: 2) == .ignore)
        #expect(stream.judge(header(9, 9, 0), boot: 1) == .ignore)
        #expect(stream.judge(header(3, 2, 1), boot: 2) == .take)
        #expect(stream.judge(header(4, 1, 0), boot: 2) == .take)
        #expect(stream.judge(header(1, 1, 0), boot: 3) == .take)
    }

    @Test func `nothing of a spoiled stream is taken, its successor is`() {
        var stream = InboundStream()
        #expect(stream.judge(header(3, 1, 0), boot: 1) == .take)
        stream.spoil()
        #expect(stream.judge(header(3, 1, 1), boot: 1) == .ignore)
        #expect(stream.judge(header(3, 1, 2), boot: 1) == .ignore)
        #expect(stream.judge(header(3, 2, 0), boot: 1) == .take)
        #expect(stream.judge(header(3, 2, 1), boot: 1) == .take)
    }
}

@Suite struct GatherTests {
    private func merged(
        _ merge: Gather.Merge, _ parts: [String]
    ) -> String {
        String(decoding: Self.gather(merge, parts).merged(), as: UTF8.self)
    }

    private static func gather(_ merge: Gather.Merge, _ parts: [String]) -> Gather {
        var gather = Gather(merge: merge, groups: parts.count)
        for (group, part) in parts.enumerated() { gather.add(Array(part.utf8), of: group) }
        return gather
    }

    @Test func `counts add up and arrays follow each other`() {
        #expect(merged(.sum, [":3\r\n", ":0\r\n", ":39\r\n"]) == ":42\r\n")
        #expect(
            merged(
                .concatenate, ["*1\r\n$1\r\na\r\n", "*0\r\n", "*2\r\n$1\r\nb\r\n$2\r\n\r\n\r\n"])
                == "*3\r\n$1\r\na\r\n$1\r\nb\r\n$2\r\n\r\n\r\n")
        #expect(merged(.first, ["+OK\r\n", "+OK\r\n"]) == "+OK\r\n")
    }

    @Test func `an error of any part is the answer`() {
        #expect(merged(.sum, [":3\r\n", "-CLUSTERDOWN x\r\n"]) == "-CLUSTERDOWN x\r\n")
    }

    @Test func `a write that some group executed is never called not executed`() {
        let uncertain = "-\(Gather.partialError)\r\n"
        #expect(merged(.first, ["-CLUSTERDOWN x\r\n", "+OK\r\n"]) == uncertain)
        #expect(merged(.first, ["+OK\r\n", "-UNCERTAIN x\r\n"]) == uncertain)
        #expect(merged(.first, ["-CLUSTERDOWN x\r\n", "-UNCERTAIN x\r\n"]) == uncertain)
        #expect(
            merged(.first, ["-CLUSTERDOWN x\r\n", "-CLUSTERDOWN x\r\n"]) == "-CLUSTERDOWN x\r\n")
    }

    @Test func `a rank finds its group`() {
        let gather = Self.gather(.pick, [":0\r\n", ":2\r\n", ":1\r\n"])
        #expect(gather.remaining == 0)
        #expect(gather.total == 3)
        #expect(gather.group(holding: 0) == 1)
        #expect(gather.group(holding: 1) == 1)
        #expect(gather.group(holding: 2) == 2)
        #expect(gather.group(holding: 3) == nil)
    }
}

@Suite struct LatencyHistogramTests {
    @Test func `percentiles are at most a sixteenth above the truth`() {
        var histogram = LatencyHistogram()
        for microseconds in 1...10_000 { histogram.record(.microseconds(Int64(microseconds))) }
        #expect(histogram.count == 10_000)
        for share in [0.1, 0.5, 0.9, 0.99, 1] {
            let truth = 10_000 * share
            let told = histogram.percentile(share)
            #expect(told >= truth && told <= truth * 1.0625, "\(share): \(told)")
        }
    }

    @Test func `any duration is counted`() {
        var histogram = LatencyHistogram()
        for nanoseconds in [Int64.min, -5, 0, 1, 2, 3, 4, 5, .max] {
            histogram.record(Interval(nanoseconds: nanoseconds))
        }
        #expect(histogram.count == 9)
        histogram.record(.microseconds(1), times: 991)
        #expect(histogram.count == 1000)
        #expect((0.999...1.0625).contains(histogram.percentile(0.5)))
        #expect(LatencyHistogram().percentile(0.5) == 0)
    }
}

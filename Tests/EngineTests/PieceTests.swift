import Bytes
import PeerProtocol
import Testing

@testable import Engine

/// What travels in pieces between an origin and a leader.
@Suite struct PieceTests {
    private func add(
        _ text: String, at offset: Int, of sequence: UInt64 = 7, from link: UInt64,
        to reply: inout PartialReply
    ) throws -> Bool {
        var bytes = ByteBuffer()
        ReplyRecord.encode(
            sequence: sequence, status: .piece, offset: offset, bytes: Array(text.utf8).span,
            into: &bytes)
        var reader = ByteReader(bytes.readable)
        let record = try ReplyRecord(from: &reader)
        return reply.add(record, from: LinkID(link))
    }

    private func text(_ reply: inout PartialReply) -> String {
        let bytes = reply.take()
        return String(decoding: bytes.copyBytes(), as: UTF8.self)
    }

    @Test func `pieces of one link make one answer`() throws {
        var reply = PartialReply()
        let first = try add("ab", at: 0, from: 1, to: &reply)
        let gap = try add("xx", at: 3, from: 1, to: &reply)
        let second = try add("cd", at: 2, from: 1, to: &reply)
        #expect(first && second && !gap)
        #expect(text(&reply) == "abcd")
    }

    @Test func `pieces of another link, or of another command, do not continue an answer`() throws {
        var reply = PartialReply()
        _ = try add("ab", at: 0, from: 1, to: &reply)
        let other = try add("CD", at: 2, from: 2, to: &reply)
        let later = try add("CD", at: 2, of: 8, from: 1, to: &reply)
        #expect(!other && !later)
        _ = try add("AB", at: 0, from: 2, to: &reply)
        let late = try add("cd", at: 2, from: 1, to: &reply)
        let mine = try add("CD", at: 2, from: 2, to: &reply)
        #expect(!late && mine)
        #expect(text(&reply) == "ABCD")
        // Nothing continues what was taken, or given up.
        let behind = try add("EF", at: 4, from: 2, to: &reply)
        #expect(!behind)
    }

    @Test func `a large command whose pieces are not kept begins anew, a few times`() {
        var now = Instant(nanoseconds: 1_000_000_000)
        var upload = Upload(
            number: 1,
            command: SharedBytes(ByteBuffer(copying: [UInt8](repeating: 1, count: 100).span)),
            session: .none, flags: [], database: 0, tableID: 0, pieceBytes: 10, windowBytes: 40,
            startedAt: now)
        for attempt in 1...3 {
            while let piece = upload.nextPiece() { upload.advance(past: piece, now: now) }
            upload.confirm(upTo: 20, now: now)
            #expect(upload.applied == 20 && upload.sent == 40)
            // The word of a piece that was lost before it began.
            upload.confirm(upTo: 0, now: now)
            #expect(upload.applied == 20)
            now = now + .seconds(2)
            #expect(upload.isStuck(since: now - .seconds(1)))
            upload.confirm(upTo: 0, now: now)
            #expect(upload.isGivenUp == (attempt == 3))
            if attempt < 3 { #expect(upload.nextPiece() == 0..<10) }
        }
        #expect(upload.nextPiece() == nil)
    }

    @Test func `a peer that takes no answers does not fill the leader's memory`() throws {
        let cluster = try EngineCluster.formed()
        let leader = try #require(cluster.leader())
        let client = try cluster.open(cluster.follower())
        let value = String(repeating: "v", count: 1 << 20)
        #expect(cluster.expect("+OK\r\n", to: command("SET", "k", value), client) == nil)
        let count = 100
        cluster.hold(from: leader, to: cluster.follower())
        cluster.send(String(repeating: command("GET", "k"), count: count), client)
        cluster.run(milliseconds: 60)
        let links = try #require(cluster.nodes[leader].process)
        var waiting = 0
        for at in 0..<links.engine.node.links.slotCount {
            waiting += links.engine.node.links[at].bulkBytes
        }
        #expect(waiting >= 60 << 20 && waiting <= 73 << 20, "\(waiting >> 20) MiB wait")
        cluster.heal()
        // Those that waited come behind, in order.
        let one = "$\(1 << 20)\r\n".utf8.count + (1 << 20) + 2
        var bytes = 0
        let isWhole = cluster.run(seconds: 30) {
            bytes += cluster.outputBytes(client).count
            return bytes >= one * count
        }
        #expect(isWhole && bytes == one * count, "\(bytes) of \(one * count) bytes")
    }
}

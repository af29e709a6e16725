import Bytes
import Configuration
import Engine
import TestSupport
import Testing
import WAL

/// The numbers here are the promise: what a turn costs on the heap.
@Suite(.serialized) struct AllocationTests {
    /// One turn of a loop as the host takes it, without anything of the test's own on the heap.
    private static func turn(
        _ process: NodeProcess, _ session: SessionID, _ input: [UInt8], now: ClockReading,
        written: inout Int
    ) {
        unsafe input.withUnsafeBytes { bytes in
            let tail = unsafe process.engine.inputTail(of: session, minimum: 16 << 10)
            unsafe tail.copyMemory(from: bytes)
            process.engine.received(bytes.count, from: session, now: now)
        }
        process.engine.endTurn(now: now)
        var bytes = 0
        process.engine.writeOutput(of: session) { span in
            bytes += span.count
            return span.count
        }
        written += bytes
        process.engine.outbox.sessionsToFlush.removeAll(keepingCapacity: true)
        process.engine.outbox.linksToFlush.removeAll(keepingCapacity: true)
    }

    @Test(arguments: [1, 3]) func `a pipelined GET on a leader with a lease allocates nothing`(
        nodes: Int
    ) throws {
        let cluster = try EngineCluster.formed(nodes: nodes)
        let leader = cluster.leader()!
        let process = cluster.nodes[leader].process!
        let client = try cluster.open(leader)
        #expect(cluster.ask("SET key:1 0123456789\r\n", client) == "+OK\r\n")
        // Sixteen per read, in RESP, beside them the reads that look at other types of keys.
        let input = Array(
            String(
                repeating: command("GET", "key:1") + command("GET", "none")
                    + command("EXISTS", "key:1") + command("STRLEN", "key:1"), count: 4
            ).utf8)
        let reply = 4 * (17 + 5 + 4 + 5)
        var written = 0
        for _ in 0..<20 {
            Self.turn(process, client.session, input, now: cluster.now, written: &written)
        }
        #expect(written == 20 * reply)
        written = 0
        let turns = 50
        let allocations = AllocationCounter.count {
            for _ in 0..<turns {
                Self.turn(process, client.session, input, now: cluster.now, written: &written)
            }
        }
        #expect(written == turns * reply)
        #expect(process.engine.leaseReadsTakenBack == 0)
        #expect(allocations == 0)
    }

    @Test func `a pipelined SET allocates a bounded number of times per turn`() throws {
        let cluster = try EngineCluster.formed(nodes: 1)
        let process = cluster.nodes[0].process!
        let client = try cluster.open(0)
        let input = Array(String(repeating: command("SET", "key:1", "0123456789"), count: 16).utf8)
        var written = 0
        var now = cluster.now
        func turn() {
            now.boot = now.boot + .microseconds(100)
            Self.turn(process, client.session, input, now: now, written: &written)
            guard let batch = process.engine.outbox.batch.take() else { return }
            process.engine.logDurable(written: batch.number, synced: batch.number, now: now)
            process.engine.endTurn(now: now)
            process.engine.writeOutput(of: client.session) { span in
                written += span.count
                return span.count
            }
            process.engine.outbox.sessionsToFlush.removeAll(keepingCapacity: true)
            // The idle mark.
            if let mark = process.engine.outbox.batch.take() {
                process.engine.logDurable(written: mark.number, synced: mark.number, now: now)
            }
        }
        for _ in 0..<20 { turn() }
        written = 0
        let turns = 50
        let allocations = AllocationCounter.count { for _ in 0..<turns { turn() } }
        #expect(written == turns * 16 * 5)
        // 16 commands make one entry, one batch and one completion: 16 in all when this was written.
        #expect(allocations <= turns * 20, "\(Double(allocations) / Double(turns)) per turn")
    }
}

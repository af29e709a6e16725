import Bytes
import Testing

@testable import Raft

/// `RaftCore.encodeState` decides which states of a small model are the same.
@Suite struct `Fingerprints of replicas` {
    @Test func `a field that was added is part of the fingerprint, or is left out on purpose`() {
        // Other sizes: look whether `RaftCore+Fingerprint.swift` must tell the new field, then note them.
        #expect(MemoryLayout<RaftCore>.size == 1033)
        #expect(MemoryLayout<Progress>.size == 233)
        #expect(MemoryLayout<Durability>.size == 104)
        #expect(MemoryLayout<PairLiveness.Peer>.size == 217)
    }

    @Test func `the same state later has the same fingerprint, another state has another`() {
        func encoding(startedAt start: Int64, seenAt offset: Int64, term: Term = 3) -> [UInt8] {
            var restored = RestoredGroup()
            restored.term = term
            let now = Instant(nanoseconds: start)
            let configuration = RaftConfiguration(
                id: NodeID(1), group: GroupID(1), members: [NodeID(1), NodeID(2), NodeID(3)])
            let core = RaftCore(configuration, restored: restored, seed: 7, now: now)
            var bytes = ByteBuffer()
            core.encodeState(into: &bytes, now: Instant(nanoseconds: start + offset))
            return bytes.copyBytes()
        }
        let state = encoding(startedAt: 1_000_000_000, seenAt: 0)
        #expect(encoding(startedAt: 9_000_000_000, seenAt: 0) == state)
        #expect(encoding(startedAt: 1_000_000_000, seenAt: 1_000_000) != state)
        #expect(encoding(startedAt: 1_000_000_000, seenAt: 0, term: 4) != state)
    }
}

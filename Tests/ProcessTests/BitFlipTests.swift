import Foundation
import Testing
import WAL

extension ProcessTests {
    /// Bits that flip in the files of one node of three, and kill -9 while files change hands.
    ///
    /// `SKEIN_ROUNDS=20` plays so many of each; without it only a few, as CI does.
    @Suite struct BitFlips {
        private static let directives = ["wal-max-size 16mb", "request-timeout 5000"]

        private static let rounds = Binary.environment["SKEIN_ROUNDS"].flatMap(Int.init) ?? 4

        /// Where bits flip, in turn.
        private enum Place: CaseIterable {
            case lastBatch, entries, segmentHeader, vote, batchHeader, snapshot, stateCopy, anywhere
        }

        private struct Flip {
            var file: URL
            var offset: Int
            var isOfLog: Bool
        }

        @Test func `a flipped bit in one node's files is found and repaired from its peers`() throws
        {
            let cluster = try TestCluster.running(directives: Self.directives)
            var acknowledged: [String] = []
            var repaired = 0
            for round in 0..<Self.rounds {
                let victim = cluster.nodes[round % 3]
                let others = cluster.nodes.filter { $0 !== victim }
                let writers = cluster.nodes.map {
                    writingClient(port: $0.port, prefix: "d\(round):\($0.name)")
                }
                try Self.fill(others[0].port, round: round, count: 90)
                victim.kill()
                let wanted = Place.allCases[round % Place.allCases.count]
                let flip = try #require(try aim(wanted, in: victim.dataFolder))
                try flipBit(flip.file, at: flip.offset, bit: Int.random(in: 0...7))
                let logged = victim.log.utf8.count
                try victim.start()
                let serves = eventually(within: .seconds(30)) { try cluster.acceptsWrites(victim) }
                #expect(serves, "\(wanted): \(victim.log.suffix(2000))")
                let isWhole = eventually(within: .seconds(30)) {
                    try field("wal_groups_under_repair", of: victim) == "0"
                        && field("loading", of: victim) == "0"
                }
                #expect(isWhole, "\(wanted): \(victim.log.suffix(2000))")
                let said = String(decoding: Array(victim.log.utf8.dropFirst(logged)), as: UTF8.self)
                let isFound = said.contains("log-damaged") || said.contains("snapshot-damaged")
                record("flip \(round) at \(wanted)", isFound ? "found" : "harmless")
                if said.contains("repaired group=") { repaired += 1 }
                if wanted == .lastBatch {
                    #expect(said.contains("log-damaged"), "\(flip): \(said.suffix(2000))")
                }
                acknowledged += writers.flatMap { $0.stopAndJoin() }
            }
            record("logs cut and repaired", "\(repaired) of \(Self.rounds)")
            #expect(repaired > 0)
            for node in cluster.nodes { #expect(try missing(acknowledged, through: node) == []) }
            // Each of them by itself, from its own files.
            for node in cluster.nodes { node.kill() }
            try cluster.start()
            for node in cluster.nodes { #expect(try missing(acknowledged, through: node) == []) }
        }

        @Test func `kill -9 amid snapshots, rotation and recovery loses nothing`() throws {
            let cluster = try TestCluster.running(directives: Self.directives)
            var acknowledged: [String] = []
            for round in 0..<Self.rounds {
                let writers = cluster.nodes.map {
                    writingClient(port: $0.port, prefix: "k\(round):\($0.name)")
                }
                let victim = cluster.nodes[round % 3]
                let port = cluster.nodes[(round + 1) % 3].port
                let filling = Background { isStopping in
                    while !isStopping() { try? Self.fill(port, round: round, count: 20) }
                }
                usleep(UInt32.random(in: 100_000...900_000))
                victim.kill()
                // And in the midst of starts.
                for _ in 0..<Int.random(in: 0...2) {
                    try victim.start()
                    usleep(UInt32.random(in: 5_000...150_000))
                    victim.kill()
                }
                try victim.start()
                let serves = eventually(within: .seconds(30)) { try cluster.acceptsWrites(victim) }
                #expect(serves, "\(victim.log.suffix(2000))")
                filling.stopAndJoin()
                acknowledged += writers.flatMap { $0.stopAndJoin() }
            }
            record("acknowledged around the kills", "\(acknowledged.count)")
            for node in cluster.nodes {
                #expect(try missing(acknowledged, through: node) == [])
                #expect(!node.log.contains("log-damaged"), "a kill was taken for damage")
            }
        }

        /// Some megabytes through the log, without more data.
        private static func fill(_ port: Int, round: Int, count: Int) throws {
            let client = try RESPClient(port: port)
            let value = String(repeating: "0123456789", count: 10_000)
            for number in 0..<count {
                _ = try client.call("SET", "fill:\(number % 5)", "\(round)\(value)")
            }
        }

        private func field(_ name: String, of node: NodeProcess) throws -> String? {
            let info = try node.client().call("INFO", "everything").string ?? ""
            let line = info.split(separator: "\r\n").first { $0.hasPrefix(name + ":") }
            return line.map { String($0.dropFirst(name.count + 1)) }
        }

        private func aim(_ place: Place, in folder: URL) throws -> Flip? {
            let log = try LogFiles(folder)
            let layout = try WALLayout(log)
            // What was written and not synced when the process ended was acknowledged to nobody.
            let marks = [UInt8](try Data(contentsOf: folder.appending(path: WALMark.fileName)))
            let acknowledged = WALMark(decoding: marks.span)?.batch
            switch place {
            case .snapshot, .stateCopy:
                let suffix = place == .snapshot ? ".snap" : "-0"
                let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
                guard let name = names.filter({ $0.hasSuffix(suffix) }).randomElement() else {
                    return try aim(.anywhere, in: folder)
                }
                let file = folder.appending(path: name)
                let size = try Data(contentsOf: file).count
                let end = place == .stateCopy ? min(size, 200) : size
                return Flip(file: file, offset: Int.random(in: 0..<end), isOfLog: false)
            default: break
            }
            let found = layout.places.filter {
                switch place {
                case .lastBatch: $0.batch == acknowledged
                case .entries: $0.part == .entries
                case .segmentHeader: $0.part == .segmentHeader
                case .vote: $0.part == .vote || $0.part == .checkpoint
                case .batchHeader: $0.part == .batchHeader
                default: $0.part != .unused
                }
            }
            guard let hit = found.randomElement() else { return nil }
            return Flip(
                file: log.url(of: hit.position.segment),
                offset: hit.position.offset + Int.random(in: 0..<hit.bytes), isOfLog: true)
        }
    }
}

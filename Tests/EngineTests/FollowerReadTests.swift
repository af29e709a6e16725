import Bytes
import Engine
import Testing

/// Reads that a follower answers itself: READONLY, `follower-reads`.
@Suite struct FollowerReadTests {
    /// A number that INFO tells of a node.
    private func fact(_ name: String, _ cluster: EngineCluster, _ node: Int) throws -> Int {
        let text = cluster.ask("INFO everything\r\n", try cluster.open(node))
        let line = text.split(separator: "\r\n").first { $0.hasPrefix(name + ":") }
        return line.flatMap { Int($0.dropFirst(name.utf8.count + 1)) } ?? -1
    }

    @Test func `a follower answers a READONLY session itself, and current`() throws {
        let cluster = try EngineCluster.formed()
        let (leader, node) = (cluster.leader()!, cluster.follower())
        let writer = try cluster.open(leader)
        let reader = try cluster.open(node)
        #expect(cluster.ask("READONLY\r\n", reader) == "+OK\r\n")
        for number in 1...20 {
            #expect(cluster.ask("SET k \(number)\r\n", writer) == "+OK\r\n")
            #expect(
                cluster.expect("$\(number < 10 ? 1 : 2)\r\n\(number)\r\n", to: "GET k\r\n", reader)
                    == nil)
        }
        #expect(try fact("follower_reads", cluster, node) == 20)
        #expect(cluster.ask("READWRITE\r\n", reader) == "+OK\r\n")
        #expect(cluster.expect("$2\r\n20\r\n", to: "GET k\r\n", reader) == nil)
        #expect(try fact("follower_reads", cluster, node) == 20)
    }

    @Test func `a pipeline of writes and near reads keeps its order`() throws {
        let cluster = try EngineCluster.formed()
        let reader = try cluster.open(cluster.follower())
        #expect(cluster.ask("READONLY\r\n", reader) == "+OK\r\n")
        for round in 1...10 {
            #expect(
                cluster.expect(
                    "+OK\r\n$\("\(round)".utf8.count)\r\n\(round)\r\n:1\r\n$-1\r\n:0\r\n",
                    to: "SET k \(round)\r\nGET k\r\nDEL k\r\nGET k\r\nEXISTS k\r\n", reader) == nil)
        }
    }

    @Test func `a key that is past due is gone for a follower's readers, and stays gone`() throws {
        let cluster = try EngineCluster.formed()
        let (leader, node) = (cluster.leader()!, cluster.follower())
        let writer = try cluster.open(leader)
        let reader = try cluster.open(node)
        #expect(cluster.ask("READONLY\r\n", reader) == "+OK\r\n")
        for round in 0..<20 {
            #expect(cluster.ask("SET e\(round) v PX 40\r\n", writer) == "+OK\r\n")
            cluster.run(milliseconds: 37 + round / 2)
            let first = cluster.ask("GET e\(round)\r\n", reader)
            cluster.run(milliseconds: 5)
            let second = cluster.ask("GET e\(round)\r\n", reader)
            #expect(first == "$1\r\nv\r\n" || first == "$-1\r\n")
            #expect(second == first || second == "$-1\r\n", "it came back")
            cluster.run(milliseconds: 30)
            #expect(cluster.expect("$-1\r\n", to: "GET e\(round)\r\n", reader) == nil)
        }
    }

    @Test func `a follower of a deposed leader answers nothing that is old`() throws {
        let cluster = try EngineCluster.formed()
        let (old, node) = (cluster.leader()!, cluster.follower())
        let reader = try cluster.open(node)
        #expect(cluster.ask("READONLY\r\n", reader) == "+OK\r\n")
        #expect(cluster.ask("SET k 1\r\n", reader) == "+OK\r\n")
        // The old leader and this follower are on one side, and the third node has nobody: then the
        // follower changes sides while its question is under way.
        cluster.isolate(old)
        cluster.send("GET k\r\n", reader)
        cluster.run { cluster.leader().map { $0 != old } ?? false }
        let third = [1, 2, 3].first { $0 != old && $0 != node }!
        let writer = try cluster.open(third)
        #expect(cluster.ask("SET k 2\r\n", writer, milliseconds: 3000) == "+OK\r\n")
        var answer = ""
        cluster.run(seconds: 10) {
            answer += cluster.output(reader)
            return !answer.isEmpty
        }
        #expect(answer == "$1\r\n1\r\n" || answer == "$1\r\n2\r\n")
        #expect(cluster.expect("$1\r\n2\r\n", to: "GET k\r\n", reader) == nil)
        cluster.heal()
        #expect(cluster.expect("$1\r\n2\r\n", to: "GET k\r\n", reader) == nil)
    }
}

import Bytes
import Configuration
import Engine
import RESP
import Testing

@testable import Engine

/// What is refused when more comes in than can be answered, and what is not.
@Suite struct OverloadTests {
    /// A queue that is served at a rate, and clients that want answers in time.
    private final class Server {
        var queue = CommandQueue()
        var now = Instant(nanoseconds: 1_000_000_000)
        let limit: Interval
        var (answered, refused, late) = (0, 0, 0)
        var longest = Interval.seconds(0)

        init(limit: Interval) { self.limit = limit }
    }

    private func append(to queue: inout CommandQueue, now: Instant) {
        let bytes = Array("SETkeyvalue".utf8)
        let ranges = [
            ArgumentRange(offset: 0, count: 3), ArgumentRange(offset: 3, count: 3),
            ArgumentRange(offset: 6, count: 5),
        ]
        _ = queue.append(
            Request(bytes: bytes.span, ranges: ranges.span), flags: [], database: 0,
            session: .none, now: now)
    }

    /// Milliseconds pass: so many commands come in each, so many are answered.
    private func play(
        _ server: Server, milliseconds: Int, arriving: Int, served: (Int) -> Int
    ) {
        for millisecond in 0..<milliseconds {
            server.now = server.now + .milliseconds(1)
            for _ in 0..<arriving {
                let wait = server.queue.expectedWait(without: 0, now: server.now)
                if let wait, wait > server.limit {
                    server.refused += 1
                } else {
                    append(to: &server.queue, now: server.now)
                }
            }
            for _ in 0..<served(millisecond) {
                guard
                    let item = server.queue.answer(
                        server.queue.head, waitLimit: server.limit, now: server.now)
                else {
                    break
                }
                server.answered += 1
                let waited = server.now - item.queuedAt
                server.longest = max(server.longest, waited)
                if waited > .seconds(1) { server.late += 1 }
            }
        }
    }

    @Test(arguments: [10, 30, 39]) func `a load that can be served is refused nothing`(load: Int) {
        let server = Server(limit: .milliseconds(500))
        play(server, milliseconds: 3000, arriving: load) { _ in 40 }
        #expect(server.refused == 0)
        // Served in rounds, as by a slow disk; and then a burst.
        play(server, milliseconds: 3000, arriving: load) { $0 % 60 == 0 ? 2400 : 0 }
        play(server, milliseconds: 50, arriving: 100) { $0 % 60 == 0 ? 10_000 : 0 }
        play(server, milliseconds: 1000, arriving: load) { $0 % 60 == 0 ? 10_000 : 0 }
        #expect(server.refused == 0)
    }

    @Test(arguments: [60, 120, 400]) func `a load beyond it leaves what can be served as it is`(
        load: Int
    ) {
        let server = Server(limit: .milliseconds(500))
        play(server, milliseconds: 10_000, arriving: load) { _ in 40 }
        #expect(server.answered > 399_000)
        // It is noticed when a command has waited for a quarter of the limit; what has come in by then
        // is served, late if it was ten times too much.
        let onset = Interval.milliseconds(Int64(130 * load / 40))
        #expect(server.longest < max(onset, .milliseconds(700)), "\(server.longest)")
        #expect(load == 400 ? server.late < 13_000 : server.late == 0)
        #expect(server.refused > (load - 40) * 9000)
        // Once it is over, nothing more is refused.
        let before = server.refused
        play(server, milliseconds: 700, arriving: 0) { _ in 40 }
        play(server, milliseconds: 2000, arriving: 35) { _ in 40 }
        #expect(server.refused == before)
    }

    @Test func `a pause in the answers is no reason to refuse`() {
        let server = Server(limit: .milliseconds(500))
        play(server, milliseconds: 1000, arriving: 20) { _ in 40 }
        play(server, milliseconds: 600, arriving: 20) { _ in 0 }
        play(server, milliseconds: 2000, arriving: 20) { _ in 40 }
        #expect(server.refused == 0)
        // Neither is one in the midst of an overload, after a while; there is room for it.
        play(server, milliseconds: 2000, arriving: 80) { _ in 40 }
        let before = server.refused
        #expect(before > 0)
        play(server, milliseconds: 1001, arriving: 0) { _ in 0 }
        play(server, milliseconds: 10, arriving: 20) { _ in 0 }
        #expect(server.refused == before)
    }

    @Test func `a refused command is not executed, and all are answered in order`() throws {
        let cluster = try EngineCluster.formed {
            $0.queueWaitLimit = .milliseconds(30)
            $0.clusterPort = 17000
        }
        let (leader, node) = (cluster.leader()!, cluster.follower())
        let clients = try (0..<4).map { _ in try cluster.open(node) }
        var answers = clients.map { _ in "" }
        var sent = clients.map { _ in 0 }
        for step in 0..<240 {
            // Answers come in bursts, 60 ms apart.
            if step % 12 == 0 { cluster.heal() } else { cluster.hold(from: leader, to: node) }
            for at in clients.indices {
                cluster.send(String(repeating: "INCR c\r\n", count: 10), clients[at])
                sent[at] += 10
            }
            cluster.step()
            for at in clients.indices { answers[at] += cluster.output(clients[at]) }
        }
        cluster.heal()
        cluster.run(seconds: 3) {
            for at in clients.indices { answers[at] += cluster.output(clients[at]) }
            return clients.indices.allSatisfy {
                answers[$0].split(separator: "\r\n").count >= sent[$0]
            }
        }
        var executed = 0
        var refused = 0
        for at in clients.indices {
            let lines = answers[at].split(separator: "\r\n")
            #expect(lines.count == sent[at])
            let numbers = lines.compactMap { $0.first == ":" ? Int($0.dropFirst()) : nil }
            #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 })
            let errors = lines.filter { $0.first == "-" }
            #expect(
                errors.allSatisfy {
                    $0 == "-TRYAGAIN Too many commands are waiting, this one was not executed"
                })
            #expect(numbers.count + errors.count == lines.count)
            executed += numbers.count
            refused += errors.count
        }
        #expect(refused > 100 && executed > 100, "\(refused) refused, \(executed) executed")
        let client = try cluster.open(node)
        #expect(
            cluster.expect(
                "$\("\(executed)".utf8.count)\r\n\(executed)\r\n", to: "GET c\r\n", client)
                == nil)
        let info = cluster.ask("INFO stats\r\n", client)
        #expect(info.contains("overload_refused_commands:\(refused)\r\n"))
        let errors = cluster.ask("INFO errorstats\r\n", client)
        #expect(errors.contains("errorstat_TRYAGAIN:count=\(refused)\r\n"))
        // Calm again.
        let calm = (1...50).map { ":\(executed + $0)\r\n" }.joined()
        #expect(
            cluster.expect(calm, to: String(repeating: "INCR c\r\n", count: 50), client) == nil)
        #expect(cluster.run(until: cluster.isConverged))
    }

    @Test func `a connection's own pipeline is held back, not refused`() throws {
        let cluster = try EngineCluster.formed { $0.queueWaitLimit = .milliseconds(30) }
        let (leader, node) = (cluster.leader()!, cluster.follower())
        let client = try cluster.open(node)
        var answer = ""
        for step in 0..<240 {
            if step % 12 == 0 { cluster.heal() } else { cluster.hold(from: leader, to: node) }
            cluster.send(String(repeating: "INCR c\r\n", count: 40), client)
            cluster.step()
            answer += cluster.output(client)
        }
        cluster.heal()
        let expected = (1...9600).map { ":\($0)\r\n" }.joined()
        cluster.run(seconds: 5) {
            answer += cluster.output(client)
            return answer.utf8.count >= expected.utf8.count
        }
        #expect(answer == expected)
    }

    @Test func `transactions are refused as a whole, and refusals can be switched off`() throws {
        for limit in [Interval.milliseconds(30), .seconds(0)] {
            let cluster = try EngineCluster.formed { $0.queueWaitLimit = limit }
            let (leader, node) = (cluster.leader()!, cluster.follower())
            let clients = try (0..<8).map { _ in try cluster.open(node) }
            var all = ""
            for step in 0..<60 {
                if step % 12 == 0 { cluster.heal() } else { cluster.hold(from: leader, to: node) }
                for client in clients {
                    cluster.send(
                        String(repeating: "MULTI\r\nINCR a\r\nINCR a\r\nEXEC\r\n", count: 3), client
                    )
                }
                cluster.step()
                for client in clients { all += cluster.output(client) }
            }
            cluster.heal()
            func isOver(_ line: Substring) -> Bool { line == "*2" || line.hasPrefix("-TRYAGAIN ") }
            cluster.run(seconds: 30) {
                for client in clients { all += cluster.output(client) }
                return all.split(separator: "\r\n").count(where: isOver) == 8 * 60 * 3
            }
            cluster.run(milliseconds: 50)
            let lines = all.split(separator: "\r\n")
            let executed = lines.count { $0 == "*2" }
            let refused = lines.count { $0.hasPrefix("-TRYAGAIN ") }
            #expect((refused > 0) == (limit > .seconds(0)), "\(refused)")
            let client = try cluster.open(node)
            let total = "\(2 * executed)"
            #expect(
                cluster.expect("$\(total.utf8.count)\r\n\(total)\r\n", to: "GET a\r\n", client)
                    == nil)
        }
    }
}

import Bytes
import Testing

@testable import Simulator

/// The workload against stores in memory: a right one, and others that break one promise each.
@Suite struct `The workload of SKEIN.ONCE` {
    enum Fault: CaseIterable {
        case none
        /// Executes a repeated request again now and then, and gives the first answer.
        case executesTwice
        /// Executes it again and gives the new answer.
        case answersAnew
        /// Lets a session go and takes it in again.
        case forgetsSessions
        /// Executes what it refuses.
        case executesRefused
        /// Answers and executes nothing.
        case loses
        /// Gives one id twice.
        case repeatsIDs
    }

    private struct Store {
        let fault: Fault
        var random: SeededGenerator
        var opened = 0
        var answers: [String: [String: Int64]] = [:]
        var gone: Set<String> = []
        var lists: [String: [String]] = [:]
        var counters: [String: Int64] = [:]

        init(_ fault: Fault, seed: UInt64) {
            self.fault = fault
            random = SeededGenerator(seed: seed)
        }

        private mutating func strikes() -> Bool { random.happens(0.05) }

        mutating func run(_ words: [String]) -> Reply {
            switch words[0] {
            case "SKEIN.SESSION":
                opened += fault == .repeatsIDs && random.happens(0.5) ? 0 : 1
                answers["s\(opened)"] = [:]
                return .bulk(Array("s\(opened)".utf8))
            case "GET":
                return counters[words[1]].map { .bulk(Array("\($0)".utf8)) } ?? .null
            case "LRANGE":
                return .array((lists[words[1]] ?? []).map { .bulk(Array($0.utf8)) })
            default: return once(words[1], words[2], Array(words[3...]))
            }
        }

        private mutating func once(_ id: String, _ sequence: String, _ words: [String]) -> Reply {
            if random.happens(0.004) {
                gone.insert(id)
                if fault == .forgetsSessions { answers[id] = [:] }
            }
            if gone.contains(id), fault != .forgetsSessions {
                if fault == .executesRefused { _ = execute(words) }
                return .error("ONCEEXPIRED The session is unknown or has expired")
            }
            if let first = answers[id]?[sequence] {
                if fault == .executesTwice, strikes() { _ = execute(words) }
                if fault == .answersAnew, strikes() { return .integer(execute(words)) }
                return .integer(first)
            }
            let answer =
                fault == .loses && strikes()
                ? Int64(
                    words[0] == "INCR"
                        ? counters[words[1], default: 0] + 1
                        : Int64(lists[words[1], default: []].count + 1))
                : execute(words)
            answers[id, default: [:]][sequence] = answer
            return .integer(answer)
        }

        private mutating func execute(_ words: [String]) -> Int64 {
            if words[0] == "INCR" {
                counters[words[1], default: 0] += 1
                return counters[words[1]]!
            }
            lists[words[1], default: []].append(words[2])
            return Int64(lists[words[1]]!.count)
        }
    }

    /// Plays calls, some of whose answers are lost, some of which never arrive.
    private func play(_ fault: Fault, seed: UInt64) -> WorkloadVerdict {
        let workload = OnceWorkload(keys: 4)
        var store = Store(fault, seed: seed)
        var random = SeededGenerator(seed: seed &+ 1)
        func words(_ call: Call) -> [String] {
            call.command.arguments.map { String(decoding: $0, as: UTF8.self) }
        }
        for _ in 0..<3000 {
            let call = workload.step(session: 1, now: .zero, random: &random)
            let chance = random.below(10)
            if chance == 0 {
                workload.finish(call.token, .rejected("CLUSTERDOWN"), now: .zero)
                continue
            }
            let reply = store.run(words(call))
            workload.finish(call.token, chance < 3 ? .unknown : .reply(reply), now: .zero)
        }
        var number = 0
        while let call = workload.finalRead(number, session: 1, now: .zero) {
            workload.finish(call.token, .reply(store.run(words(call))), now: .zero)
            number += 1
        }
        return workload.check()
    }

    @Test(arguments: 1...10) func `a store that keeps the promise passes`(seed: UInt64) {
        let verdict = play(.none, seed: seed)
        #expect(verdict.violations.isEmpty, "\(verdict.violations.prefix(3))")
        #expect(verdict.answered > 1000 && verdict.unknown > 300)
    }

    @Test(arguments: Fault.allCases.filter { $0 != .none })
    func `a store that breaks it is caught`(fault: Fault) {
        for seed: UInt64 in 1...5 {
            #expect(!play(fault, seed: seed).violations.isEmpty, "\(fault), seed \(seed)")
        }
    }
}

import Bytes
import Testing

@testable import Simulator

/// A register call in milliseconds; the end nil means that the outcome is unknown.
private func call(
    _ call: RegisterModel.Call, _ result: RegisterModel.Result?, _ from: Int64, _ to: Int64?,
    session: Int = 0
) -> HistoryEntry<RegisterModel.Call, RegisterModel.Result> {
    HistoryEntry(
        call, to == nil ? nil : result, invoked: Moment(nanoseconds: from),
        returned: to.map { Moment(nanoseconds: $0) } ?? .never, session: session)
}

private func judge(
    _ history: [HistoryEntry<RegisterModel.Call, RegisterModel.Result>]
) -> Bool {
    let raw = Linearizability<RegisterModel>.check(history)
    let prepared = Linearizability<RegisterModel>.check(Preparation.register(history))
    #expect((raw == .linearizable) == (prepared == .linearizable))
    return raw == .linearizable
}

@Suite struct `Linearizability of registers` {
    @Test func `a stale read after an acknowledged write is found`() {
        #expect(
            !judge([
                call(.set(1), .ok, 0, 10, session: 1),
                call(.set(2), .ok, 20, 30, session: 1),
                call(.get, .value(1), 40, 50, session: 2),
            ]))
    }

    @Test func `a read concurrent with a write may see either value`() {
        for seen: UInt64? in [1, 2] {
            #expect(
                judge([
                    call(.set(1), .ok, 0, 10, session: 1),
                    call(.set(2), .ok, 20, 60, session: 1),
                    call(.get, .value(seen), 30, 40, session: 2),
                ]))
        }
    }

    @Test func `reads may not go back in time`() {
        #expect(
            !judge([
                call(.set(1), .ok, 0, 10, session: 1),
                call(.set(2), .ok, 20, 100, session: 1),
                call(.get, .value(2), 30, 40, session: 2),
                call(.get, .value(1), 50, 60, session: 3),
            ]))
    }

    @Test func `a write of unknown outcome may take effect late or never`() {
        let start = [
            call(.set(1), .ok, 0, 10, session: 1), call(.set(2), nil, 20, nil, session: 2),
        ]
        #expect(judge(start + [call(.get, .value(1), 30, 40, session: 3)]))
        #expect(judge(start + [call(.get, .value(2), 300, 400, session: 3)]))
        #expect(
            judge(
                start + [
                    call(.get, .value(1), 30, 40, session: 3),
                    call(.get, .value(2), 50, 60, session: 3),
                ]))
        #expect(
            !judge(
                start + [
                    call(.get, .value(2), 30, 40, session: 3),
                    call(.get, .value(1), 50, 60, session: 3),
                ]))
    }

    @Test func `a value from nowhere is found`() {
        #expect(!judge([call(.get, .value(7), 0, 10, session: 1)]))
    }

    @Test func `a pipeline takes effect in its order`() {
        #expect(
            !judge([
                call(.set(1), .ok, 0, 100, session: 1), call(.get, .value(nil), 0, 100, session: 1),
            ]))
        #expect(
            judge([
                call(.get, .value(nil), 0, 100, session: 1), call(.set(1), .ok, 0, 100, session: 1),
            ]))
    }

    @Test func `a value that expired does not come back`() {
        let start = [call(.setExpiring(1), .ok, 0, 10, session: 1)]
        #expect(judge(start + [call(.get, .value(nil), 20, 30, session: 2)]))
        #expect(
            !judge(
                start + [
                    call(.get, .value(nil), 20, 30, session: 2),
                    call(.get, .value(1), 40, 50, session: 2),
                ]))
    }

    @Test func `an unseen value with a time to live explains that a key is gone`() {
        #expect(
            judge([
                call(.set(1), .ok, 0, 10, session: 1),
                call(.setExpiring(2), nil, 20, nil, session: 2),
                call(.get, .value(nil), 40, 50, session: 3),
            ]))
    }

    @Test func `an unseen value of unknown outcome explains that a delete found something`() {
        #expect(
            judge([
                call(.set(1), .ok, 0, 10, session: 1),
                call(.delete, .deleted(1), 20, 30, session: 1),
                call(.set(2), nil, 40, nil, session: 2),
                call(.delete, .deleted(1), 50, 60, session: 1),
                call(.get, .value(nil), 70, 80, session: 1),
            ]))
    }

    @Test func `random histories of a correct register pass and tampered ones do not`() {
        var found = 0
        for seed in 1...60 as ClosedRange<UInt64> {
            var random = SeededGenerator(seed: seed)
            var history = correctHistory(&random)
            #expect(judge(history), "seed \(seed)")
            // Tamper: a read that ends before everything sees the value of the last write.
            guard
                let last = history.lastIndex(where: {
                    if case .set = $0.call { $0.result != nil } else { false }
                }),
                case .set(let value) = history[last].call
            else { continue }
            history.append(
                HistoryEntry(
                    .get, .value(value), invoked: Moment(nanoseconds: -20),
                    returned: Moment(nanoseconds: -10), session: 99))
            if !judge(history) { found += 1 }
        }
        #expect(found > 50)
    }

    /// Five sessions on one register; each call takes effect at a random instant inside its interval.
    private func correctHistory(
        _ random: inout SeededGenerator
    ) -> [HistoryEntry<RegisterModel.Call, RegisterModel.Result>] {
        struct Planned {
            var session: Int
            var from: Int64
            var effect: Int64
            var to: Int64
            var isWrite: Bool
            var isLost: Bool
        }
        var plans: [Planned] = []
        for session in 1...5 {
            var time = Int64(random.below(50))
            for _ in 0..<20 {
                let from = time
                let effect = from + 1 + Int64(random.below(60))
                let to = effect + 1 + Int64(random.below(60))
                time = to + Int64(random.below(40))
                plans.append(
                    Planned(
                        session: session, from: from, effect: effect, to: to,
                        isWrite: random.happens(0.4), isLost: random.happens(0.1)))
            }
        }
        plans.sort { ($0.effect, $0.session) < ($1.effect, $1.session) }
        var value: UInt64?
        var next: UInt64 = 0
        var history: [HistoryEntry<RegisterModel.Call, RegisterModel.Result>] = []
        for plan in plans {
            if plan.isWrite {
                next += 1
                if !plan.isLost || random.happens(0.5) { value = next }
                history.append(
                    call(
                        .set(next), .ok, plan.from, plan.isLost ? nil : plan.to,
                        session: plan.session))
            } else {
                history.append(
                    call(
                        .get, .value(value), plan.from, plan.isLost ? nil : plan.to,
                        session: plan.session))
            }
        }
        return history
    }
}

@Suite struct `Linearizability of lists and counters` {
    private func entry<C, R>(_ call: C, _ result: R?, _ from: Int64, _ to: Int64, _ session: Int)
        -> HistoryEntry<C, R>
    {
        HistoryEntry(
            call, result, invoked: Moment(nanoseconds: from),
            returned: result == nil ? .never : Moment(nanoseconds: to), session: session)
    }

    @Test func `a lost element and a doubled element are found`() {
        typealias Check = Linearizability<ListModel>
        let pushes: [Check.Entry] = [
            entry(.push(1), .length(1), 0, 10, 1), entry(.push(2), .length(2), 20, 30, 2),
        ]
        let whole: Check.Entry = entry(.range, .elements([1, 2]), 40, 50, 3)
        let lost: Check.Entry = entry(.range, .elements([2]), 40, 50, 3)
        let doubled: Check.Entry = entry(.range, .elements([1, 2, 2]), 40, 50, 3)
        #expect(Check.check(pushes + [whole]) == .linearizable)
        #expect(Check.check(pushes + [lost]) != .linearizable)
        #expect(Check.check(pushes + [doubled]) != .linearizable)
    }

    @Test func `a push of unknown outcome that was seen is bound to its place`() {
        typealias Check = Linearizability<ListModel>
        let history: [Check.Entry] = [
            entry(.push(1), nil, 0, 0, 1), entry(.push(2), .length(2), 20, 30, 2),
            entry(.push(3), nil, 25, 0, 4), entry(.range, .elements([1, 2]), 40, 50, 3),
        ]
        #expect(Check.check(Preparation.list(history)) == .linearizable)
        #expect(Preparation.list(history).count == 3)
    }

    @Test func `an increment executed twice is found`() {
        typealias Check = Linearizability<CounterModel>
        let good: [Check.Entry] = [
            entry(.increment, 1, 0, 10, 1), entry(.increment, 2, 5, 20, 2),
            entry(.get, 2, 30, 40, 3),
        ]
        let twice: [Check.Entry] = [entry(.increment, 1, 0, 10, 1), entry(.get, 2, 30, 40, 3)]
        #expect(Check.check(good) == .linearizable)
        #expect(Check.check(twice) != .linearizable)
    }

    @Test func `thirty increments of unknown outcome do not blow up the search`() {
        typealias Check = Linearizability<CounterModel>
        var history: [Check.Entry] = []
        for i in 0..<30 { history.append(entry(.increment, nil, Int64(i), 0, i)) }
        for i in 0..<20 {
            history.append(entry(.get, Int64(i + 5), Int64(100 + 10 * i), Int64(105 + 10 * i), 50))
        }
        #expect(Check.check(history, stepsMax: 100_000) == .linearizable)
        history.append(entry(.get, 31, 1000, 1010, 50))
        #expect(Check.check(history, stepsMax: 100_000) != .linearizable)
    }
}

@Suite struct `Replica checker` {
    @Test func `two leaders in one term are found`() {
        var checker = ReplicaChecker()
        checker.leads(node: 1, group: 1, term: 4, at: .zero)
        checker.leads(node: 1, group: 1, term: 4, at: .zero)
        checker.leads(node: 2, group: 2, term: 4, at: .zero)
        #expect(checker.violations.isEmpty)
        checker.leads(node: 2, group: 1, term: 4, at: .zero)
        #expect(checker.violations.count == 1)
    }

    @Test func `different states at one index are found`() {
        var checker = ReplicaChecker()
        checker.state(node: 1, group: 1, applied: 10, term: 1, hash: 5, at: .zero)
        checker.state(node: 2, group: 1, applied: 10, term: 1, hash: 5, at: .zero)
        #expect(checker.violations.isEmpty)
        checker.state(node: 3, group: 1, applied: 10, term: 1, hash: 6, at: .zero)
        #expect(checker.violations.count == 1)
    }

    @Test func `a term or a commit that goes back is found`() {
        var checker = ReplicaChecker()
        checker.progress(node: 1, life: 1, group: 0, term: 4, commit: 9, at: .zero)
        checker.progress(node: 1, life: 2, group: 0, term: 3, commit: 3, at: .zero)
        #expect(checker.violations.isEmpty)
        checker.progress(node: 1, life: 2, group: 0, term: 2, commit: 2, at: .zero)
        #expect(checker.violations.count == 2)
    }
}

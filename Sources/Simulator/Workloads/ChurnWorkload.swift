public import Bytes

/// Commands of every family at random: what they answer is the differential test's business, here
/// they exist so that the state hash of the replicas covers every type, random picks, expiry and
/// commands over all groups.
///
/// It has the keys `churn:*` to itself.
public final class ChurnWorkload: Workload {
    public let name = "churn"
    private let keys: Int
    private var calls = 0
    private var verdict = WorkloadVerdict()

    public init(keys: Int) { self.keys = keys }

    public func step(session: Int, now: Moment, random: inout SeededGenerator) -> Call {
        calls += 1
        return Call(ClientCommand(arguments(&random)), token: calls)
    }

    private func arguments(_ random: inout SeededGenerator) -> [String] {
        // One type a key, so that most commands do something; some miss on purpose.
        func key(_ type: String, _ random: inout SeededGenerator) -> String {
            "churn:\(random.happens(0.97) ? type : "s"):\(random.below(UInt64(keys)))"
        }
        func field(_ random: inout SeededGenerator) -> String { "f\(random.below(40))" }
        func number(_ random: inout SeededGenerator) -> String {
            "\(random.integer(-1000...1000))"
        }
        switch random.below(34) {
        case 0, 1: return ["HSET", key("h", &random), field(&random), number(&random)]
        case 2: return ["HDEL", key("h", &random), field(&random)]
        case 3: return ["HINCRBY", key("h", &random), field(&random), number(&random)]
        case 4: return ["HGETALL", key("h", &random)]
        case 5, 6: return ["SADD", key("S", &random), field(&random), number(&random)]
        case 7: return ["SPOP", key("S", &random)]
        case 8: return ["SRANDMEMBER", key("S", &random), "2"]
        case 9: return ["SREM", key("S", &random), field(&random)]
        case 10, 11: return ["ZADD", key("z", &random), number(&random), field(&random)]
        case 12: return ["ZINCRBY", key("z", &random), "1.5", field(&random)]
        case 13: return ["ZPOPMIN", key("z", &random)]
        case 14: return ["ZRANGE", key("z", &random), "0", "-1", "WITHSCORES"]
        case 15, 16: return ["LPUSH", key("l", &random), number(&random), field(&random)]
        case 17: return ["RPOP", key("l", &random)]
        case 18: return ["LTRIM", key("l", &random), "0", "20"]
        case 19: return ["LINSERT", key("l", &random), "BEFORE", field(&random), "x"]
        case 20: return ["LREM", key("l", &random), "0", field(&random)]
        case 21: return ["APPEND", key("s", &random), field(&random)]
        case 22: return ["SETRANGE", key("s", &random), "\(random.below(50))", field(&random)]
        case 23: return ["INCRBYFLOAT", key("f", &random), "0.25"]
        case 24: return ["PEXPIRE", key("h", &random), "\(random.integer(1...3000))"]
        case 25: return ["PEXPIRE", key("z", &random), "\(random.integer(1...3000))"]
        case 26: return ["PERSIST", key("h", &random)]
        case 27: return ["GETDEL", key("s", &random)]
        case 28: return ["DEL", key("l", &random)]
        case 29: return ["RENAME", "{churn}\(random.below(4))", "{churn}\(random.below(4))"]
        case 30: return ["SET", "{churn}\(random.below(4))", number(&random), "KEEPTTL"]
        case 31: return ["PTTL", key("h", &random)]
        case 32: return ["RANDOMKEY"]
        default:
            return random.happens(0.3) ? ["DBSIZE"] : ["OBJECT", "ENCODING", key("z", &random)]
        }
    }

    public func finish(_ token: Int, _ outcome: Outcome, now: Moment) {
        switch outcome {
        case .reply: verdict.answered += 1
        case .rejected: verdict.rejected += 1
        case .unknown: verdict.unknown += 1
        }
    }

    public func beginAnew() {}

    public func finalRead(_ number: Int, session: Int, now: Moment) -> Call? {
        number == 0 ? Call(ClientCommand("DBSIZE"), token: 0) : nil
    }

    public func check() -> WorkloadVerdict { verdict }
}
